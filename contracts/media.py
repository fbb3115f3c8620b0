"""Video segments: the manifest that travels with each, and the only place object keys are built or parsed."""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import AwareDatetime, Field, model_validator

from contracts.errors import InvalidInput
from contracts.geo import Frozen, Pose
from contracts.ids import AssetId, DroneId, FlightId, SegmentId, Sha256, segment_id
from contracts.optics import CameraIntrinsics


class PoseSample(Frozen):
    """The camera's pose at one instant, as the drone's own navigation saw it."""

    t_us: int = Field(ge=0, description="UTC, microseconds since 1970")
    pose: Pose


class FrameTime(Frozen):
    """When a frame was taken."""

    pts_ms: float = Field(ge=0, description="presentation time within the segment file")
    t_us: int = Field(ge=0, description="UTC, microseconds since 1970")


class SegmentManifest(Frozen):
    """Everything needed to place the pixels of one segment in the world."""

    segment_id: SegmentId
    flight_id: FlightId
    drone_id: DroneId
    asset_id: AssetId
    index: int = Field(ge=0)
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    codec: str = Field(max_length=16)
    started_at: AwareDatetime
    frames: tuple[FrameTime, ...] = Field(min_length=1)
    poses: tuple[PoseSample, ...] = Field(description="two or more about the segment; none: where it was is unknown")
    camera: CameraIntrinsics
    pose_sigma_m: float = Field(default=0.03, ge=0, description="1-sigma position error per axis")
    attitude_sigma_deg: float = Field(default=0.1, ge=0, description="1-sigma camera angle error per axis")
    last: bool = Field(default=False, description="no further segment belongs to this flight")

    @model_validator(mode="after")
    def _ordered(self) -> SegmentManifest:
        times = [p.t_us for p in self.poses]
        if times != sorted(times):
            raise ValueError("poses must be in time order")
        if len(times) == 1:
            raise ValueError("one pose places nothing: give two or more, or none")
        if self.segment_id != segment_id(self.flight_id, self.index):
            raise ValueError("segment_id must be <flight_id>.<index>")
        return self


class FlightMedia(Frozen):
    """How many segments a landed flight recorded; stored beside them when recording has ended."""

    flight_id: FlightId
    drone_id: DroneId
    expected_segments: int = Field(ge=0)


class SegmentEntry(Frozen):
    """One segment of an inventory."""

    index: int = Field(ge=0)
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    started_at: AwareDatetime


class FlightInventory(Frozen):
    """What a flight has recorded so far; leaves the drone before any of it, and again whenever it has grown."""

    flight_id: FlightId
    drone_id: DroneId
    complete: bool = Field(description="recording has ended; nothing will be added")
    segments: tuple[SegmentEntry, ...] = Field(max_length=10_000)


class UploadOrder(Frozen):
    """The cloud asks a drone to send these segments of a flight first. The newest order of a flight holds."""

    flight_id: FlightId
    segments: tuple[int, ...] = Field(max_length=1000, description="indices, most wanted first")


class ObjectKey(NamedTuple):
    """A parsed object key below ``flights/``."""

    drone_id: str
    flight_id: str
    name: str


_KEY = re.compile(r"^flights/(?P<drone>[a-z0-9-]+)/(?P<flight>[a-z0-9-]+)/(?P<name>[A-Za-z0-9._/-]+)$")


def video_key(drone_id: str, flight_id: str, index: int) -> str:
    """Return the key of a segment's video."""
    return f"flights/{drone_id}/{flight_id}/{index:05d}.mp4"


def manifest_key(drone_id: str, flight_id: str, index: int) -> str:
    """Return the key of a segment's manifest; it is stored after the video, so its arrival means both are there."""
    return f"flights/{drone_id}/{flight_id}/{index:05d}.json"


def flight_media_key(drone_id: str, flight_id: str) -> str:
    """Return the key of a flight's FlightMedia record."""
    return f"flights/{drone_id}/{flight_id}/flight.json"


def inventory_key(drone_id: str, flight_id: str) -> str:
    """Return the key of a flight's FlightInventory."""
    return f"flights/{drone_id}/{flight_id}/inventory.json"


def thumbnail_key(drone_id: str, flight_id: str, index: int) -> str:
    """Return the key of a segment's thumbnail (JPEG)."""
    return f"flights/{drone_id}/{flight_id}/thumbs/{index:05d}.jpg"


def proxy_key(drone_id: str, flight_id: str, index: int) -> str:
    """Return the key of a segment's 1080p proxy."""
    return f"flights/{drone_id}/{flight_id}/proxy/{index:05d}.mp4"


def batch_key(segment: str, model_hash: str) -> str:
    """Return the key of the detections a model made of a segment."""
    return f"detections/{segment}/{model_hash[:12]}.json"


def crop_key(segment: str, detection_id: str) -> str:
    """Return the key of a detection's crop (JPEG)."""
    return f"crops/{segment}/{detection_id}.jpg"


def frame_key(segment: str, frame: int) -> str:
    """Return the key of a whole evidence frame (JPEG)."""
    return f"frames/{segment}/{frame:06d}.jpg"


def audit_key(segment: str, frame: int) -> str:
    """Return the key of a frame of the blind audits' sample (JPEG, full resolution)."""
    return f"frames/{segment}/{frame:06d}-audit.jpg"


def parse_key(key: str) -> ObjectKey:
    """Return the parts of a key below ``flights/``.

    Raises:
        InvalidInput: The key has another shape or climbs out of its folder.

    """
    match = _KEY.match(key)
    if match is None or ".." in key:
        raise InvalidInput(f"{key!r} is not a flight object.", hint="flights/<drone>/<flight>/<name>", field="key")
    return ObjectKey(match["drone"], match["flight"], match["name"])
