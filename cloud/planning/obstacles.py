"""What a drone must stay away from round a turbine: cones for blades, tower and nacelle, the fence and the ground.

Distances are exact to the cones; the blades' cones enclose their real sections, so real clearances are larger. The
drone judges the same cones by the same distance (``edge.bodies``): they go with the route as its solids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import UP, Enu
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

FLOOR_M = 5.0
"""Lowest flight above home and above the tower foot."""
FENCE_MARGIN_M = 2.0
_SAMPLE_M = 1.0
"""Distance between the points of a leg that are looked at together."""
MARCH_M = 0.02
"""The least step along a line that comes close to a limit."""
_NEAREST = 1e-4
"""Of two steps between samples: how closely the nearest place is found."""
Points = NDArray[np.float64]
"""Places as rows of (east, north, up), metres."""
_END_M = 0.05
"""Added to a blade's cone all round: its sections are not quite square to the line between their centres."""


class Cone(NamedTuple):
    """A flat-ended round body, thick ``start_radius_m`` at ``start`` and ``end_radius_m`` at its far end."""

    name: str
    start: Enu
    axis: Enu
    length_m: float
    start_radius_m: float
    end_radius_m: float

    @property
    def highest_m(self) -> float:
        """Return a height above which nothing of it reaches."""
        top = max(self.start.up, self.start.up + self.length_m * self.axis.up)
        return top + max(self.start_radius_m, self.end_radius_m)

    def distance_m(self, point: Enu) -> float:
        """Return how far ``point`` is from the surface; 0 inside."""
        east, north, up = point.east - self.start.east, point.north - self.start.north, point.up - self.start.up
        along = east * self.axis.east + north * self.axis.north + up * self.axis.up
        clamped = min(max(along, 0.0), self.length_m)
        radial = math.sqrt(max(0.0, east * east + north * north + up * up - along * along))
        slope = (self.end_radius_m - self.start_radius_m) / self.length_m
        if radial <= self.start_radius_m + slope * clamped:
            return abs(along - clamped)
        # Beside the profile the nearest place is on its slant; past an end, that end's edge.
        share = (along + slope * (radial - self.start_radius_m)) / (1.0 + slope * slope)
        foot = min(max(share, 0.0), self.length_m)
        return math.hypot(along - foot, radial - self.start_radius_m - slope * foot)


@lru_cache(maxsize=64)
def stacked(cones: tuple[Cone, ...]) -> tuple[NDArray[np.float64], ...]:
    """Return starts, axes, lengths, first radii and slopes of cones."""
    starts, axes = (np.array([cone[field] for cone in cones]) for field in (1, 2))
    lengths, firsts, lasts = (np.array([cone[field] for cone in cones]) for field in (3, 4, 5))
    return starts, axes, lengths, firsts, (lasts - firsts) / lengths


def distances_m(cones: tuple[Cone, ...], points: Points) -> NDArray[np.float64]:
    """Return how far each point (rows) is from each cone's surface (columns); 0 inside."""
    return surface_gaps_m(points[:, None, :] - stacked(cones)[0], stacked(cones))


