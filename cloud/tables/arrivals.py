"""What drones send: telemetry, watermarks, events, media, and what could not be read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, false, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Telemetry(Base):
    """10 Hz samples as the drone sent them; a partition for each month (``cloud.telemetry_store.months``)."""

    __tablename__ = "telemetry"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    captured_at: Mapped[datetime] = mapped_column(primary_key=True)
    """In the key because the months are told by it; a record has one time for all its life."""
    flight_id: Mapped[str | None]
    state: Mapped[str]
    lat_deg: Mapped[float]
    lon_deg: Mapped[float]
    alt_m: Mapped[float]
    alt_rel_m: Mapped[float]
    yaw_deg: Mapped[float]
    pitch_deg: Mapped[float]
    roll_deg: Mapped[float]
    gimbal_yaw_deg: Mapped[float]
    gimbal_pitch_deg: Mapped[float]
    vel_east_mps: Mapped[float]
    vel_north_mps: Mapped[float]
    vel_up_mps: Mapped[float]
    battery_percent: Mapped[float | None]
    battery_v: Mapped[float | None]
    gps_fix: Mapped[int]
    satellites: Mapped[int]
    link_percent: Mapped[float | None]
    wind_mps: Mapped[float | None]
    wind_from_deg: Mapped[float | None]
    waypoint: Mapped[int | None]
    monotonic_ms: Mapped[int] = mapped_column(BigInteger)
    clock: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        Index("telemetry_captured_brin", "captured_at", postgresql_using="brin"),
        Index("telemetry_drone_captured", "drone_id", "captured_at"),
        Index("telemetry_flight_captured", "flight_id", "captured_at"),
        Index("telemetry_received_brin", "received_at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (captured_at)"},
    )


class WatermarkRow(Base):
    """Highest contiguous committed sequence of a stream."""

    __tablename__ = "watermarks"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)


class LostRow(Base):
    """Records that a drone has said will never come; ``kept_every`` > 0: those divisible by it do."""

    __tablename__ = "lost_records"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    last_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    first_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kept_every: Mapped[int]
    reason: Mapped[str]
    at: Mapped[datetime]


class DroneEventRow(Base):
    """What drones reported (streams ``events`` and ``acks``), once each."""

    __tablename__ = "drone_events"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    flight_id: Mapped[str | None] = mapped_column(index=True)
    body: Mapped[dict[str, Any]]


class Media(Base):
    """A video segment in S3 and where its analysis stands."""

    __tablename__ = "media"
    segment_id: Mapped[str] = mapped_column(primary_key=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    drone_id: Mapped[str]
    asset_id: Mapped[str]
    index: Mapped[int]
    video_key: Mapped[str]
    manifest_key: Mapped[str]
    sha256: Mapped[str]
    object_version: Mapped[str] = mapped_column(default="")
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    frames: Mapped[int]
    started_at: Mapped[datetime]
    duration_s: Mapped[float]
    state: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now())
    queued_at: Mapped[datetime | None]
    analysed_at: Mapped[datetime | None]
    processing_s: Mapped[float | None]
    key_frames: Mapped[int | None]
    model_sha256: Mapped[str | None]
    counts_towers: Mapped[bool] = mapped_column(server_default=false())
    """Whether vision counts what it saw of a line's towers: where not, that none is told says nothing."""


class DeadLetter(Base):
    """Something that could not be handled, with the reason, for a person to see."""

    __tablename__ = "dead_letters"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    source: Mapped[str]
    key: Mapped[str]
    reason: Mapped[str]
    payload: Mapped[str]
    """At most the first 4,000 characters; bytes that are not UTF-8 are escaped."""
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    replayed_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("source", "key"),)
