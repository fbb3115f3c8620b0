"""Places in component coordinates on what has no blades: towers and masts, spans of a line, pipes.

Each has a ``surface`` (places on different surfaces are never the same), metres ``along`` it and ``across`` it, and
where the surface closes on itself its ``girth``: ``across`` is counted round it, its last metre neighbours the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from pydantic import Field

from contracts.geo import Finite, Frozen
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
    """A place on a wind turbine's tower, a mast, or a tower of a line.

    Its face is the plane it lies on, or of a round tower the eighth of it: they follow one another clockwise.
    """

    tower: str = Field(default="", max_length=60, description="of a line: its name; else the asset's only one")
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
        return f"tower/{self.tower}"

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


class SpanPlace(Frozen):
    """A place on the conductors between two towers of a line."""

    span: int = Field(ge=0, le=2000, description="number of the tower it begins at, from 0")
    from_tower: str = Field(max_length=60)
    to_tower: str = Field(max_length=60)
    conductor: int = Field(ge=0, le=11, description="the nearest one; those behind it look alike")
    distance_m: Finite = Field(description="level distance from the tower it begins at")
    chainage_m: Finite = Field(description="the same from the line's first tower")

    @property
    def surface(self) -> str:
        """Return the surface's name: one for the whole line, so that no tower parts what lies beside it."""
        return "line"

    @property
    def along_m(self) -> float:
        """Return the distance along the line."""
        return self.chainage_m

    @property
    def across_m(self) -> float:
        """Return 0: a wire has no breadth, and which of the wires it is a picture hardly tells."""
        return 0.0

    @property
    def girth_m(self) -> float | None:
        """Return None: a line does not close on itself."""
        return None

    def moved(self, along_m: float, across_m: float) -> Self:
        """Return the place elsewhere along the same span."""
        del across_m
        by_m = along_m - self.chainage_m
        return self.model_copy(update={"distance_m": self.distance_m + by_m, "chainage_m": along_m})


class ChainagePlace(Frozen):
    """A place on a pipe, or on the ground beside it."""

    chainage_m: Finite
    offset_m: Finite = Field(description="to the left of the centre line, looking along it")
    clock_h: float | None = Field(
        default=None, ge=0, lt=12, description="on the pipe: hours round it, 12 (0) on top, 3 to the right"
    )

    @property
    def surface(self) -> str:
        """Return the surface's name."""
        return "pipe"

    @property
    def along_m(self) -> float:
        """Return the chainage."""
        return self.chainage_m

    @property
    def across_m(self) -> float:
        """Return the offset."""
        return self.offset_m

    @property
    def girth_m(self) -> float | None:
        """Return None: it is the offset that is compared, not the hour."""
        return None

    def moved(self, along_m: float, across_m: float) -> Self:
        """Return the place at other coordinates."""
        return self.model_copy(update={"chainage_m": along_m, "offset_m": across_m})


PartPlace = TowerPlace | SpanPlace | ChainagePlace
AnyPlace = SurfacePlace | PartPlace


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
    match place:
        case SurfacePlace():
            return f"blade {place.blade.value} {place.side.value} {place.distance_to_root_m:.1f} m"
        case TowerPlace():
            name = f"tower {place.tower}" if place.tower else "tower"
            return f"{name}, {compass(place.face_bearing_deg)} face, {place.height_m:.1f} m up"
        case SpanPlace():
            return f"span {place.from_tower}–{place.to_tower}, {place.distance_m:.1f} m from {place.from_tower}"
        case ChainagePlace():
            return f"chainage {place.chainage_m:.1f} m, {_beside(place)}"


def _beside(place: ChainagePlace) -> str:
    if place.clock_h is not None:
        return f"{round(place.clock_h) % 12 or 12} o'clock"
    return f"{abs(place.offset_m):.1f} m {'left' if place.offset_m > 0 else 'right'} of the pipe"
