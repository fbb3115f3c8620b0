"""Passes along a blade: the line at standoff from one side, tilted round the blade and trimmed until it is safe."""

from __future__ import annotations

import math
from typing import NamedTuple

from cloud.obstacles import Space
from contracts.geo import Enu
from contracts.routes import Strip
from contracts.turbine import TurbineGeometry

TILTS_DEG = (0, 5, -5, 10, -10, 15, -15, 20, -20, 25, -25, 30, -30)
"""How far from square a side may be looked at to get round tower and nacelle."""
_STEP_M = 0.25
_TILT_COST_M_PER_DEG = 0.02
"""One degree off square is worth this much length."""
SHORTEST_M = 2.0
_SIGHT_STEPS = 10


class Pass(NamedTuple):
    """A straight line along one side, as flown."""

    strip: Strip
    start: Enu
    end: Enu
    look: Enu
    """Unit vector of the camera axis."""
    first_m: float
    last_m: float
    """Distances to the root of what it looks at, lower and higher."""
    tilt_deg: float


def away(geometry: TurbineGeometry, strip: Strip, tilt_deg: float) -> Enu:
    """Return the unit vector from the side's centre line to the drone: its normal, turned about the blade's axis."""
    normal = geometry.facet(strip.blade, strip.side).normal
    span, _, _ = geometry.blade_axes(strip.blade)
    tilt = math.radians(tilt_deg)
    turned = normal.times(math.cos(tilt)).plus(span.cross(normal), math.sin(tilt))
    return turned.plus(span, span.dot(normal) * (1.0 - math.cos(tilt))).unit()


def centre(geometry: TurbineGeometry, strip: Strip, distance_to_root_m: float) -> Enu:
    """Return the point of the side's centre line."""
    return geometry.facet(strip.blade, strip.side).at(distance_to_root_m / geometry.blade_length_m, 0.5)


def best(
    geometry: TurbineGeometry, space: Space, strip: Strip, standoff_m: float, start_at_m: float, *, outward: bool
) -> Pass | None:
    """Return the longest safe pass, the squarest of equals; None when less than ``SHORTEST_M`` can be flown.

    Args:
        geometry: The turbine.
        space: What to keep away from, with its limits.
        strip: The side.
        standoff_m: From the side's centre line.
        start_at_m: Where on the blade to begin, from the root.
        outward: From root to tip; else the other way.

    """
    chosen: Pass | None = None
    score = -math.inf
    full_m = geometry.blade_length_m - start_at_m
    for tilt_deg in TILTS_DEG:
        if full_m - abs(tilt_deg) * _TILT_COST_M_PER_DEG <= score:
            continue
        found = _longest(geometry, space, strip, standoff_m, start_at_m, tilt_deg)
        worth = found.last_m - found.first_m - abs(tilt_deg) * _TILT_COST_M_PER_DEG if found else -math.inf
        if found is not None and worth > score:
            chosen, score = found, worth
    if chosen is None or chosen.last_m - chosen.first_m < SHORTEST_M:
        return None
    return chosen if outward else chosen._replace(start=chosen.end, end=chosen.start)


def _longest(
    geometry: TurbineGeometry, space: Space, strip: Strip, standoff_m: float, start_at_m: float, tilt_deg: float
) -> Pass | None:
    facet = geometry.facet(strip.blade, strip.side)
    outward = away(geometry, strip, tilt_deg)
    count = max(1, math.ceil((geometry.blade_length_m - start_at_m) / _STEP_M))
    stations = [start_at_m + (geometry.blade_length_m - start_at_m) * n / count for n in range(count + 1)]
    run: list[float] = []
    longest: list[float] = []
    for station in stations:
        target = facet.at(station / geometry.blade_length_m, 0.5)
        place = target.plus(outward, standoff_m)
        if space.slack_m(place) > _STEP_M / 2 and _in_sight(space, place, target):
            run.append(station)
        else:
            run = []
        if len(run) > len(longest):
            longest = list(run)
    if len(longest) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    ends = [centre(geometry, strip, m).plus(outward, standoff_m) for m in (longest[0], longest[-1])]
    return Pass(strip, ends[0], ends[1], outward.times(-1.0), longest[0], longest[-1], float(tilt_deg))


def _in_sight(space: Space, place: Enu, target: Enu) -> bool:
    """Return whether neither tower nor nacelle hides the target."""
    way = target.minus(place)
    bodies = [cone for cone in space.cones if cone.name in ("tower", "nacelle")]
    points = [place.plus(way, n / _SIGHT_STEPS) for n in range(1, _SIGHT_STEPS)]
    return all(cone.distance_m(point) > 0.0 for cone in bodies for point in points)
