"""Distances of straight legs and full circles to edges, circles and solids, in local metres. Pure and exact.

A leg is judged along its whole length and an orbit along its whole circle, never at sample points; only the distance
from a circle to a solid is taken on a polygon, with the error of its chords taken off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from contracts.geo import Enu

_CHORD_ERROR_M = 0.05
Point = tuple[float, float]
"""East and north."""


class Leg(NamedTuple):
    """A straight line."""

    start: Enu
    end: Enu


class Circle(NamedTuple):
    """A level circle flown all the way round."""

    centre: Enu
    radius_m: float

    def at(self, angle_rad: float) -> Enu:
        """Return the place at an angle clockwise from north."""
        east, north = self.radius_m * math.sin(angle_rad), self.radius_m * math.cos(angle_rad)
        return self.centre.plus(Enu(east, north, 0.0))

    def nearest_to(self, place: Enu) -> Enu:
        """Return the place on the circle nearest to another, where an autopilot joins it."""
        return self.at(math.atan2(place.east - self.centre.east, place.north - self.centre.north))

    def chords(self) -> tuple[list[Leg], float]:
        """Return a polygon of the circle, and how far the circle is from it at most."""
        share = min(1.0, _CHORD_ERROR_M / self.radius_m)
        count = max(8, math.ceil(math.pi / math.acos(1.0 - share)))
        places = [self.at(2.0 * math.pi * i / count) for i in range(count + 1)]
        return [Leg(a, b) for a, b in pairwise(places)], self.radius_m * (1.0 - math.cos(math.pi / count))


Piece = Leg | Circle
"""One piece of a path."""


def farthest_m(piece: Piece, place: Point) -> float:
    """Return the greatest level distance between a piece of path and a place."""
    if isinstance(piece, Circle):
        return math.dist(_flat(piece.centre), place) + piece.radius_m
    return max(math.dist(_flat(piece.start), place), math.dist(_flat(piece.end), place))


def nearest_m(piece: Piece, place: Point) -> float:
    """Return the least level distance between a piece of path and a place."""
    if isinstance(piece, Circle):
        return abs(math.dist(_flat(piece.centre), place) - piece.radius_m)
    return _point_to_edge_m(place, _flat(piece.start), _flat(piece.end))


def heights_m(piece: Piece) -> tuple[float, float]:
    """Return the lowest and the highest point of a piece of path."""
    if isinstance(piece, Circle):
        return piece.centre.up, piece.centre.up
    return min(piece.start.up, piece.end.up), max(piece.start.up, piece.end.up)


def crosses(piece: Piece, corners: Sequence[Point]) -> bool:
    """Tell whether a piece of path meets the outline of a polygon, seen from above; touching counts."""
    edges = zip(corners, [*corners[1:], corners[0]], strict=True)
    if isinstance(piece, Circle):
        return any(_circle_meets_edge(_flat(piece.centre), piece.radius_m, a, b) for a, b in edges)
    return any(_edges_meet(_flat(piece.start), _flat(piece.end), a, b) for a, b in edges)


def starts_inside(piece: Piece, corners: Sequence[Point]) -> bool:
    """Tell whether a piece of path begins inside a polygon; on the outline may be either."""
    start = piece.at(0.0) if isinstance(piece, Circle) else piece.start
    return inside(_flat(start), corners)


def inside(place: Point, corners: Sequence[Point]) -> bool:
    """Tell whether a place is inside a simple polygon, by the even-odd rule."""
    east, north = place
    within = False
    for (e0, n0), (e1, n1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (n0 > north) != (n1 > north) and east < e0 + (north - n0) / (n1 - n0) * (e1 - e0):
            within = not within
    return within


def to_axis_m(piece: Piece, axis: Leg) -> float:
    """Return the least distance in space between a piece of path and a line; for a circle at most 0.05 m too little."""
    chords, error_m = chords_of(piece)
    return max(0.0, min(legs_apart_m(chord, axis) for chord in chords) - error_m)


def chords_of(piece: Piece) -> tuple[list[Leg], float]:
    """Return a piece of path as straight legs, and how far it is from them at most."""
    return piece.chords() if isinstance(piece, Circle) else ([piece], 0.0)


def legs_apart_m(a: Leg, b: Leg) -> float:
    """Return the least distance in space between two legs (Ericson, Real-Time Collision Detection, 5.1.9).

    Legs that do not cross are nearest at an end of one of them; asking the ends too keeps it true where they are so
    nearly parallel that the crossing is lost in rounding.
    """
    ends = ((a.start, b), (a.end, b), (b.start, a), (b.end, a))
    return min(_crossing_m(a, b), *(_to_leg_m(place, leg) for place, leg in ends))


def _to_leg_m(place: Enu, leg: Leg) -> float:
    way, there = leg.end.minus(leg.start), place.minus(leg.start)
    length2 = way.dot(way)
    share = _share(there.dot(way) / length2) if length2 > 0.0 else 0.0
    return there.plus(way, -share).norm()


def _crossing_m(a: Leg, b: Leg) -> float:
    """Return how far two legs pass each other where their lines are nearest; infinity when parallel."""
    d1, d2, r = a.end.minus(a.start), b.end.minus(b.start), a.start.minus(b.start)
    len1, len2, mixed = d1.dot(d1), d2.dot(d2), d1.dot(d2)
    steep = len1 * len2 - mixed * mixed
    if steep <= 1e-9 * len1 * len2:
        return math.inf
    s = _share((mixed * d2.dot(r) - d1.dot(r) * len2) / steep)
    t = _share((mixed * s + d2.dot(r)) / len2)
    return a.start.plus(d1, s).minus(b.start.plus(d2, t)).norm()


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _flat(place: Enu) -> Point:
    return place.east, place.north


def _point_to_edge_m(place: Point, a: Point, b: Point) -> float:
    along_e, along_n = b[0] - a[0], b[1] - a[1]
    length2 = along_e * along_e + along_n * along_n
    share = 0.0
    if length2 > 0.0:
        share = _share(((place[0] - a[0]) * along_e + (place[1] - a[1]) * along_n) / length2)
    return math.dist(place, (a[0] + share * along_e, a[1] + share * along_n))


def _circle_meets_edge(centre: Point, radius_m: float, a: Point, b: Point) -> bool:
    farthest = max(math.dist(centre, a), math.dist(centre, b))
    return _point_to_edge_m(centre, a, b) <= radius_m <= farthest


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _edges_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    one, two, three, four = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if ((one > 0) != (two > 0)) and ((three > 0) != (four > 0)) and 0.0 not in (one, two, three, four):
        return True
    flat = ((one, a, b, c), (two, a, b, d), (three, c, d, a), (four, c, d, b))
    return any(turn == 0.0 and _within(p, q, r) for turn, p, q, r in flat)


def _within(a: Point, b: Point, c: Point) -> bool:
    """Tell whether ``c``, on the line through a and b, is between them."""
    level = min(a[0], b[0]) <= c[0] <= max(a[0], b[0])
    return level and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
