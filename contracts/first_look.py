"""The first look on board: a crop that left the drone at once, to be confirmed by the full analysis.

A first look is no finding: the small detector saw one frame, without the asset's surface. It is shown as provisional,
never graded, never ticketed.
"""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from contracts.geo import BoxNorm, Frozen, Pose
from contracts.ids import AssetId, DroneId, FlightId, Sha256
from contracts.vocabulary import DefectKind

FIRST_LOOK = "first-look"


class FirstLook(Frozen):
    """One box in one frame, its crop, and where the camera was."""

    look_id: str = Field(pattern=r"^\d{1,17}-\d{1,3}$", description="frame time in microseconds, then a number")
    drone_id: DroneId
    flight_id: FlightId
    asset_id: AssetId
    t_us: int = Field(ge=0, description="UTC of the frame, microseconds since 1970")
    captured_at: AwareDatetime
    kind: DefectKind
    confidence: float = Field(ge=0, le=1)
    box: BoxNorm
    pose: Pose | None = Field(description="None where the pose track does not reach the frame")
    width_px: int = Field(gt=0, description="of the whole frame")
    height_px: int = Field(gt=0)
    crop_sha256: Sha256
    crop_bytes: int = Field(gt=0, le=1_000_000)
    model_sha256: Sha256
    latency_ms: float = Field(ge=0, description="from the frame's own time to the crop on disk")


def crop_key(drone_id: str, flight_id: str, look_id: str) -> str:
    """Return the key of a first look's crop (JPEG), stored before its record."""
    return f"flights/{drone_id}/{flight_id}/{FIRST_LOOK}/{look_id}.jpg"


def record_key(drone_id: str, flight_id: str, look_id: str) -> str:
    """Return the key of a first look's record."""
    return f"flights/{drone_id}/{flight_id}/{FIRST_LOOK}/{look_id}.json"
