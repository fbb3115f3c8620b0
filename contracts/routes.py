"""What is flown: waypoints in order, with a content hash that both ends compute."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import Field

from contracts.geo import Finite, Frozen, GeoPoint
from contracts.ids import AssetId, PlanId, Sha256
from contracts.vocabulary import Blade, BladeSide


class WaypointAction(StrEnum):
    """What happens on reaching a waypoint."""

    NONE = "none"
    START_VIDEO = "start_video"
    STOP_VIDEO = "stop_video"


class Strip(Frozen):
    """The side of a blade a leg looks at."""

    blade: Blade
    side: BladeSide


class Waypoint(Frozen):
    """A place to fly to in a straight line, with the camera's direction on arrival."""

    seq: int = Field(ge=0, le=649)
    point: GeoPoint
    speed_mps: float = Field(gt=0, le=25)
    camera_yaw_deg: Finite
    camera_pitch_deg: float = Field(ge=-90, le=90)
    action: WaypointAction = WaypointAction.NONE
    strip: Strip | None = None


class Fence(Frozen):
    """A cylinder the aircraft must stay in, and a floor and ceiling above home."""

    centre: GeoPoint
    radius_m: float = Field(gt=10, le=20000)
    max_alt_rel_m: float = Field(gt=2, le=2000)


class Route(Frozen):
    """One flight's path. Same plan and version give the same bytes and the same hash."""

    plan_id: PlanId
    version: int = Field(ge=1)
    asset_id: AssetId
    pattern: str = Field(max_length=40)
    home: GeoPoint
    standoff_m: float = Field(gt=0)
    fence: Fence
    waypoints: tuple[Waypoint, ...] = Field(min_length=1, max_length=650)

    def content_hash(self) -> Sha256:
        """Return the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
