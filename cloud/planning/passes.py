"""Passes along a blade: the line at standoff from one side, tilted round the blade and trimmed until it is safe."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.planning.obstacles import Points, Space, distances_m
from contracts.geo import Enu
from contracts.routes import Strip
from contracts.turbine import TurbineGeometry

_STEEPEST_DEG = 45.0
_TILT_STEP_DEG = 2.5
TILTS_DEG = tuple(
    sign * step * _TILT_STEP_DEG
    for step in range(int(_STEEPEST_DEG / _TILT_STEP_DEG) + 1)
    for sign in ((1.0, -1.0) if step else (1.0,))
)
"""How far from square a side may be looked at, to get round tower and nacelle and into the gimbal's reach."""
_STATIONS = 80
_TILT_COST_M_PER_DEG = 0.02
"""One degree off square is worth this much length."""
SHORTEST_M = 2.0
_SIGHT_STEP_M = 0.2


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


class Lane(NamedTuple):
    """Where passes may lie."""

    standoff_m: float
    """From the side's centre line."""
    start_at_m: float
    """Where on the blade to begin, from the root."""
    max_camera_pitch_deg: float
    """How far up the gimbal can look."""


def best(geometry: TurbineGeometry, space: Space, strip: Strip, lane: Lane, *, outward: bool) -> Pass | None:
    """Return the longest safe pass, the squarest of equals; None when less than ``SHORTEST_M`` can be flown.

    ``outward`` is from root to tip; else it is flown the other way.
    """
    chosen: Pass | None = None
    score = -math.inf
    full_m = geometry.blade_length_m - lane.start_at_m
    for tilt_deg in TILTS_DEG:
        if full_m - abs(tilt_deg) * _TILT_COST_M_PER_DEG <= score:
            continue
        if -away(geometry, strip, tilt_deg).up > math.sin(math.radians(lane.max_camera_pitch_deg)) + 1e-9:
            continue
        found = _longest(geometry, space, strip, lane, tilt_deg)
        worth = found.last_m - found.first_m - abs(tilt_deg) * _TILT_COST_M_PER_DEG if found else -math.inf
        if found is not None and worth > score:
            chosen, score = found, worth
    if chosen is None or chosen.last_m - chosen.first_m < SHORTEST_M:
        return None
    return chosen if outward else chosen._replace(start=chosen.end, end=chosen.start)


def _longest(geometry: TurbineGeometry, space: Space, strip: Strip, lane: Lane, tilt_deg: float) -> Pass | None:
    facet = geometry.facet(strip.blade, strip.side)
    outward = away(geometry, strip, tilt_deg)
    length_m = geometry.blade_length_m - lane.start_at_m
    step_m = length_m / _STATIONS
    stations = [lane.start_at_m + step_m * n for n in range(_STATIONS + 1)]
    targets = [facet.at(station / geometry.blade_length_m, 0.5) for station in stations]
    places = [target.plus(outward, lane.standoff_m) for target in targets]
    safe = space.slacks_m(np.array(places)) > step_m / 2
    safe &= _in_sight(space, np.array(places), np.array(targets))
    run: list[float] = []
    longest: list[float] = []
    for number, station in enumerate(stations):
        if safe[number]:
            run.append(station)
        else:
            run = []
        if len(run) > len(longest):
            longest = list(run)
    if len(longest) < 2:
        return None
    ends = [centre(geometry, strip, m).plus(outward, lane.standoff_m) for m in (longest[0], longest[-1])]
    return Pass(strip, ends[0], ends[1], outward.times(-1.0), longest[0], longest[-1], tilt_deg)


def _in_sight(space: Space, places: Points, targets: Points) -> NDArray[np.bool_]:
    """Return, for each row, whether neither tower nor nacelle hides the target."""
    bodies = tuple(cone for cone in space.cones if cone.name in ("tower", "nacelle"))
    way = targets - places
    count = math.ceil(float(np.linalg.norm(way, axis=1).max()) / _SIGHT_STEP_M)
    shares = np.arange(count)[None, :, None] / count
    between = (places[:, None, :] + shares * way[:, None, :]).reshape(-1, 3)
    gaps = distances_m(bodies, between).min(axis=1).reshape(len(places), count)
    return np.asarray(gaps.min(axis=1) > 0.0)
