"""Passes along a blade: the line at standoff from one side, tilted round the blade and trimmed until it is safe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.planning.bounds import SURE_M, nearness
from cloud.planning.obstacles import Cone, Points, Space, distances_m
from contracts.geo import Enu
from contracts.routes import Strip
from contracts.turbine import Facet, TurbineGeometry

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


def away(normal: Enu, span: Enu, tilt_deg: float) -> Enu:
    """Return the unit vector from a side's centre line to the drone: its normal, turned about the blade's axis."""
    tilt = math.radians(tilt_deg)
    turned = normal.times(math.cos(tilt)).plus(span.cross(normal), math.sin(tilt))
    return turned.plus(span, span.dot(normal) * (1.0 - math.cos(tilt))).unit()


def centres(facet: Facet, shares: NDArray[np.float64]) -> Points:
    """Return points of a side's centre line at shares (0..1) of the blade's length."""
    first, second = (
        np.array(root) + shares[:, None] * np.array(tip.minus(root))
        for root, tip in ((facet.first_root, facet.first_tip), (facet.second_root, facet.second_tip))
    )
    return np.asarray(first + 0.5 * (second - first))


class Lane(NamedTuple):
    """Where passes may lie."""

    standoff_m: float
    """From the side's centre line."""
    start_at_m: float
    """Where on the blade to begin, from the root."""
    max_camera_pitch_deg: float
    """How far up the gimbal can look."""


class _Middle:
    """The centre line of one side of one blade, in stations from where passes begin to the tip."""

    def __init__(self, geometry: TurbineGeometry, strip: Strip, start_at_m: float) -> None:
        self.strip = strip
        facet = geometry.facet(strip.blade, strip.side)
        self.normal, self.span = facet.normal, geometry.blade_axes(strip.blade)[0]
        self.step_m = (geometry.blade_length_m - start_at_m) / _STATIONS
        self.stations_m = np.asarray(start_at_m + self.step_m * np.arange(_STATIONS + 1), dtype=np.float64)
        self.targets = centres(facet, self.stations_m / geometry.blade_length_m)


def best(geometry: TurbineGeometry, space: Space, strip: Strip, lane: Lane, *, outward: bool) -> Pass | None:
    """Return the longest safe pass, the squarest of equals; None when less than ``SHORTEST_M`` can be flown.

    ``outward`` is from root to tip; else it is flown the other way.
    """
    chosen: Pass | None = None
    score = -math.inf
    full_m = geometry.blade_length_m - lane.start_at_m
    middle = _Middle(geometry, strip, lane.start_at_m)
    for tilt_deg in TILTS_DEG:
        if full_m - abs(tilt_deg) * _TILT_COST_M_PER_DEG <= score:
            continue
        out = away(middle.normal, middle.span, tilt_deg)
        if -out.up > math.sin(math.radians(lane.max_camera_pitch_deg)) + 1e-9:
            continue
        found = _longest(middle, space, lane.standoff_m, out, tilt_deg)
        worth = found.last_m - found.first_m - abs(tilt_deg) * _TILT_COST_M_PER_DEG if found else -math.inf
        if found is not None and worth > score:
            chosen, score = found, worth
    if chosen is None or chosen.last_m - chosen.first_m < SHORTEST_M:
        return None
    return chosen if outward else chosen._replace(start=chosen.end, end=chosen.start)


def _longest(middle: _Middle, space: Space, standoff_m: float, out: Enu, tilt_deg: float) -> Pass | None:
    places = middle.targets + standoff_m * np.array(out)
    safe = space.slacks_m(places) > middle.step_m / 2
    safe[safe] = _in_sight(space, places[safe], middle.targets[safe])
    run = longest_run(safe.tolist())
    if len(run) < 2:
        return None
    start, end = (Enu(*places[index].tolist()) for index in (run[0], run[-1]))
    first_m, last_m = (float(middle.stations_m[index]) for index in (run[0], run[-1]))
    return Pass(middle.strip, start, end, out.times(-1.0), first_m, last_m, tilt_deg)


def longest_run(kept: Sequence[bool]) -> range:
    """Return the indices of the longest run that is kept, the first of equals; empty when there is none."""
    best, begin = range(0), 0
    for index, good in enumerate(kept):
        if not good:
            begin = index + 1
        elif index + 1 - begin > len(best):
            best = range(begin, index + 1)
    return best


def _in_sight(space: Space, places: Points, targets: Points) -> NDArray[np.bool_]:
    """Return, for each row, whether neither tower nor nacelle hides the target."""
    bodies = tuple(cone for cone in space.cones if cone.name in ("tower", "nacelle"))
    seen = nearness(bodies, places, targets).least_m.min(axis=1) > SURE_M
    if not seen.all():
        seen[~seen] = _walked(bodies, places[~seen], targets[~seen])
    return np.asarray(seen)


def _walked(bodies: tuple[Cone, ...], places: Points, targets: Points) -> NDArray[np.bool_]:
    """Return ``_in_sight`` by looking at points along each line."""
    way = targets - places
    count = math.ceil(float(np.linalg.norm(way, axis=1).max()) / _SIGHT_STEP_M)
    shares = np.arange(count)[None, :, None] / count
    between = (places[:, None, :] + shares * way[:, None, :]).reshape(-1, 3)
    gaps = distances_m(bodies, between).min(axis=1).reshape(len(places), count)
    return np.asarray(gaps.min(axis=1) > 0.0)
