"""What an aircraft really covers between the points of a plan: straight legs and circles, in metres about home.

Checks look at tracks, never at waypoints alone. A circle becomes chords that lie outside of it by at most
``CIRCLE_M``, so that nothing the circle touches is missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Route

CIRCLE_M = 0.05
Array = NDArray[np.float64]


class Leg(NamedTuple):
    """A straight piece. ``segment`` is the number of the waypoint or item it leads to or belongs to."""

    segment: int
    from_m: float
    """Metres flown in this segment before the piece."""
    start: Enu
    end: Enu
    start_alt_m: float
    end_alt_m: float
    """Above the ellipsoid."""
    speed_mps: float
    word: str = "leg"

    @property
    def length_m(self) -> float:
        """Return the length."""
        return self.end.minus(self.start).norm()


class Circle(NamedTuple):
    """A loiter or orbit."""

    segment: int
    centre: GeoPoint
    radius_m: float
    turns: float
    speed_mps: float


@dataclass(frozen=True)
class Samples:
    """Points along a track, close together: arrays of one length."""

    segment: NDArray[np.int64]
    metre: Array
    points: Array
    """East, north, up about home, metres."""
    alt_m: Array
    """Above the ellipsoid."""


@dataclass(frozen=True)
class Track:
    """Everything that is flown, from above take-off to the last place."""

    frame: LocalFrame
    legs: tuple[Leg, ...]
    circles: tuple[Circle, ...] = ()

    def samples(self, step_m: float) -> Samples:
        """Return points at most ``step_m`` apart, the ends of every leg among them."""
        lengths_m = [leg.length_m for leg in self.legs]
        counts = [max(1, math.ceil(length_m / step_m)) for length_m in lengths_m]
        shares = np.concatenate([np.arange(count + 1) / count for count in counts])
        index = np.repeat(np.arange(len(self.legs)), [count + 1 for count in counts])
        rows = np.array([(*leg.start, *leg.end, leg.start_alt_m, leg.end_alt_m) for leg in self.legs])[index]
        lengths = np.array(lengths_m)[index]
        from_m = np.array([leg.from_m for leg in self.legs])[index]
        segments = np.array([leg.segment for leg in self.legs])[index]
        points = rows[:, :3] + shares[:, None] * (rows[:, 3:6] - rows[:, :3])
        return Samples(segments, from_m + shares * lengths, points, rows[:, 6] + shares * (rows[:, 7] - rows[:, 6]))

    def geodetic(self, samples: Samples) -> tuple[Array, Array]:
        """Return latitudes and longitudes of samples."""
        return geodetic(self.frame, samples.points)


def geodetic(frame: LocalFrame, points: Array) -> tuple[Array, Array]:
    """Return latitudes and longitudes of rows (east, north, up), through earth-centred coordinates."""
    axes = np.array([frame.east, frame.north, frame.up])
    x, y, z = (np.asarray(frame.ecef) + points @ axes).T
    a, f = 6378137.0, 1 / 298.257223563
    b, e2 = a * (1 - f), f * (2 - f)
    across = np.hypot(x, y)
    angle = np.arctan2(z * a, across * b)  # Bowring: below 1e-9 degrees at these heights
    lat = np.arctan2(z + e2 / (1 - e2) * b * np.sin(angle) ** 3, across - e2 * a * np.cos(angle) ** 3)
    return np.degrees(lat), np.degrees(np.arctan2(y, x))


def of_route(route: Route, take_off_up_m: float) -> Track:
    """Return the track of a route: from above home over every waypoint."""
    frame = LocalFrame(route.home)
    start = route.home.model_copy(update={"alt_m": route.home.alt_m + take_off_up_m})
    points = [start, *(waypoint.point for waypoint in route.waypoints)]
    speeds = [waypoint.speed_mps for waypoint in route.waypoints]
    return Track(frame, tuple(_straight(frame, points, speeds)))


def _straight(frame: LocalFrame, points: Sequence[GeoPoint], speeds: Sequence[float]) -> Iterator[Leg]:
    places = [frame.to_enu(point) for point in points]
    for number, speed_mps in enumerate(speeds):
        one, other = points[number], points[number + 1]
        yield Leg(number, 0.0, places[number], places[number + 1], one.alt_m, other.alt_m, speed_mps)


def chords(frame: LocalFrame, circle: Circle) -> list[Leg]:
    """Return a circle as pieces that lie outside of it by at most ``CIRCLE_M``; one turn, however many are flown."""
    centre = frame.to_enu(circle.centre)
    count = max(8, math.ceil(math.pi / math.acos(circle.radius_m / (circle.radius_m + CIRCLE_M))))
    radius_m = circle.radius_m / math.cos(math.pi / count)
    angles = [2 * math.pi * number / count for number in range(count + 1)]
    ring = [centre.plus(Enu(math.sin(a), math.cos(a), 0.0), radius_m) for a in angles]
    side_m = 2 * radius_m * math.sin(math.pi / count)
    alt_m = circle.centre.alt_m
    return [
        Leg(circle.segment, number * side_m, a, b, alt_m, alt_m, circle.speed_mps, "circle")
        for number, (a, b) in enumerate(pairwise(ring))
    ]


def joined(centre: GeoPoint, radius_m: float, here: GeoPoint) -> GeoPoint:
    """Return the place on a circle nearest to the aircraft; north of the centre when it is above it."""
    frame = LocalFrame(centre)
    offset = frame.to_enu(here)
    level = Enu(offset.east, offset.north, 0.0)
    out = level.unit() if level.norm() > 1e-3 else Enu(0.0, 1.0, 0.0)
    return frame.to_geo(out.times(radius_m)).model_copy(update={"alt_m": centre.alt_m})
