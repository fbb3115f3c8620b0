"""What a drone says of itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from contracts.geo import Finite, Frozen
from contracts.ids import BootId, DroneId, FlightId
from contracts.vocabulary import AircraftState


class ClockQuality(StrEnum):
    """How far UTC on the drone can be trusted."""

    GPS = "gps"
    NTP = "ntp"
    FREE = "free"


class TelemetrySample(Frozen):
    """One 10 Hz sample. Unique by (drone, boot, seq); ``seq`` has no gaps within a boot."""

    seq: int = Field(ge=1)
    captured_at: AwareDatetime
    monotonic_ms: int = Field(ge=0, description="since the agent's boot id was made")
    clock: ClockQuality = ClockQuality.GPS
    flight_id: FlightId | None = None
    state: AircraftState
    lat_deg: float = Field(ge=-90, le=90)
    lon_deg: float = Field(ge=-180, le=180)
    alt_m: Finite = Field(description="above the WGS 84 ellipsoid")
    alt_rel_m: Finite = Field(description="above take-off")
    yaw_deg: Finite
    pitch_deg: Finite
    roll_deg: Finite
    gimbal_yaw_deg: Finite = Field(description="camera axis, clockwise from true north")
    gimbal_pitch_deg: Finite = Field(description="camera axis, positive upwards")
    vel_east_mps: Finite
    vel_north_mps: Finite
    vel_up_mps: Finite
    battery_percent: float | None = Field(default=None, ge=0, le=100, description="absent: the autopilot tells none")
    battery_v: float | None = Field(default=None, ge=0, le=1000, description="absent: the autopilot tells none")
    gps_fix: int = Field(ge=0, le=6, description="MAVLink GPS_FIX_TYPE; 6 is RTK fixed")
    satellites: int = Field(ge=0, le=99)
    link_percent: float | None = Field(default=None, ge=0, le=100)
    wind_mps: float | None = Field(default=None, ge=0, le=100)
    wind_from_deg: float | None = None
    waypoint: int | None = Field(default=None, ge=0, description="sequence number now flown to")


class TelemetryBatch(Frozen):
    """What one telemetry message carries: samples of one boot, in order. JSON, or packed by ``contracts.columns``."""

    drone_id: DroneId
    boot_id: BootId
    samples: tuple[TelemetrySample, ...] = Field(min_length=1, max_length=200)


class DroneStatus(Frozen):
    """Presence; retained, and published by the broker as the last will with ``online=False``."""

    drone_id: DroneId
    boot_id: BootId
    online: bool
    at: AwareDatetime
    agent_version: str = Field(max_length=40)
    autopilot: str = Field(default="", max_length=80)


class Stream(StrEnum):
    """The drone's durable streams, each with its own gap-free sequence."""

    TELEMETRY = "telemetry"
    ACKS = "acks"
    EVENTS = "events"


class SeqRange(Frozen):
    """The records ``first_seq`` to ``last_seq``, both included."""

    first_seq: int = Field(ge=1)
    last_seq: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last_seq < self.first_seq:
            raise ValueError("last_seq must not be below first_seq")
        return self


class LostRange(SeqRange):
    """Records of an earlier or the present boot that will never come."""

    boot_id: BootId
    stream: Stream
    kept_every: int = Field(default=0, ge=0, description="thinned: numbers divisible by it still come; 0: none does")
    reason: str = Field(default="", max_length=200)


class Watermark(Frozen):
    """The cloud has committed every record of a stream up to ``seq``, and ``above``: the drone may delete them.

    Committed means stored, or reported as lost by the drone itself.
    """

    drone_id: DroneId
    boot_id: BootId
    stream: Stream
    seq: int = Field(ge=0)
    above: tuple[SeqRange, ...] = Field(default=(), max_length=64, description="stored beyond a gap that is still open")


def to_utc_us(moment: datetime) -> int:
    """Return microseconds since 1970 UTC."""
    return round(moment.timestamp() * 1_000_000)
