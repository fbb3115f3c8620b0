"""Telemetry that has grown old: minutes of it in the database, every sample of it in the object store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class TelemetryMinute(Base):
    """What a drone measured in a minute of a flight. ``flight_id`` is empty for samples of no flight."""

    __tablename__ = "telemetry_minutes"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    flight_id: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    samples: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    min_battery_percent: Mapped[float | None]
    sum_battery_percent: Mapped[float | None]
    battery_untold: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Of ``samples``, those whose autopilot told no charge: no part of least and sum."""
    max_wind_mps: Mapped[float | None]
    sum_wind_mps: Mapped[float | None]
    wind_samples: Mapped[int] = mapped_column(BigInteger)
    max_alt_rel_m: Mapped[float]
    max_speed_mps: Mapped[float]
    min_link_percent: Mapped[float | None]
    min_satellites: Mapped[int]
    __table_args__ = (
        Index("telemetry_minutes_minute", "minute"),
        Index("telemetry_minutes_flight", "flight_id"),
    )


class TelemetryRolled(Base):
    """One row: samples received before ``settled_at`` are in the minutes, each once."""

    __tablename__ = "telemetry_rolled"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    settled_at: Mapped[datetime]


class TelemetryArchive(Base):
    """A Parquet object that holds samples which are no longer in ``telemetry``; written with their deletion."""

    __tablename__ = "telemetry_archives"
    key: Mapped[str] = mapped_column(primary_key=True)
    drone_id: Mapped[str]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    rows: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    flights: Mapped[dict[str, Any]]
    """flight id -> how many of the rows are its own."""
    archived_at: Mapped[datetime]
    __table_args__ = (
        Index("telemetry_archives_drone", "drone_id", "last_at"),
        Index("telemetry_archives_flights", "flights", postgresql_using="gin"),
    )
