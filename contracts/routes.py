"""What is flown: waypoints in order, with a content hash that both ends compute."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import Field, model_validator

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


def _absent(value: object) -> bool:
    """Fields added later leave no trace in the JSON while unused: routes stored before them keep their hash."""
    return value is None or value == ()


class Orbit(Frozen):
    """Whole turns about a waypoint's place before flying on; the path joins the circle at its nearest point."""

    radius_m: float = Field(ge=2, le=250)
    turns: int = Field(default=1, ge=1, le=20)
    clockwise: bool = Field(default=True, description="seen from above")


class Waypoint(Frozen):
    """A place to fly to in a straight line, with the camera's direction on arrival."""

    seq: int = Field(ge=0, le=649)
    point: GeoPoint
    speed_mps: float = Field(gt=0, le=25)
    camera_yaw_deg: Finite
    camera_pitch_deg: float = Field(ge=-90, le=90)
    action: WaypointAction = WaypointAction.NONE
    strip: Strip | None = None
    orbit: Orbit | None = Field(default=None, exclude_if=_absent)


class Corner(Frozen):
    """A place on the map, of any height."""

    lat_deg: float = Field(ge=-90, le=90)
    lon_deg: float = Field(ge=-180, le=180)


class ZoneKind(StrEnum):
    """Which side of a zone's edge is allowed."""

    STAY_IN = "stay_in"
    KEEP_OUT = "keep_out"


class Zone(Frozen):
    """A polygon (its edges are straight in the local frame) or a circle, from the ground to the sky."""

    kind: ZoneKind
    corners: tuple[Corner, ...] = Field(default=(), max_length=100, description="a simple polygon, in either sense")
    centre: Corner | None = None
    radius_m: float | None = Field(default=None, gt=0, le=20000)

    @model_validator(mode="after")
    def _one_shape(self) -> Zone:
        circle = self.centre is not None and self.radius_m is not None
        if circle == bool(self.corners) or (not circle and len(self.corners) < 3):
            raise ValueError("a zone is either three or more corners, or a centre and a radius_m")
        return self


class Fence(Frozen):
    """A cylinder the aircraft must stay in, limits above home, and zones: inside every stay_in, outside every keep_out.

    The floor binds between the first and the last waypoint; take-off and landing pass below it.
    """

    centre: GeoPoint
    radius_m: float = Field(gt=10, le=20000)
    max_alt_rel_m: float = Field(gt=2, le=2000)
    min_alt_rel_m: float | None = Field(default=None, ge=0, le=2000, exclude_if=_absent)
    zones: tuple[Zone, ...] = Field(default=(), max_length=40, exclude_if=_absent)


class Solid(Frozen):
    """A part of the asset, round about the straight line from ``start`` to ``end``.

    With ``end_radius_m`` it is a cone with flat ends, thick ``radius_m`` at the start and that much at the end;
    without, a capsule: every place within ``radius_m`` of the line.
    """

    name: str = Field(default="", max_length=40, description="e.g. tower, blade A, span 3")
    start: GeoPoint
    end: GeoPoint
    radius_m: float = Field(gt=0, le=200)
    end_radius_m: float | None = Field(default=None, gt=0, le=200, exclude_if=_absent)
    clearance_m: float | None = Field(
        default=None,
        gt=0,
        le=200,
        exclude_if=_absent,
        description="the drone keeps this from its surface everywhere; default: the route's standoff_m",
    )


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
    solids: tuple[Solid, ...] = Field(
        default=(), max_length=300, exclude_if=_absent, description="what of the asset the drone keeps away from"
    )

    def content_hash(self) -> Sha256:
        """Return the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def with_detour(self, after: int, look: tuple[Waypoint, ...]) -> Route:
        """Return the next version of this route with a second look put in behind waypoint ``after``; -1: at its start.

        Everything else keeps its order, so ``after + 1`` is the waypoint at which `adjust_route` goes on.
        """
        joined = (*self.waypoints[: after + 1], *look, *self.waypoints[after + 1 :])
        numbered = tuple(w.model_copy(update={"seq": seq}) for seq, w in enumerate(joined))
        return Route.model_validate({**dict(self), "version": self.version + 1, "waypoints": numbered})
