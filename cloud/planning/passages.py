"""Safe ways between two places round a turbine: the shortest over a net of known places, every leg proved clear."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.planning.bounds import clearness
from cloud.planning.obstacles import Space
from contracts.geo import UP, Enu
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade

_TURN_COST_M = 2.0
"""What one more waypoint costs, as metres: prefers few long legs to many short ones."""
_DIRECTIONS = 8


def upwind_point(geometry: TurbineGeometry, standoff_m: float) -> Enu:
    """Return the safe point ahead of the hub."""
    return geometry.hub().plus(geometry.axis(), standoff_m + 6.0)


def places(geometry: TurbineGeometry, standoff_m: float, start_at_m: float, space: Space) -> list[Enu]:
    """Return the places ways may lead over, those that keep the limits: rings round the blades and the tower."""
    found = [upwind_point(geometry, standoff_m)]
    found.append(geometry.hub().plus(geometry.axis(), -(geometry.nacelle_length_m + standoff_m)))
    for blade in Blade:
        found += _blade_rings(geometry, blade, standoff_m, start_at_m)
    reach_m = geometry.root_radius_m + geometry.blade_length_m + standoff_m
    for up in (geometry.hub_height_m, geometry.hub_height_m / 2, geometry.hub_height_m + reach_m):
        found += _ring(UP.times(up), Enu(1.0, 0.0, 0.0), Enu(0.0, 1.0, 0.0), reach_m)
    return [place for place in found if space.slack_m(place) > 0.0]


def _blade_rings(geometry: TurbineGeometry, blade: Blade, standoff_m: float, start_at_m: float) -> list[Enu]:
    span, leading, pressure = geometry.blade_axes(blade)
    radius_m = standoff_m + geometry.root_chord_m / 2
    length_m = geometry.blade_length_m
    rings: list[Enu] = []
    for along_m in (start_at_m, length_m / 2, length_m, length_m + standoff_m / 2):
        centre = geometry.hub().plus(span, geometry.root_radius_m + along_m)
        rings += _ring(centre, leading, pressure, radius_m)
    return [*rings, geometry.hub().plus(span, geometry.root_radius_m + length_m + standoff_m)]


def _ring(centre: Enu, first: Enu, second: Enu, radius_m: float) -> list[Enu]:
    angles = [2 * math.pi * number / _DIRECTIONS for number in range(_DIRECTIONS)]
    return [centre.plus(first, radius_m * math.cos(a)).plus(second, radius_m * math.sin(a)) for a in angles]


class Net:
    """Places that ways may lead over, and which straight lines between them are clear."""

    def __init__(self, space: Space, between: Sequence[Enu]) -> None:
        self._space, self._between = space, tuple(between)
        places = np.array(self._between, dtype=float).reshape(-1, 3)
        first, second = np.triu_indices(len(places), 1)
        self._known = np.zeros((len(places) + 2, len(places) + 2), dtype=np.int8)
        if len(first):
            found = clearness(space, places[first], places[second])
            self._known[first + 1, second + 1] = self._known[second + 1, first + 1] = found

    def shortest(self, start: Enu, target: Enu) -> list[Enu] | None:
        """Return the points after ``start``, the target included, of the shortest clear way; None when there is none.

        Dijkstra; a leg of which bounds say nothing is only proved clear when it is about to be used.
        """
        nodes = [start, *self._between, target]
        goal = len(nodes) - 1
        places, known = np.array(nodes), self._known_with(start, target)
        turns_m = np.array([_TURN_COST_M] * goal + [0.0])
        surely = np.full(len(nodes), math.inf)  # What a clear leg to each costs: dearer ones are never used.
        queue: list[tuple[float, int, int]] = [(0.0, 0, -1)]
        parents: dict[int, int] = {}
        while queue:
            cost, number, parent = heapq.heappop(queue)
            if number in parents or not (parent < 0 or self._leads(known, nodes, parent, number)):
                continue
            parents[number] = parent
            if number == goal:
                return _trace(nodes, parents, goal)
            surely[number] = -math.inf
            costs = cost + np.sqrt(((places - places[number]) ** 2).sum(axis=1)) + turns_m
            cheaper = (known[number] >= 0) & (costs <= surely)
            surely = np.where(cheaper & (known[number] > 0), costs, surely)
            for next_number in np.flatnonzero(cheaper).tolist():
                heapq.heappush(queue, (float(costs[next_number]), next_number, number))
        return None

    def _known_with(self, start: Enu, target: Enu) -> NDArray[np.int8]:
        """Return what is known of every pair of nodes: the first is the start, the last the target."""
        known = self._known.copy()
        ends = np.array([*self._between, target])
        known[0, 1:] = clearness(self._space, np.broadcast_to(np.array(start), ends.shape), ends)
        known[1:-1, -1] = clearness(self._space, ends[:-1], np.broadcast_to(ends[-1], (len(ends) - 1, 3)))
        return known

    def _leads(self, known: NDArray[np.int8], nodes: Sequence[Enu], one: int, other: int) -> bool:
        return known[one, other] > 0 or (known[one, other] == 0 and self._space.is_clear(nodes[one], nodes[other]))


def _trace(nodes: Sequence[Enu], parents: dict[int, int], last: int) -> list[Enu]:
    way: list[Enu] = []
    while last > 0:
        way.append(nodes[last])
        last = parents[last]
    return way[::-1]
