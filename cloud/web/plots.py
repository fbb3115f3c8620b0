"""Curves as percent of a drawing's width and height, with sensible ticks. Pure; templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cloud.web.labels import dated

_ROOM = 0.06
"""Of the range, left free above and below the values."""
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


class Measured(NamedTuple):
    """A value at a time, with the interval it is known within. ``title`` says it in words."""

    at: datetime
    value: float
    low: float
    high: float
    title: str
    style: str = ""


class Dot(NamedTuple):
    """A measured value, in percent from the left and from the top."""

    x: float
    y: float
    low: float
    high: float
    title: str
    style: str


class Tick(NamedTuple):
    """A label of an axis, in percent."""

    at: float
    text: str


class Plot(NamedTuple):
    """A curve: its dots, the line through them, bands as polygons, and its axes."""

    dots: tuple[Dot, ...]
    line: str
    band: str
    fan: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def plot(
    values: Sequence[Measured], *, ahead: Measured | None = None, span: tuple[float, float] | None = None
) -> Plot | None:
    """Return a curve of values in order of time; ``ahead`` fans out from the last to what is expected.

    ``span`` fixes the range of the values; otherwise it follows them, from 0 where that is near.
    """
    if not values:
        return None
    every = [*values, *([ahead] if ahead else [])]
    first, last = every[0].at.timestamp(), max(every[-1].at.timestamp(), every[0].at.timestamp() + 86_400)
    low, high = span or _range([v.low for v in every], [v.high for v in every])

    def dot(v: Measured) -> Dot:
        y, top, bottom = (100 * (high - value) / (high - low) for value in (v.value, v.high, v.low))
        x = 2 + 96 * (v.at.timestamp() - first) / (last - first)
        return Dot(round(x, 2), round(y, 2), round(bottom, 2), round(top, 2), v.title, v.style)

    dots = [dot(v) for v in values]
    fan = dot(ahead) if ahead else None
    newest = dots[-1]
    return Plot(
        dots=tuple(dots) + ((fan,) if fan else ()),
        line=" ".join(f"{d.x},{d.y}" for d in dots),
        band=_around(dots),
        fan=f"{newest.x},{newest.y} {fan.x},{fan.high} {fan.x},{fan.low}" if fan else "",
        x_ticks=_days(first, last),
        y_ticks=tuple(
            Tick(round(100 * (high - at) / (high - low), 2), f"{at:g}") for at in ticks(low, high) if low <= at <= high
        ),
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers within a range, ``most`` or fewer."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(n * size for n in _NICE if n * size >= raw)
    start = math.ceil(low / step)
    return [round(n * step, 9) for n in range(start, math.floor(high / step) + 1)]


def _range(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    low, high = min(lows), max(highs)
    low = 0.0 if 0 <= low < 0.5 * high else low
    room = _ROOM * (high - low or abs(high) or 1.0)
    return (low if low == 0 else low - room, high + room)


def _around(dots: Sequence[Dot]) -> str:
    there = [f"{d.x},{d.high}" for d in dots]
    back = [f"{d.x},{d.low}" for d in reversed(dots)]
    return " ".join([*there, *back])


def _days(first: float, last: float) -> tuple[Tick, ...]:
    form = "%d %b" if last - first < 200 * 86_400 else "%b %Y"
    shares = (0.0, 0.5, 1.0)
    moments = [datetime.fromtimestamp(first + share * (last - first), UTC) for share in shares]
    return tuple(Tick(2 + 96 * share, dated(at, form)) for share, at in zip(shares, moments, strict=True))
