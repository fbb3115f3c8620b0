"""Things that happened: on the drone (MQTT), in the cloud (queues and EventBridge)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from contracts.geo import Frozen
from contracts.health import Health
from contracts.ids import AssetId, BootId, DroneId, FindingId, FlightId, SegmentId, Sha256
from contracts.shapes import AssetGeometry
from contracts.telemetry import LostRange
from contracts.vocabulary import AircraftState


class DroneEventKind(StrEnum):
    """What a drone reports beside telemetry."""

    STATE_CHANGED = "state_changed"
    WAYPOINT_REACHED = "waypoint_reached"
    FLIGHT_STARTED = "flight_started"
    FLIGHT_ENDED = "flight_ended"
    SEGMENT_RECORDED = "segment_recorded"
    SEGMENT_UPLOADED = "segment_uploaded"
    SAFETY = "safety"
    AUTOPILOT_LOST = "autopilot_lost"
    AUTOPILOT_BACK = "autopilot_back"
    DIAGNOSTIC = "diagnostic"
    """A warning of the agent's own log; the first thing to go when the disk is full."""
    HEALTH = "health"
    """A reading of the companion computer, once a minute."""
    RECORDS_LOST = "records_lost"
    """A tombstone: the records of ``lost`` will never come."""


def _is_none(value: object) -> bool:
    return value is None


class DroneEvent(Frozen):
    """One thing that happened on the drone."""

    seq: int = Field(ge=1)
    kind: DroneEventKind
    at: AwareDatetime
    flight_id: FlightId | None = None
    state: AircraftState | None = None
    segment_id: SegmentId | None = None
    waypoint: int | None = None
    expected_segments: int | None = None
    code: str = Field(default="", max_length=64)
    detail: str = Field(default="", max_length=400)
    health: Health | None = Field(default=None, exclude_if=_is_none, description="health: the reading")
    lost: LostRange | None = Field(default=None, description="records_lost: which, where they had numbers")


class EventBatch(Frozen):
    """What one message on the events topic carries."""

    drone_id: DroneId
    boot_id: BootId
    events: tuple[DroneEvent, ...] = Field(min_length=1, max_length=100)


class SegmentVerified(Frozen):
    """The cloud has re-hashed a segment and committed it: the drone may free the space."""

    segment_id: SegmentId
    sha256: Sha256


class AnalyseSegment(Frozen):
    """A job for a vision worker (queue ``vision-jobs``). The geometry travels with it: vision has no database."""

    segment_id: SegmentId
    flight_id: FlightId
    drone_id: DroneId
    asset_id: AssetId
    video_key: str
    manifest_key: str
    video_sha256: Sha256
    geometry: AssetGeometry | None


class BatchReady(Frozen):
    """A DetectionBatch is stored (queue ``detections``)."""

    segment_id: SegmentId
    batch_key: str
    failed_reason: str = Field(default="", max_length=400, description="set when the segment cannot be analysed")


class FindingCritical(Frozen):
    """Input of the critical-finding workflow; one execution per finding (its name is the finding id)."""

    finding_id: FindingId
    asset_id: AssetId
    flight_id: FlightId
    detected_at: AwareDatetime
    traceparent: str = Field(default="", max_length=55, description="W3C trace of the segment it was first seen in")


class SubjectDue(Frozen):
    """Input of the workflows that are not about one finding: a flight's id, or a day (2026-11-20)."""

    subject: str = Field(min_length=1, max_length=120)


class WorkflowTask(Frozen):
    """A task of a state machine for a handler (queue ``workflow-tasks``), answered with its token."""

    task: str = Field(max_length=40, description="name of a handler module of workflows")
    token: str
    execution: str = Field(default="", max_length=200)
    input: dict[str, object]
