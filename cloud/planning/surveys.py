"""What an operator may choose of the patterns besides ``blades``, and everything their routes depend on."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, StrictFloat, StrictInt

from cloud.planning.pattern import DEFAULT_CAMERA, MOST_NEIGHBOURS
from contracts.geo import Frozen, GeoPoint
from contracts.ids import AssetId
from contracts.optics import CameraIntrinsics
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.routes import Corner, Solid, Zone
from contracts.shapes import AssetGeometry
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry


class SurveyParams(Frozen):
    """What all of them share. What is left out is chosen: standoff from the ground resolution, speed from the blur."""

    gsd_mm_px: float = Field(default=3.0, gt=0.1, le=100, description="wanted; the standoff follows from it")
    standoff_m: float | None = Field(default=None, ge=5, le=150, description="instead of what gsd_mm_px asks for")
    front_overlap: StrictFloat = Field(default=0.6, ge=0, le=0.95, description="between frames a second apart")
    side_overlap: StrictFloat = Field(default=0.3, ge=0, le=0.95, description="between neighbouring strips")
    speed_mps: StrictFloat | None = Field(default=None, ge=0.5, le=12, description="while recording")
    transit_speed_mps: StrictFloat = Field(default=8.0, ge=0.5, le=12)
    shutter_s: float = Field(default=0.0005, gt=0, le=0.1)
    max_blur_px: float = Field(default=1.5, gt=0.1, le=5)
    max_alt_rel_m: float = Field(default=120.0, ge=20, le=500, description="above home")
    wind_mps: StrictFloat | None = Field(default=None, ge=0, le=60, description="forecast; unchecked when left out")


class TowerParams(SurveyParams):
    """Vertical strips round a wind turbine's tower or a mast."""

    pattern: Literal["tower"] = "tower"
    strips: int | None = Field(default=None, ge=3, le=24, description="default: what the overlap asks for")


class OrbitParams(SurveyParams):
    """Rings round a mast or a turbine's tower, rising like a helix."""

    pattern: Literal["orbit"] = "orbit"
    first_height_m: float | None = Field(default=None, ge=5, le=350, description="of the lowest ring")


class FacadeParams(SurveyParams):
    """Vertical strips before one face of a mast."""

    pattern: Literal["facade"] = "facade"
    face: StrictInt = Field(default=0, ge=0, le=7)


class CorridorParams(SurveyParams):
    """Along a power line's conductors, following their sag, on one side or both."""

    pattern: Literal["corridor"] = "corridor"
    gsd_mm_px: float = Field(default=4.0, gt=0.1, le=100)
    sides: tuple[Literal["left", "right"], ...] = Field(default=("left", "right"), min_length=1, max_length=2)
    raise_m: StrictFloat = Field(default=2.0, ge=-10, le=30, description="above the conductors")
    first_span: StrictInt = Field(default=0, ge=0, le=2000)
    last_span: StrictInt | None = Field(default=None, ge=0, le=2000)


class LineTowersParams(SurveyParams):
    """Round each tower of a power line, outside its conductors; resolution and standoff are of the tower's axis."""

    pattern: Literal["line_towers"] = "line_towers"
    gsd_mm_px: float = Field(default=3.9, gt=0.1, le=100)
    first_height_m: float | None = Field(
        default=None,
        ge=5,
        le=245,
        description="how low it flies, above a tower's foot; choose it above trees. Default: 6 m",
    )
    first_tower: StrictInt = Field(default=0, ge=0, le=2000)
    last_tower: StrictInt | None = Field(default=None, ge=0, le=2000)


class RightOfWayParams(SurveyParams):
    """Over a pipeline's right of way, looking down."""

    pattern: Literal["right_of_way"] = "right_of_way"
    gsd_mm_px: float = Field(default=12.0, gt=0.1, le=100)
    side_overlap: StrictFloat = Field(default=0.2, ge=0, le=0.95)


class GridParams(SurveyParams):
    """Parallel lines over an area, looking down, at one height."""

    pattern: Literal["grid"] = "grid"
    gsd_mm_px: float = Field(default=12.0, gt=0.1, le=100)
    corners: tuple[Corner, ...] = Field(min_length=3, max_length=100)
    bearing_deg: StrictFloat = Field(default=0.0, ge=0, lt=360, description="of the lines")
    ground_alt_m: StrictFloat | None = Field(
        default=None, ge=-500, le=9000, description="above the ellipsoid; default: home"
    )


AnySurvey = Annotated[
    TowerParams | OrbitParams | FacadeParams | CorridorParams | LineTowersParams | RightOfWayParams | GridParams,
    Field(discriminator="pattern"),
]


_HIGHEST_M = 9000.0


def places_of(geometry: TurbineGeometry | PowerLine | TelecomTower | Pipeline) -> tuple[GeoPoint, ...]:
    """Return where an asset stands on the ground: one foot, or many in order."""
    match geometry:
        case TurbineGeometry() | TelecomTower():
            return (geometry.foot,)
        case PowerLine():
            return tuple(tower.foot for tower in geometry.towers)
        case Pipeline():
            return geometry.centre_line


def _on_the_ground(geometry: _Geometry) -> _Geometry:
    """Refuse what stands higher than any ground: nothing could be planned round it."""
    highest_m = max(place.alt_m for place in places_of(geometry))
    if highest_m > _HIGHEST_M:
        raise ValueError(
            f"it stands {highest_m:.0f} m above the ellipsoid; {_HIGHEST_M:.0f} m is higher than any ground"
        )
    return geometry


_Geometry = TypeVar("_Geometry", TurbineGeometry, PowerLine, TelecomTower, Pipeline)
AnyGeometry = Annotated[AssetGeometry, AfterValidator(_on_the_ground)]


class SurveyInputs(Frozen):
    """Everything the routes of a survey depend on.

    Without a ``home`` each flight takes off beside the stretch it looks at (lines and pipes only).
    """

    asset_id: AssetId
    geometry: AnyGeometry | None
    home: GeoPoint | None
    camera: CameraIntrinsics = DEFAULT_CAMERA
    params: AnySurvey
    part: int = Field(default=1, ge=1, le=500)
    zones: tuple[Zone, ...] = Field(default=(), max_length=40)
    neighbours: tuple[Solid, ...] = Field(default=(), max_length=MOST_NEIGHBOURS, description="parts of other assets")
