"""A pipeline as parametric geometry: a centre line with chainage, and the right of way along it."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from contracts.geo import Enu, Frozen, GeoPoint, LocalFrame


class PipePlace(NamedTuple):
    """Where a point lies along the pipe: metres from its start, and metres to the left of the centre line."""

    chainage_m: float
    offset_m: float


class Pipeline(Frozen):
    """The centre line on the ground, in order of chainage."""

    kind: Literal["pipeline"] = "pipeline"
    centre_line: tuple[GeoPoint, ...] = Field(min_length=2, max_length=10_000)
    start_chainage_m: float = Field(default=0.0, ge=0, le=10_000_000)
    right_of_way_m: float = Field(default=20.0, ge=2, le=200, description="full width")
    diameter_mm: float = Field(default=600.0, gt=0, le=3000)

    @model_validator(mode="after")
    def _points_are_apart(self) -> Pipeline:
        for number, length_m in enumerate(self.lengths_m()):
            if not 0.5 <= length_m <= 20_000.0:
                raise ValueError(f"centre_line.{number + 1}: {length_m:.1f} m after the point before; 0.5 m to 20 km")
        return self

    def lengths_m(self) -> list[float]:
        """Return the length of each piece."""
        return [LocalFrame(a).to_enu(b).norm() for a, b in pairwise(self.centre_line)]

    def chainages_m(self) -> list[float]:
        """Return the chainage of each point of the centre line."""
        return list(accumulate(self.lengths_m(), initial=self.start_chainage_m))

    def piece(self, number: int, longest_m: float) -> list[GeoPoint]:
        """Return a piece of the centre line in even steps of at most ``longest_m``, both ends with it.

        Heights go evenly from end to end: a straight line would run beneath the ground of the round earth.
        """
        one, other = self.centre_line[number : number + 2]
        frame = LocalFrame(one)
        way = frame.to_enu(other)
        count = math.ceil(way.norm() / longest_m)
        rise_m = (other.alt_m - one.alt_m) / count
        between = [
            frame.to_geo(way.times(step / count)).model_copy(update={"alt_m": one.alt_m + rise_m * step})
            for step in range(1, count)
        ]
        return [one, *between, other]

    def at(self, chainage_m: float) -> GeoPoint:
        """Return the point at a chainage; the ends for chainages beyond them."""
        chainages = self.chainages_m()
        index = min(max(bisect_right(chainages, chainage_m) - 1, 0), len(chainages) - 2)
        share = (chainage_m - chainages[index]) / (chainages[index + 1] - chainages[index])
        frame = LocalFrame(self.centre_line[index])
        return frame.to_geo(frame.to_enu(self.centre_line[index + 1]).times(min(max(share, 0.0), 1.0)))

    def place_of(self, point: GeoPoint) -> PipePlace:
        """Return the nearest place along the pipe."""
        best, nearest_m = PipePlace(self.start_chainage_m, 0.0), math.inf
        for chainage_m, (one, other) in zip(self.chainages_m(), pairwise(self.centre_line), strict=False):
            frame = LocalFrame(one)
            way, here = frame.to_enu(other), frame.to_enu(point)
            share = min(max(here.dot(way) / way.dot(way), 0.0), 1.0)
            off = here.minus(way.times(share))
            away_m = math.hypot(off.east, off.north)
            if away_m < nearest_m:
                side = Enu(-way.north, way.east, 0.0).dot(off)
                best, nearest_m = PipePlace(chainage_m + share * way.norm(), math.copysign(away_m, side)), away_m
        return best
