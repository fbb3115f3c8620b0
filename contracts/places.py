"""Places in component coordinates, on blades and on what has none: towers and masts, spans of a line, pipes.

Each has a ``surface`` (places on different surfaces are never the same), metres ``along`` it and ``across`` it, and can
be ``moved``. A tower closes on itself: ``across`` is counted round its ``girth``, the last metre neighbours the first.
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


class SpanPlace(Frozen):
    """A place on the conductors between two towers of a line."""

    span: int = Field(ge=0, le=2000, description="number of the tower it begins at, from 0")
    from_tower: str = Field(max_length=60)
    to_tower: str = Field(max_length=60)
    conductor: int | None = Field(ge=0, le=11, description="from 0; None where the picture does not tell which one")
    offset_m: Finite = Field(description="of that conductor or the likeliest one, left of the line's centre")
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
        """Return how far the conductor is from the line's centre; 0 where the picture does not tell which it is."""
        return 0.0 if self.conductor is None else self.offset_m

    def moved(self, along_m: float, across_m: float) -> Self:
        """Return the place elsewhere along the same conductor: what lies between two of them is on neither."""
        del across_m
        by_m = along_m - self.chainage_m
        return self.model_copy(update={"distance_m": self.distance_m + by_m, "chainage_m": along_m})


class LineTowerPlace(Frozen):
    """A place on a tower of a line: its height alone, because a line's geometry does not say how its towers are built.

    Insulator strings belong to their tower.
    """

    tower: int = Field(ge=0, le=2000, description="number of the tower, from 0")
    tower_name: str = Field(max_length=60)
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
        """Return 0: how far to the side it is nobody knows."""
        return 0.0

    def moved(self, along_m: float, across_m: float) -> Self:
        """Return the place at another height."""
        del across_m
        return self.model_copy(update={"height_m": along_m})


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

    def moved(self, along_m: float, across_m: float) -> Self:
        """Return the place at other coordinates; its hour stays, as a pipe is thin beside the errors of an offset."""
        return self.model_copy(update={"chainage_m": along_m, "offset_m": across_m})


PartPlace = TowerPlace | SpanPlace | LineTowerPlace | ChainagePlace
"""Places on what is no blade, told apart by their fields."""
AnyPlace = SurfacePlace | PartPlace


def across_between_m(one: AnyPlace, other: AnyPlace) -> float:
    """Return how far a place lies across from another one on the same surface, signed.

    Round a tower it is the short way. A conductor that is not told may be any of them.
    """
    if isinstance(one, SpanPlace) and isinstance(other, SpanPlace) and None in (one.conductor, other.conductor):
        return 0.0
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


def blade_words(blade: str, side: str, distance_to_root_m: float) -> str:
    """Return a place on a blade as people say it."""
    return f"blade {blade} {side} {distance_to_root_m:.1f} m"


def face_words(face_bearing_deg: float, height_m: float) -> str:
    """Return a place on a tower or mast as people say it."""
    return f"tower, {compass(face_bearing_deg)} face, {height_m:.1f} m up"


def span_words(from_tower: str, to_tower: str, distance_m: float) -> str:
    """Return a place on a span as people say it."""
    return f"span {from_tower}–{to_tower}, {distance_m:.1f} m from tower {from_tower}"


def line_tower_words(tower: str, height_m: float) -> str:
    """Return a place on a tower of a line as people say it."""
    return f"tower {tower}, {height_m:.1f} m up"


def chainage_words(chainage_m: float) -> str:
    """Return a place along a pipe as people say it."""
    return f"pipe, chainage {chainage_m:,.1f} m"


def in_words(place: AnyPlace) -> str:
    """Return a place as people say it, such as ``tower, north face, 42.3 m up``."""
    match place:
        case SurfacePlace():
            return blade_words(place.blade.value, place.side.value, place.distance_to_root_m)
        case TowerPlace():
            return face_words(place.face_bearing_deg, place.height_m)
        case SpanPlace():
            return span_words(place.from_tower, place.to_tower, place.distance_m)
        case LineTowerPlace():
            return line_tower_words(place.tower_name, place.height_m)
        case ChainagePlace():
            return f"{chainage_words(place.chainage_m)}, {_beside(place)}"


def in_short(place: AnyPlace) -> str:
    """Return a place in the few letters that an order's text has room for."""
    match place:
        case SpanPlace():
            return f"span {place.from_tower}–{place.to_tower}, {place.distance_m:.1f} m"
        case ChainagePlace():
            return f"pipe {place.chainage_m:,.1f} m"
        case _:
            return in_words(place).removesuffix(" up")


def _beside(place: ChainagePlace) -> str:
    if place.clock_h is not None:
        return f"{hour_of(place.clock_h)} o'clock"
    return f"{abs(place.offset_m):.1f} m to the {'left' if place.offset_m > 0 else 'right'}"


def hour_of(clock_h: float) -> int:
    """Return the hour as a clock's face says it, 1 to 12."""
    return round(clock_h) % 12 or 12
