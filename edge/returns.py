"""How an autopilot flies home by itself, as its parameters say: up, level and straight home, down. Pure.

ArduPilot: ArduCopter/mode_rtl.cpp, ``ModeRTL::compute_return_target``; lengths are centimetres up to 4.6, metres since
(the names ending in ``_M``). PX4: src/modules/navigator/rtl.cpp, ``calculate_return_alt_from_cone_half_angle``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from contracts.geo import Enu
from edge.failsafes import FAILSAFE_PARAMETERS, PX4, Failsafes, ardupilot_failsafes

RETURN_PARAMETERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ArduPilot": (
        ("RTL_ALT", "RTL_ALT_M"),
        ("RTL_CLIMB_MIN", "RTL_CLIMB_MIN_M"),
        ("RTL_CONE_SLOPE",),
        ("RTL_ALT_TYPE",),
        ("FENCE_MARGIN",),
        ("WPNAV_SPEED",),
        *FAILSAFE_PARAMETERS,
    ),
    "PX4": (("RTL_RETURN_ALT",), ("RTL_CONE_ANG",), ("RTL_MIN_DIST",), ("RTL_TYPE",)),
}
"""What decides how each autopilot returns: each under the names it has in different versions."""
_BACK_MPS = 4.0
_ARDUPILOT_M, _PX4_M = 15.0, 60.0
"""How high they return as delivered."""
_LEAST_SLOPE = 0.5
"""RTL_MIN_CONE_SLOPE: ArduPilot takes a flatter one for none."""
_ARDUPILOT_FLOOR_M, _PX4_FLOOR_M = 0.3, 20.0
"""RTL_ALT_MIN; twice PX4's acceptance radius of 10 m."""
_STRAIGHT = frozenset({0, 1, 3})
"""Values of PX4's RTL_TYPE that lead straight home where no rally point and no landing is stored."""


class Habit(NamedTuple):
    """How one autopilot returns; heights are metres above home."""

    parameter: str
    """What sets its height."""
    height_m: float
    """At least this high."""
    floor_m: float = _ARDUPILOT_FLOOR_M
    climb_min_m: float = 0.0
    """And at least this much higher than where it is."""
    slope: float = 0.0
    """Near home no higher than this times the distance; 0: as high as anywhere."""
    cone_within_m: float = math.inf
    """How near home that slope counts."""
    fence_margin_m: float | None = None
    """It stays this much below the ceiling of the fence it stores; None: it does not look at it."""
    assumed: bool = False
    """The autopilot has not said: the height is the one it is delivered with."""
    unjudged: str = ""
    """Why nobody can tell beforehand which way it takes, with what to mend; empty where one can."""
    back_mps: float = _BACK_MPS
    """How fast it flies where it comes back the way it came; 4.7 says it under another name, and counts as slow."""
    failsafes: Failsafes = Failsafes()
    """What it does when something is lost."""

    def top_m(self, place: Enu, ceiling_m: float = math.inf) -> float:
        """Return how high above home it flies home from a place, below the ceiling of its own fence."""
        least_m = max(self.floor_m, place.up + max(0.0, self.climb_min_m))
        top_m = max(self.height_m, least_m)
        away_m = math.hypot(place.east, place.north)
        if self.slope > 0.0 and away_m <= self.cone_within_m:
            top_m = min(top_m, max(away_m * self.slope, least_m))
        if self.fence_margin_m is not None:
            top_m = min(top_m, ceiling_m - self.fence_margin_m)
        return max(top_m, place.up)

    def words(self) -> str:
        """Return how high it returns, for a person."""
        said = "not told, taken as delivered" if self.assumed else self.parameter
        more = f", {self.climb_min_m:g} m up at least" if self.climb_min_m > 0.0 else ""
        returns = f"Returns at {self.height_m:g} m above home or higher ({said}){more}. {self.failsafes.words()}"
        return self.unjudged or returns


def assumed_habit(autopilot: str) -> Habit:
    """Return how an autopilot returns that has not told any parameter: as it is delivered, with no cone."""
    return habit_of(autopilot, {})


def habit_of(autopilot: str, told: Mapping[str, float]) -> Habit:
    """Return how an autopilot (its name in ``edge.backends.mavlink_modes``) returns, by the parameters it told.

    What it did not tell counts as what climbs highest: no cone, no ceiling.
    """
    return _px4(told) if autopilot == "PX4" else _ardupilot(told)


def _ardupilot(told: Mapping[str, float]) -> Habit:
    height = _length(told, "RTL_ALT")
    slope, kind = told.get("RTL_CONE_SLOPE", 0.0), round(told.get("RTL_ALT_TYPE", 0.0))
    words = ""
    if kind != 0:
        words = f"RTL_ALT_TYPE is {kind}: the autopilot returns at a height above the terrain. Set it to 0."
    return Habit(
        parameter="RTL_ALT_M" if "RTL_ALT_M" in told else "RTL_ALT",
        height_m=_ARDUPILOT_M if height is None else height,
        climb_min_m=_length(told, "RTL_CLIMB_MIN") or 0.0,
        slope=slope if slope >= _LEAST_SLOPE else 0.0,
        fence_margin_m=told.get("FENCE_MARGIN"),
        assumed=height is None,
        unjudged=words,
        back_mps=max(0.2, told["WPNAV_SPEED"] / 100.0) if "WPNAV_SPEED" in told else _BACK_MPS,
        failsafes=ardupilot_failsafes(told),
    )


def _length(told: Mapping[str, float], name: str) -> float | None:
    if (metres := told.get(f"{name}_M")) is not None:
        return metres
    return told[name] / 100.0 if name in told else None


def _px4(told: Mapping[str, float]) -> Habit:
    height, kind = told.get("RTL_RETURN_ALT"), round(told.get("RTL_TYPE", 0.0))
    angle_deg = told.get("RTL_CONE_ANG", 0.0)
    words = ""
    if kind not in _STRAIGHT:
        words = f"RTL_TYPE is {kind}: the autopilot returns along its mission. Set it to 0."
    return Habit(
        parameter="RTL_RETURN_ALT",
        height_m=_PX4_M if height is None else height,
        floor_m=_PX4_FLOOR_M,
        slope=1.0 / math.tan(math.radians(min(89.0, max(1.0, angle_deg)))) if angle_deg > 0.0 else 0.0,
        cone_within_m=told.get("RTL_MIN_DIST", 0.0),
        assumed=height is None,
        unjudged=words,
        failsafes=PX4,
    )
