"""A simulated power line: where its towers stand, what hangs on them, the land below and the weather."""

from __future__ import annotations

import math
import random
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from contracts.geo import Enu, Frozen, LocalFrame
from contracts.powerline import LineTower, PowerLine, Span
from simulators.dense import random_weather
from simulators.noise import Image
from simulators.world import CAMERA_4K, SITE_ORIGIN, Weather

Insulators = Literal["glass", "porcelain", "composite"]
_PHASES_M = ((-6.6, -3.8, 3.8, 6.6), (-8.2, -5.7, -3.3, 3.3, 5.7, 8.2), (-5.2, 3.0, 6.2), (-4.2, 4.2))
EARTH_WIRE_M = 0.0075
"""Radius."""


class Stand(NamedTuple):
    """A tower's own axes in the frame of the line: foot, along the line, to its left."""

    foot: Image
    along: Image
    left: Image

    def at(self, along_m: float, left_m: float, up_m: float) -> Image:
        """Return a point of the tower."""
        point: Image = self.foot + self.along * along_m + self.left * left_m + np.array([0.0, 0.0, up_m])
        return point


class LineWorld(Frozen):
    """Everything that is fixed about one line. Its frame is that of its first tower's foot; the land is level."""

    seed: int
    line: PowerLine
    weather: Weather
    insulators: Insulators = "glass"
    bundle: Literal[1, 2] = 1
    conductor_m: float = 0.0135
    """Radius."""
    steel: float = 0.66
    """How bright the galvanising is, 0..1."""
    painted: bool = False
    """Red and white bands for aircraft on the upper part."""
    corridor_m: float = 22.0
    """Half the width of the way that is kept free of forest."""
    forest: bool = True

    def frame(self) -> LocalFrame:
        """Return east-north-up of the first tower's foot."""
        return self._frame

    @cached_property
    def _frame(self) -> LocalFrame:
        return LocalFrame(self.line.towers[0].foot)

    def stand(self, number: int) -> Stand:
        """Return where a tower stands and how it is turned."""
        bearing = math.radians(self.line.bearing_deg(number))
        foot = np.array(self._frame.to_enu(self.line.towers[number].foot))
        along = np.array([math.sin(bearing), math.cos(bearing), 0.0])
        return Stand(foot, along, np.array([-along[1], along[0], 0.0]))

    def arm_m(self, number: int) -> float:
        """Return the height of a tower's crossarm, its lower chords."""
        return self.line.towers[number].attachment_height_m + self.line.insulator_length_m + 0.14

    def wire(self, span: Span, shares: Image, offset_m: float) -> Image:
        """Return points of a conductor (n, 3) at shares of a span, ``offset_m`` left of the centre line."""
        points = np.array([span.at(float(share), offset_m) for share in shares])
        to, rows = self._frame, (span.frame.east, span.frame.north, span.frame.up)
        turned = np.array([to.east, to.north, to.up]) @ np.array(rows).T
        moved: Image = points @ turned.T + np.array(to.to_enu(span.frame.origin))
        return moved

    def earth_span(self, number: int) -> Span:
        """Return how the earth wire hangs between two towers' tops."""
        span, (one, other) = self.line.span(number), self.line.towers[number : number + 2]
        rises = [tower.height_m - tower.attachment_height_m for tower in (one, other)]
        up = [Enu(p.east, p.north, p.up + rise) for p, rise in zip((span.start, span.end), rises, strict=True)]
        return Span(number, span.frame, up[0], up[1], span.constant_m * 1.25)


def random_line(seed: int) -> LineWorld:
    """Return a straight single-level line of three towers, in any light."""
    rng = random.Random(f"line/{seed}")
    bearing = rng.uniform(0, 2 * math.pi)
    frame, gone = LocalFrame(SITE_ORIGIN), 0.0
    length_m = rng.uniform(1.5, 3.0)
    towers = []
    for number in range(3):
        foot = frame.to_geo(Enu(gone * math.sin(bearing), gone * math.cos(bearing), 0.0))
        hangs = rng.uniform(17, 25)
        tower = LineTower(
            name=f"M{number + 1:02d}",
            foot=foot.model_copy(update={"alt_m": SITE_ORIGIN.alt_m}),
            attachment_height_m=hangs,
            height_m=hangs + length_m + rng.uniform(4.5, 7.5),
            base_radius_m=rng.uniform(2.4, 3.8),
        )
        towers.append(tower)
        gone += rng.uniform(150, 290)
    line = PowerLine(
        towers=tuple(towers),
        phase_offsets_m=rng.choice(_PHASES_M),
        catenary_constant_m=rng.uniform(900, 1700),
        insulator_length_m=length_m,
    )
    return LineWorld(
        seed=seed,
        line=line,
        weather=random_weather(rng),
        insulators=rng.choice(("glass", "glass", "porcelain", "composite")),
        bundle=rng.choice((1, 1, 2)),
        conductor_m=rng.uniform(0.010, 0.016),
        steel=rng.uniform(0.48, 0.76),
        painted=rng.random() < 0.3,
        corridor_m=rng.uniform(14, 30),
        forest=rng.random() < 0.6,
    )


CAMERA = CAMERA_4K
