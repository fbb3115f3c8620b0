"""A power line as parametric geometry: towers, spans of hanging conductor, insulator strings.

A conductor between two towers is a catenary ``y = c cosh(x / c)`` with ``c`` = horizontal tension over weight per
metre (the *catenary constant*, 500 to 2500 m in practice). Its lowest point need not lie within the span.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from contracts.geo import UP, Enu, Frozen, GeoPoint, LocalFrame


class LineTower(Frozen):
    """One support of the line. ``height_m`` is its top, ``attachment_height_m`` where its conductors hang."""

    name: str = Field(min_length=1, max_length=60)
    foot: GeoPoint
    height_m: float = Field(default=32.0, gt=3, le=250)
    attachment_height_m: float = Field(default=24.0, gt=2, le=245, description="of the string's lower end")
    base_radius_m: float = Field(default=3.5, gt=0, le=30)
    external_id: str | None = Field(default=None, max_length=120)

    @model_validator(mode="after")
    def _hangs_below_its_top(self) -> LineTower:
        if self.attachment_height_m > self.height_m:
            raise ValueError("attachment_height_m: the conductors hang above the tower's top")
        return self


class Span(NamedTuple):
    """One span in the frame of its first tower's foot: where its centre line hangs between two attachments."""

    number: int
    frame: LocalFrame
    start: Enu
    end: Enu
    constant_m: float

    @property
    def length_m(self) -> float:
        """Return the horizontal length."""
        return math.hypot(self.end.east - self.start.east, self.end.north - self.start.north)

    def along(self) -> Enu:
        """Return the horizontal unit vector from the first tower to the second."""
        way = self.end.minus(self.start)
        return Enu(way.east, way.north, 0.0).unit()

    def left(self) -> Enu:
        """Return the horizontal unit vector to the left of the way along."""
        return UP.cross(self.along())

    def height_up_m(self, share: float) -> float:
        """Return how high (in the frame) the conductor hangs at a share (0..1) of the span.

        The catenary through both attachments: its lowest point is at
        ``L/2 - c asinh(h / (2 c sinh(L / 2c)))`` for a height difference ``h``.
        """
        c, length, rise = self.constant_m, self.length_m, self.end.up - self.start.up
        lowest = length / 2 - c * math.asinh(rise / (2 * c * math.sinh(length / (2 * c))))
        return self.start.up + c * (math.cosh((share * length - lowest) / c) - math.cosh(lowest / c))

    def at(self, share: float, offset_m: float = 0.0, raise_m: float = 0.0) -> Enu:
        """Return the point at a share of the span, ``offset_m`` to the left of the centre line, raised."""
        ahead = self.start.plus(self.along(), share * self.length_m).plus(self.left(), offset_m)
        return Enu(ahead.east, ahead.north, self.height_up_m(share) + raise_m)

    @property
    def sag_m(self) -> float:
        """Return the greatest vertical distance below the straight line between the attachments."""
        shares = [n / 40 for n in range(41)]
        rise = self.end.up - self.start.up
        return max(self.start.up + share * rise - self.height_up_m(share) for share in shares)


class PowerLine(Frozen):
    """A line of towers in order, and how its conductors hang."""

    kind: Literal["power_line"] = "power_line"
    towers: tuple[LineTower, ...] = Field(min_length=2, max_length=2000)
    phase_offsets_m: tuple[Annotated[float, Field(ge=-60, le=60)], ...] = Field(
        default=(-6.0, 0.0, 6.0), min_length=1, max_length=12, description="conductors, left of the centre line"
    )
    catenary_constant_m: float = Field(default=1200.0, ge=200, le=5000, description="tension over weight per metre")
    insulator_length_m: float = Field(default=2.2, gt=0, le=10)
    voltage_kv: float = Field(default=110.0, gt=0, le=1200)

    @model_validator(mode="after")
    def _towers_are_apart(self) -> PowerLine:
        names = [tower.name for tower in self.towers]
        if len(set(names)) != len(names):
            raise ValueError("towers: each name at most once")
        for number, (one, next_one) in enumerate(pairwise(self.towers)):
            length_m = _level_m(one.foot, next_one.foot)
            if not 10.0 <= length_m <= 3000.0:
                raise ValueError(f"towers.{number + 1}: {length_m:.0f} m from the tower before; 10 to 3000 m are sound")
        return self

    @property
    def half_width_m(self) -> float:
        """Return how far the outermost conductor is from the centre line."""
        return max(abs(offset) for offset in self.phase_offsets_m)

    def span(self, number: int) -> Span:
        """Return the span after tower ``number`` (from 0)."""
        one, next_one = self.towers[number], self.towers[number + 1]
        frame = LocalFrame(one.foot)
        end = frame.to_enu(next_one.foot).plus(UP, next_one.attachment_height_m)
        return Span(number, frame, UP.times(one.attachment_height_m), end, self.catenary_constant_m)

    def spans(self) -> list[Span]:
        """Return every span in order."""
        return [self.span(number) for number in range(len(self.towers) - 1)]

    def chainages_m(self) -> list[float]:
        """Return how far along the line each tower stands: the level lengths of the spans before it."""
        lengths = (_level_m(one.foot, other.foot) for one, other in pairwise(self.towers))
        return list(accumulate(lengths, initial=0.0))

    def turn_deg(self, number: int) -> float:
        """Return by how much the line turns to the left at a tower; 0 at its ends."""
        if not 0 < number < len(self.towers) - 1:
            return 0.0
        before, after = self.span(number - 1), self.span(number)
        way = after.frame.to_enu(before.frame.to_geo(Enu(0.0, 0.0, 0.0))).times(-1.0)
        arrives, leaves = math.atan2(way.north, way.east), math.atan2(after.end.north, after.end.east)
        return (math.degrees(leaves - arrives) + 180.0) % 360.0 - 180.0

    def bearing_deg(self, number: int) -> float:
        """Return the compass bearing the line leads along at a tower; where it turns, half way."""
        frame = LocalFrame(self.towers[number].foot)
        near = [frame.to_enu(tower.foot) for tower in self.towers[max(0, number - 1) : number + 2]]
        ways = [other.minus(one) for one, other in pairwise(near)]
        units = [Enu(way.east, way.north, 0.0).unit() for way in ways]
        along = units[0].plus(units[-1]) if units[0].plus(units[-1]).norm() > 1e-6 else units[0]
        return math.degrees(math.atan2(along.east, along.north)) % 360.0 % 360.0


def _level_m(one: GeoPoint, other: GeoPoint) -> float:
    offset = LocalFrame(one).to_enu(other)
    return math.hypot(offset.east, offset.north)
