"""Places in component coordinates, on blades and on what has none: towers and masts.

Each has a ``surface`` (places on different surfaces are never the same), metres ``along`` it and ``across`` it, and can
be ``moved``. A tower closes on itself: ``across`` is counted round its ``girth``, the last metre neighbours the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from pydantic import Field

from contracts.geo import Frozen
from contracts.turbine import SurfacePlace

POINTS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
"""The eight points of the compass, clockwise."""


def compass(bearing_deg: float) -> str:
    """Return the nearest of the eight points of the compass."""
    return POINTS[round(bearing_deg % 360.0 / 45.0) % 8]


def turn_deg(start_deg: float, end_deg: float) -> float:
    """Return the way from one bearing to another, the short way round, in [-180, 180)."""
    return (end_deg - start_deg + 180.0) % 360.0 - 180.0


class TowerPlace(Frozen):
    """A place on a wind turbine's tower or a mast.

    Its face is the plane it lies on, or of a round tower the eighth of it: they follow one another clockwise.
    """

    face: int = Field(ge=0, le=7)
    faces: int = Field(ge=3, le=8)
    face_bearing_deg: float = Field(ge=0, lt=360, description="compass bearing the face looks along")
    bearing_deg: float = Field(ge=0, lt=360, description="of the place, seen from the tower's axis")
    radius_m: float = Field(gt=0, le=60, description="of the tower at this height; to its corners where it has any")
    is_round: bool = Field(default=True, description="false: its faces are flat")
    height_m: float = Field(ge=-1, le=400, description="above the tower's foot")

    @property
    def surface(self) -> str:
        """Return the surface's name."""
        return "tower"

    @property
    def along_m(self) -> float:
        """Return the height."""
        return self.height_m

    @property
    def across_m(self) -> float:
        """Return metres round the tower on its surface, clockwise from north."""
        return self.way_round * self.girth_m

    @property
    def girth_m(self) -> float:
        """Return the way round the tower."""
        each = math.pi if self.is_round else self.faces * math.sin(math.pi / self.faces)
        return 2 * self.radius_m * each

    @property
    def way_round(self) -> float:
        """Return the share of the way round: of the circle, or of the sides of a polygon."""
        if self.is_round:
            return self.bearing_deg / 360.0
        off = math.radians(turn_deg(self.face_bearing_deg, self.bearing_deg))
        return self.face_bearing_deg / 360.0 + math.tan(off) / self._flatness

    @property
    def _flatness(self) -> float:
        """Return the girth of a polygon whose sides are 1 m from its middle."""
        return 2 * self.faces * math.tan(math.pi / self.faces)

    def moved(self, along_m: float, across_m: float) -> Self:
        """Return the place at other coordinates; it may be on the next face then."""
        share, step = across_m / self.girth_m, 360.0 / self.faces
        on = round(turn_deg(self.face_bearing_deg, 360.0 * share) / step)
        middle = self.face_bearing_deg + on * step
        bearing = 360.0 * share
        if not self.is_round:
            off = turn_deg(middle, 360.0 * share) / 360.0
            bearing = middle + math.degrees(math.atan(off * self._flatness))
        # Twice: a hair below nought comes out as 360 the first time.
        changed = {
            "height_m": along_m,
            "bearing_deg": bearing % 360.0 % 360.0,
            "face": (self.face + on) % self.faces,
            "face_bearing_deg": middle % 360.0 % 360.0,
        }
        return self.model_copy(update=changed)


AnyPlace = SurfacePlace | TowerPlace


def across_between_m(one: AnyPlace, other: AnyPlace) -> float:
    """Return how far a place lies across from another one on the same surface, the short way round, signed."""
    if not isinstance(one, TowerPlace) or not isinstance(other, TowerPlace):
        return other.across_m - one.across_m
    share = turn_deg(360.0 * one.way_round, 360.0 * other.way_round) / 360.0
    return share * (one.girth_m + other.girth_m) / 2


def mean_place(places: Sequence[AnyPlace], weights: Sequence[float]) -> AnyPlace:
    """Return the weighted mean of places on one surface; weights add up to 1. It is a relative of the weightiest."""
    first = places[max(range(len(places)), key=lambda n: weights[n])]
    along = math.fsum(w * p.along_m for p, w in zip(places, weights, strict=True))
    across = math.fsum(w * across_between_m(first, p) for p, w in zip(places, weights, strict=True))
    return first.moved(along, first.across_m + across)


def on_blade(place: AnyPlace | None) -> SurfacePlace | None:
    """Return a place that is on a blade; None for any other."""
    return place if isinstance(place, SurfacePlace) else None


def in_words(place: AnyPlace) -> str:
    """Return a place as people say it, such as ``tower, north face, 42.3 m up``."""
    if isinstance(place, SurfacePlace):
        return f"blade {place.blade.value} {place.side.value} {place.distance_to_root_m:.1f} m"
    return f"tower, {compass(place.face_bearing_deg)} face, {place.height_m:.1f} m up"
