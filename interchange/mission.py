"""A flight plan in no vendor's format: what every parser makes and every writer reads.

Richer than `contracts.routes.Route`, which holds what our own planner emits. Items are a flat list in the order of
execution; an action belongs to the waypoint before it. Angles are degrees: heading clockwise from true north, camera
pitch positive upwards (straight down is -90). Each altitude says what it is measured from, and nobody converts it but
`interchange.altitudes`, which says so in the loss report.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, Field, JsonValue

from contracts.geo import Finite, Frozen

Label = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\ufffe\uffff]*$")]
"""A name that every format can write: no control characters."""


class AltitudeReference(StrEnum):
    """What an altitude is measured from."""

    AMSL = "amsl"
    """Mean sea level (the EGM96 geoid)."""
    TAKE_OFF = "take_off"
    """The place of take-off."""
    TERRAIN = "terrain"
    """The ground below the aircraft."""
    ELLIPSOID = "ellipsoid"
    """The WGS 84 ellipsoid."""


class Altitude(Frozen):
    """Metres above a stated reference."""

    value_m: float = Field(ge=-1000, le=20000)
    reference: AltitudeReference


class LatLon(Frozen):
    """A WGS 84 position without height."""

    lat_deg: float = Field(ge=-90, le=90)
    lon_deg: float = Field(ge=-180, le=180)


class Place(LatLon):
    """A position with its altitude, if one is given."""

    altitude: Altitude | None = None


class Verbatim(Frozen):
    """The record an item was read from, so that the same format gives back what we do not understand."""

    dialect: Literal["mavlink", "qgc_complex", "qgc_plan", "wpml", "litchi"]
    record: dict[str, JsonValue]


class _Item(Frozen):
    verbatim: Verbatim | None = Field(default=None, repr=False)


ItemT = TypeVar("ItemT", bound=_Item)


class TakeOff(_Item):
    """Climb to an altitude; ``point`` is None where the aircraft stands."""

    kind: Literal["take_off"] = "take_off"
    point: LatLon | None = None
    altitude: Altitude | None = None
    heading_deg: Finite | None = None


class Land(_Item):
    """Land; ``point`` is None for the spot below."""

    kind: Literal["land"] = "land"
    point: LatLon | None = None
    altitude: Altitude | None = None
    heading_deg: Finite | None = None


class ReturnToLaunch(_Item):
    """Fly home and land."""

    kind: Literal["return_to_launch"] = "return_to_launch"


class Waypoint(_Item):
    """Fly to a place. None means that the plan leaves it to the aircraft."""

    kind: Literal["waypoint"] = "waypoint"
    point: LatLon
    altitude: Altitude | None
    hold_s: float = Field(default=0.0, ge=0, le=86400)
    heading_deg: Finite | None = Field(default=None, description="of the aircraft, on arrival")
    acceptance_radius_m: float | None = Field(default=None, ge=0, description="when it counts as reached")
    corner_radius_m: float | None = Field(default=None, ge=0, description="0 stops, more cuts the corner")
    name: Label = ""


class Loiter(_Item):
    """Circle round a place: for ``turns``, for ``time_s``, or (neither) until told otherwise."""

    kind: Literal["loiter"] = "loiter"
    point: LatLon | None
    altitude: Altitude | None
    turns: float | None = Field(default=None, ge=0)
    time_s: float | None = Field(default=None, ge=0)
    radius_m: float | None = Field(default=None, ge=0)
    clockwise: bool = True


class Orbit(_Item):
    """Fly a circle about a centre with the camera towards it."""

    kind: Literal["orbit"] = "orbit"
    point: LatLon | None
    altitude: Altitude | None
    radius_m: float | None = Field(default=None, ge=0)
    clockwise: bool = True
    speed_mps: float | None = Field(default=None, ge=0)
    turns: float | None = Field(default=None, ge=0, description="None: until told otherwise")


class SetSpeed(_Item):
    """Change the ground speed from here on; None goes back to the speed of the plan."""

    kind: Literal["set_speed"] = "set_speed"
    speed_mps: float | None = Field(ge=0, le=500)


class SetHeading(_Item):
    """Turn the aircraft on the spot, the short way unless ``clockwise`` says which."""

    kind: Literal["set_heading"] = "set_heading"
    heading_deg: Finite
    clockwise: bool | None = None


class PointCamera(_Item):
    """Turn the gimbal; None leaves an axis as it is. ``yaw_deg`` is from north, or from the nose if relative."""

    kind: Literal["point_camera"] = "point_camera"
    pitch_deg: float | None = Field(default=None, ge=-180, le=180)
    yaw_deg: Finite | None = None
    roll_deg: Finite | None = None
    yaw_from_nose: bool = False


class LookAt(_Item):
    """Keep nose and camera towards a place from here on; no ``point`` ends it."""

    kind: Literal["look_at"] = "look_at"
    point: LatLon | None
    altitude: Altitude | None = None


class TakePhoto(_Item):
    """One photo."""

    kind: Literal["take_photo"] = "take_photo"


class StartPhotos(_Item):
    """Photos from here on, every so many seconds or metres (one of the two)."""

    kind: Literal["start_photos"] = "start_photos"
    every_s: float | None = Field(default=None, gt=0)
    every_m: float | None = Field(default=None, gt=0)


class StopPhotos(_Item):
    """End a series of photos."""

    kind: Literal["stop_photos"] = "stop_photos"


class StartVideo(_Item):
    """Record from here on."""

    kind: Literal["start_video"] = "start_video"


class StopVideo(_Item):
    """End the recording."""

    kind: Literal["stop_video"] = "stop_video"


class Zoom(_Item):
    """Set the lens: millimetres (DJI's equivalent focal length) or percent of the range (MAVLink)."""

    kind: Literal["zoom"] = "zoom"
    focal_length_mm: float | None = Field(default=None, gt=0)
    percent: float | None = Field(default=None, ge=0, le=100)


class Hover(_Item):
    """Wait on the spot."""

    kind: Literal["hover"] = "hover"
    time_s: float = Field(gt=0, le=86400)


class Area(_Item):
    """A pattern its own program flies: a polygon or line, and the items that program has made of it, if it saved them.

    The pattern's parameters (camera, overlap, angle) are in ``verbatim``.
    """

    kind: Literal["area"] = "area"
    pattern: str = Field(min_length=1, max_length=60)
    outline: tuple[LatLon, ...] = Field(max_length=10_000)
    closed: bool = Field(description="a polygon, else a line")
    items: tuple[Step, ...] = Field(default=(), max_length=20_000)


class Foreign(_Item):
    """A command we keep and do not understand; only formats of its own dialect can hold it."""

    kind: Literal["foreign"] = "foreign"
    dialect: Literal["mavlink", "wpml"]
    name: str = Field(min_length=1, max_length=120)


Step = Annotated[
    TakeOff
    | Land
    | ReturnToLaunch
    | Waypoint
    | Loiter
    | Orbit
    | SetSpeed
    | SetHeading
    | PointCamera
    | LookAt
    | TakePhoto
    | StartPhotos
    | StopPhotos
    | StartVideo
    | StopVideo
    | Zoom
    | Hover
    | Foreign,
    Field(discriminator="kind"),
]
"""What an autopilot executes."""
Item = Annotated[Step | Area, Field(discriminator="kind")]
Area.model_rebuild()


class FencePolygon(Frozen):
    """An area to stay inside of, or outside of."""

    shape: Literal["polygon"] = "polygon"
    vertices: tuple[LatLon, ...] = Field(min_length=3, max_length=5_000)
    inside: bool = Field(description="stay inside; else keep out")


class FenceCircle(Frozen):
    """A circle to stay inside of, or outside of."""

    shape: Literal["circle"] = "circle"
    centre: LatLon
    radius_m: float = Field(gt=0, le=1_000_000)
    inside: bool


class Mission(Frozen):
    """A whole flight plan."""

    name: Label = ""
    created_at: AwareDatetime | None = None
    home: Place | None = Field(default=None, description="the planned take-off")
    speed_mps: float | None = Field(default=None, gt=0, le=500, description="unless an item sets another")
    fixed_wing_speed_mps: float | None = Field(default=None, gt=0, le=500)
    items: tuple[Item, ...] = Field(default=(), max_length=20_000)
    fences: tuple[Annotated[FencePolygon | FenceCircle, Field(discriminator="shape")], ...] = Field(
        default=(), max_length=1_000
    )
    rally_points: tuple[Place, ...] = Field(default=(), max_length=1_000)
    verbatim: Verbatim | None = Field(default=None, repr=False)

    def plain(self) -> Mission:
        """Return the mission without the records it was read from: what every format can be asked for."""
        bare = tuple(strip(item) for item in self.items)
        return self.model_copy(update={"items": bare, "verbatim": None})


def strip(item: ItemT) -> ItemT:
    """Return an item without its record (an area without those of its own items)."""
    update: dict[str, object] = {"verbatim": None}
    if isinstance(item, Area):
        update["items"] = tuple(strip(step) for step in item.items)
    return item.model_copy(update=update)
