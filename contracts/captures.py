"""Captures made without Kestrel's agent: a memory card's videos and photos, and what their files say of place and time.

A video becomes ordinary segments (:mod:`contracts.media`); its capture record names the file they were cut from. Photos
travel whole, and the record places each. Nothing in a record is guessed: what the card does not say is None.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, NaiveDatetime, model_validator

from contracts.geo import Finite, Frozen
from contracts.ids import AssetId, DroneId, FlightId, Sha256
from contracts.optics import CameraIntrinsics

CAPTURE_PREFIX = "cap-"
"""Flights whose id begins so were not flown by Kestrel."""
CAPTURE_RECORD = "capture.json"

_Name = Annotated[str, Field(min_length=1, max_length=400)]


class HeightDatum(StrEnum):
    """Above what a camera's absolute height is."""

    ELLIPSOID = "ellipsoid"
    SEA_LEVEL = "sea_level"
    UNSTATED = "unstated"


class CaptureKind(StrEnum):
    """What a capture holds."""

    VIDEO = "video"
    PHOTOS = "photos"


class CapturePlace(Frozen):
    """Where a camera says it was; heights as it named them."""

    lat_deg: float = Field(ge=-90, le=90)
    lon_deg: float = Field(ge=-180, le=180)
    alt_m: Finite | None = Field(default=None, description="absolute height, above ``datum``")
    datum: HeightDatum = HeightDatum.UNSTATED
    alt_rel_m: Finite | None = Field(default=None, description="above take-off")
    rtk_flag: int | None = Field(default=None, ge=0, le=99, description="0 none, 16 single, 32-49 float, 50 fixed")


class CaptureDirection(Frozen):
    """Where a camera says it looked: yaw clockwise from north, pitch positive upwards."""

    yaw_deg: Finite
    pitch_deg: float = Field(ge=-90, le=90)
    roll_deg: Finite = 0.0


class PhotoRecord(Frozen):
    """One photo of a capture, bytes unchanged."""

    index: int = Field(ge=0, le=99_999)
    name: _Name
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    camera_model: str = Field(default="", max_length=80)
    camera_time: NaiveDatetime | None = Field(default=None, description="the camera's clock, zone not said")
    captured_at: AwareDatetime | None = None
    place: CapturePlace | None = None
    direction: CaptureDirection | None = None
    camera: CameraIntrinsics | None = None


class Capture(Frozen):
    """One video, or the photos of one folder. ``capture_id`` follows from the content: the same card, the same id."""

    capture_id: FlightId = Field(pattern=f"^{CAPTURE_PREFIX}")
    drone_id: DroneId
    asset_id: AssetId
    kind: CaptureKind
    source_name: _Name = Field(description="path on the card")
    source_sha256: Sha256 | None = Field(default=None, description="of the video file")
    subtitle_sha256: Sha256 | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    segments: int = Field(default=0, ge=0)
    placed_segments: int = Field(default=0, ge=0, description="with a pose track")
    photos: tuple[PhotoRecord, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="what the files lacked")

    @model_validator(mode="after")
    def _whole(self) -> Capture:
        if self.kind is CaptureKind.VIDEO and not (self.segments and self.started_at and self.source_sha256):
            raise ValueError("a video needs segments, started_at and source_sha256")
        if [photo.index for photo in self.photos] != list(range(len(self.photos))):
            raise ValueError("photos must be numbered from 0 without a gap")
        if (self.kind is CaptureKind.PHOTOS) != bool(self.photos):
            raise ValueError("photos belong to a capture of photos, and only there")
        return self


def capture_key(drone_id: str, capture_id: str) -> str:
    """Return the key of a capture's record."""
    return f"flights/{drone_id}/{capture_id}/{CAPTURE_RECORD}"


def photo_key(drone_id: str, capture_id: str, index: int) -> str:
    """Return the key of a photo; it is stored before its capture's record, whose arrival means all are there."""
    return f"flights/{drone_id}/{capture_id}/{index:05d}.jpg"