def surface_gaps_m(offset: NDArray[np.float64], cones: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
    """Return how far places are from surfaces: ``offset`` is from each (column) cone's start to a place (row)."""
    _, axes, lengths, firsts, slopes = cones
    along = np.einsum("pci,ci->pc", offset, axes)
    clamped = np.minimum(np.maximum(along, 0.0), lengths)
    radial = np.sqrt(np.maximum(0.0, np.einsum("pci,pci->pc", offset, offset) - along * along))
    beyond = radial - firsts
    feet = np.minimum(np.maximum((along + slopes * beyond) / (1.0 + slopes * slopes), 0.0), lengths)
    beside = np.hypot(along - feet, beyond - slopes * feet)
    return np.asarray(np.where(beyond <= slopes * clamped, np.abs(along - clamped), beside))


def cones_of(geometry: TurbineGeometry) -> tuple[Cone, ...]:
    """Return tower, nacelle and blades."""
    tower = Cone(
        "tower",
        Enu(0.0, 0.0, 0.0),
        UP,
        geometry.hub_height_m,
        geometry.tower_base_radius_m,
        geometry.tower_top_radius_m,
    )
    front = geometry.hub().plus(geometry.axis(), geometry.root_radius_m)
    nacelle = Cone(
        "nacelle",
        front,
        geometry.axis().times(-1.0),
        geometry.nacelle_length_m + geometry.root_radius_m,
        geometry.nacelle_radius_m,
        geometry.nacelle_radius_m,
    )
    return (tower, nacelle, *(_blade(geometry, blade) for blade in Blade))


def _blade(geometry: TurbineGeometry, blade: Blade) -> Cone:
    """Return a cone that holds every corner of a blade and so, being convex, all of it."""
    edges = [geometry.facet(blade, side) for side in (BladeSide.PS, BladeSide.SS)]
    roots = [point for facet in edges for point in (facet.first_root, facet.second_root)]
    tips = [point for facet in edges for point in (facet.first_tip, facet.second_tip)]
    root, tip = _mean(roots), _mean(tips)
    axis = tip.minus(root).unit()
    offsets = [point.minus(root) for point in (*roots, *tips)]
    along = [offset.dot(axis) for offset in offsets]
    beside = [offset.plus(axis, -up).norm() for offset, up in zip(offsets, along, strict=True)]
    low, high = min(along) - _END_M, max(along) + _END_M
    first = max(point.minus(root).norm() for point in roots) + _END_M
    last = max(point.minus(tip).norm() for point in tips) + _END_M
    # The sections stand a little aslant to the axis: a corner may lie where the cone is thinner already.
    slope = (last - first) / (high - low)
    short = max(out - first - slope * (up - low) for up, out in zip(along, beside, strict=True))
    more = max(0.0, short)
    return Cone(f"blade {blade.value}", root.plus(axis, low), axis, high - low, first + more, last + more)


def _mean(points: list[Enu]) -> Enu:
    total = Enu(0.0, 0.0, 0.0)
    for point in points:
        total = total.plus(point)
    return total.times(1.0 / len(points))


class Space(NamedTuple):
    """Where a drone may be: away from each cone by its limit, above the floor, inside the fence, below the ceiling.

    Everything is metres east-north-up of the tower foot.
    """

    cones: tuple[Cone, ...]
    limits_m: Mapping[str, float]
    floor_up_m: float
    ceiling_up_m: float
    fence_radius_m: float
    margin_m: float = 0.0

    def slack_m(self, point: Enu) -> float:
        """Return how far ``point`` may move in any direction before it breaks a limit; negative when it does."""
        slack = min(
            point.up - self.floor_up_m,
            self.ceiling_up_m - point.up,
            self.fence_radius_m - math.hypot(point.east, point.north),
        )
        for cone in self.cones:
            slack = min(slack, cone.distance_m(point) - self.limits_m[cone.name])
        return slack - self.margin_m

    def slacks_m(self, points: Points) -> NDArray[np.float64]:
        """Return ``slack_m`` of many points at once."""
        limits = np.array([self.limits_m[cone.name] for cone in self.cones])
        slack = np.minimum(self.room_m(points), (distances_m(self.cones, points) - limits).min(axis=1))
        return np.asarray(slack - self.margin_m)

    def room_m(self, points: Points) -> NDArray[np.float64]:
        """Return how far points are above the floor, below the ceiling, inside the fence, whichever is least."""
        room = np.minimum(points[:, 2] - self.floor_up_m, self.ceiling_up_m - points[:, 2])
        return np.asarray(np.minimum(room, self.fence_radius_m - np.hypot(points[:, 0], points[:, 1])))

    def is_clear(self, start: Enu, end: Enu) -> bool:
        """Return whether the whole straight line keeps every limit.

        A point with more slack than half the way to the next one vouches for what lies between them. Where the slack
        is smaller the nearest place is sought, and the line is marched where that lies on the very limit.
        """
        first, way = np.array(start), np.subtract(end, start)
        length_m = math.sqrt(way @ way)
        count = math.ceil(length_m / _SAMPLE_M) + 1
        points = first + np.arange(count + 1)[:, None] * (way / count)
        limits = np.array([self.limits_m[cone.name] for cone in self.cones])
        gaps = distances_m(self.cones, points) - limits - self.margin_m
        least = min(float(gaps.min()), float(self.room_m(points).min()) - self.margin_m)
        if least <= 0.0 or least > length_m / count / 2:
            return least > 0.0
        near = np.flatnonzero(gaps.min(axis=0) <= length_m / count / 2).tolist()
        found = (self._nearest_m(self.cones[n], points, int(gaps[:, n].argmin())) - limits[n] for n in near)
        least = min(found, default=math.inf) - self.margin_m
        return self._march(start, end) if abs(least + MARCH_M / 2) < MARCH_M else bool(least > 0.0)

    @staticmethod
    def _nearest_m(cone: Cone, points: Points, index: int) -> float:
        """Return how near a line comes to a cone about one of its points: along a line that distance is convex."""
        low, high = (Enu(*points[at].tolist()) for at in (max(0, index - 1), min(len(points) - 1, index + 1)))
        way = high.minus(low)
        begin, end = 0.0, 1.0
        while end - begin > _NEAREST:
            third = (end - begin) / 3
            if cone.distance_m(low.plus(way, begin + third)) < cone.distance_m(low.plus(way, end - third)):
                end -= third
            else:
                begin += third
        return cone.distance_m(low.plus(way, begin))

    def _march(self, start: Enu, end: Enu) -> bool:
        """Go along by the slack itself, which no limit can be broken within."""
        way = end.minus(start)
        length_m = way.norm()
        done_m = 0.0
        while done_m < length_m:
            slack = self.slack_m(start.plus(way, done_m / length_m))
            if slack <= 0.0:
                return False
            done_m += max(slack * 0.99, MARCH_M)
        return self.slack_m(end) > 0.0

    def with_limits(self, **limits_m: float) -> Space:
        """Return the same space with other limits; ``blades`` stands for all three."""
        blades = limits_m.pop("blades", None)
        named = {cone.name: blades for cone in self.cones if blades is not None and cone.name.startswith("blade ")}
        return self._replace(limits_m={**self.limits_m, **named, **limits_m})
