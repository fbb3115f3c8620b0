"""What flights recorded, as their drones told it before sending it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class InventoryRow(Base):
    """The newest inventory of a flight's segments."""

    __tablename__ = "inventories"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    segments: Mapped[int]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    complete: Mapped[bool]
    entries: Mapped[list[Any]]
    told_at: Mapped[datetime] = mapped_column(server_default=func.now())
