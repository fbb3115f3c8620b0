"""What came beside the segments: imported captures, and first looks that wait to be confirmed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class CaptureRow(Base):
    """A video or the photos of a folder, imported from a memory card. ``record`` is the capture as it was sent."""

    __tablename__ = "captures"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    """The capture's id: a capture is a flight that Kestrel did not fly."""
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    drone_id: Mapped[str] = mapped_column(ForeignKey("drones.drone_id"))
    kind: Mapped[str]
    source_name: Mapped[str]
    record_key: Mapped[str]
    photos: Mapped[int]
    record: Mapped[dict[str, Any]]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class FirstLookRow(Base):
    """A crop the small detector on the drone sent ahead. Provisional: never graded, never ticketed."""

    __tablename__ = "first_looks"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    look_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"))
    drone_id: Mapped[str] = mapped_column(ForeignKey("drones.drone_id"))
    t_us: Mapped[int] = mapped_column(BigInteger)
    captured_at: Mapped[datetime]
    kind: Mapped[str]
    confidence: Mapped[float]
    crop_key: Mapped[str]
    record_key: Mapped[str]
    record: Mapped[dict[str, Any]]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (Index("first_looks_captured", "flight_id", "captured_at"),)
