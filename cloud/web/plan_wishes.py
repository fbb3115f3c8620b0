"""What an operator may turn on the planner: the sliders of each pattern, and the wish they make."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from cloud.language import _, message
from cloud.planning.wishes import Pattern, PlanRequest
from cloud.web.shell import Address
from contracts.errors import InvalidInput
from contracts.vocabulary import AssetKind, Blade, BladeSide

PATTERNS: dict[str, tuple[Pattern, ...]] = {
    AssetKind.WIND_TURBINE.value: (Pattern.BLADES, Pattern.TOWER, Pattern.ORBIT),
    AssetKind.TELECOM_TOWER.value: (Pattern.TOWER, Pattern.ORBIT, Pattern.FACADE),
    AssetKind.POWER_LINE.value: (Pattern.CORRIDOR, Pattern.LINE_TOWERS),
    AssetKind.PIPELINE.value: (Pattern.RIGHT_OF_WAY,),
}
"""Which patterns fit which kind of asset. A grid takes corners drawn on a map: it is planned over the API."""


class Slider(NamedTuple):
    """One number to choose. ``default`` None: the planner chooses while the slider is not touched."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    default: float | None
    unset: str = message("chosen for you")


_WIND = Slider("wind_mps", message("Wind forecast"), "m/s", 0, 15, 0.5, None, message("not checked"))
_CEILING = Slider("max_alt_rel_m", message("Ceiling above home"), "m", 20, 250, 5, 120)
_BLADES = (
    Slider("standoff_m", message("Standoff"), "m", 6, 30, 0.5, 10),
    Slider("speed_mps", message("Speed on passes"), "m/s", 0.5, 8, 0.5, 4),
    Slider("start_at_m", message("Begin from the root"), "m", 0, 30, 1, 3),
    Slider("fence_radius_m", message("Fence round the tower"), "m", 30, 600, 10, 150),
    _CEILING,
    _WIND,
)
_SURVEY = (
    Slider("gsd_mm_px", message("Ground resolution"), "mm/px", 0.5, 20, 0.5, 3),
    Slider("standoff_m", message("Standoff instead"), "m", 5, 150, 1, None),
    Slider("front_overlap", message("Overlap ahead, share of a frame"), "", 0, 0.95, 0.05, 0.6),
    Slider("side_overlap", message("Overlap beside, share of a frame"), "", 0, 0.95, 0.05, 0.3),
    Slider("speed_mps", message("Speed while filming"), "m/s", 0.5, 12, 0.5, None),
    _CEILING,
    _WIND,
)
_LOWEST = Slider("first_height_m", message("Lowest above a tower's foot: over trees"), "m", 5, 60, 1, 6)
_OTHERS = {
    Pattern.CORRIDOR: {"gsd_mm_px": 4.0},
    Pattern.LINE_TOWERS: {"gsd_mm_px": 3.9},
    Pattern.RIGHT_OF_WAY: {"gsd_mm_px": 12.0, "side_overlap": 0.2},
}


def sliders(pattern: Pattern) -> tuple[Slider, ...]:
    """Return what can be turned of a pattern."""
    if pattern is Pattern.BLADES:
        return _BLADES
    own = _OTHERS.get(pattern, {})
    turned = tuple(s._replace(default=own.get(s.name, s.default)) for s in _SURVEY)
    return (_LOWEST, *turned) if pattern is Pattern.LINE_TOWERS else turned


class Asked(Address):
    """What the address asks the planner for; every choice is in it."""

    asset: str | None = Field(default=None, max_length=80)
    pattern: Pattern | None = None
    drone: str | None = Field(default=None, max_length=80)
    blades: list[Blade] = Field(default_factory=list)
    sides: list[BladeSide] = Field(default_factory=list)
    face: int | None = Field(default=None, ge=0, le=7)
    standoff_m: float | None = None
    speed_mps: float | None = None
    start_at_m: float | None = None
    fence_radius_m: float | None = None
    max_alt_rel_m: float | None = None
    wind_mps: float | None = None
    gsd_mm_px: float | None = None
    front_overlap: float | None = None
    side_overlap: float | None = None
    first_height_m: float | None = None

    def wish(self, pattern: Pattern) -> PlanRequest:
        """Return the plan request.

        Raises:
            InvalidInput: A value is out of its range; the field is named.

        """
        names = [s.name for s in sliders(pattern)]
        names += ["blades", "sides"] if pattern is Pattern.BLADES else ["face"] if pattern is Pattern.FACADE else []
        given: dict[str, Any] = {n: v for n in names if (v := getattr(self, n)) not in (None, [])}
        wanted = {"asset_id": self.asset, "pattern": pattern.value, "params": given, "drone_id": self.drone or None}
        try:
            return PlanRequest.model_validate(wanted)
        except ValidationError as error:
            raise _refused(error, sliders(pattern), given) from error


def _refused(error: ValidationError, turned: tuple[Slider, ...], given: dict[str, Any]) -> InvalidInput:
    """Return why a wish is none, in the page's words; the first value that is out of its range is named."""
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][-1])
    slider = next((s for s in turned if s.name == field), None)
    if slider is None:
        return InvalidInput(_("{0} is not a choice here.", field.replace("_", " ")), field=field)
    least, most = _bounds(first.get("ctx", {}), slider)
    said = _("{0}: {1} {2} cannot be planned.", _(slider.label), f"{given[field]:g}", slider.unit)
    hint = _("Choose a value from {0} to {1} {2}.", f"{least:g}", f"{most:g}", slider.unit)
    return InvalidInput(" ".join(said.split()), hint=" ".join(hint.split()).replace(" .", "."), field=field)


def _bounds(broken: dict[str, Any], slider: Slider) -> tuple[float, float]:
    """Return a slider's range, narrowed by the bound of the planner's that was broken."""
    least = broken.get("ge", broken.get("gt", slider.low))
    most = broken.get("le", broken.get("lt", slider.high))
    return max(float(least), slider.low), min(float(most), slider.high)
