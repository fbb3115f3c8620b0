"""What of a mast, a line or a pipe a plan asks for: which of its parts, and how much of the conductors is in view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cloud.stretches import CORRIDOR, FACADE, LINE_TOWERS, RIGHT_OF_WAY, Stretch
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower


class Aim(NamedTuple):
    """What a flight was to look at. ``parts``: numbers of the parts in order, None where the plan does not say."""

    parts: range | None = None
    share: float = 1.0
    """Of a span's conductors, those that hang on the side it was to fly along, or in the middle."""
    along_m: tuple[float, float] | None = None
    """Of a pipe: the chainages of the flight's own stretch; None is all of it."""

    def asks_for(self, number: int) -> bool:
        """Return whether a part was to be looked at."""
        return self.parts is None or number in self.parts


def of_plan(pattern: str, params: Mapping[str, Any], shape: AnyShape, stretch: Stretch | None = None) -> Aim:
    """Return what a plan of that pattern and these parameters asks for of an asset; nothing of foreign plans.

    ``stretch``: of a plan in several parts, the flight's own.
    """
    wished: Mapping[str, Any] = params.get("params") or {}
    if pattern == CORRIDOR and isinstance(shape, PowerLine):
        spans = len(shape.towers) - 1
        last = stretch.last if stretch else wished.get("last_span")
        first = stretch.first if stretch else wished.get("first_span", 0)
        end = spans if last is None else last + 1
        return Aim(range(min(first, spans), min(end, spans)), _near(shape, wished.get("sides", ())))
    if pattern == LINE_TOWERS and isinstance(shape, PowerLine):
        return Aim(range(0))  # of its spans none: what is seen of towers is counted apart
    if pattern == RIGHT_OF_WAY and isinstance(shape, Pipeline):
        return Aim(range(1), along_m=stretch.along_m if stretch else None)
    if pattern == FACADE and isinstance(shape, TelecomTower):
        face = wished.get("face", 0)
        return Aim(range(face, face + 1))
    return Aim()


def _near(line: PowerLine, sides: Sequence[str]) -> float:
    if len(sides) != 1:
        return 1.0
    sign = 1 if sides[0] == "left" else -1
    offsets = line.phase_offsets_m
    return max(1, sum(sign * offset >= 0 for offset in offsets)) / len(offsets)
