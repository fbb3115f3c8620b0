"""Stretches of an asset's surfaces that were seen or not: kept as data, put into words for who reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from cloud.assistant.words import side_label
from cloud.language import _
from contracts.geo import Frozen
from contracts.parts import line_tower_bearing_deg
from contracts.places import POINTS, compass
from contracts.powerline import PowerLine
from contracts.shafts import shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

_SAID = 3
"""So many of the longest stretches are said; the rest are counted."""

Gaps = Mapping[str, Sequence[Sequence[int]]]
"""Stretches in whole metres by surface: ``{"A/LE": [[12, 30]]}`` (`cloud.coverage.not_seen`)."""


class SurfaceStretch(Frozen):
    """Whole metres of a surface: a blade's side from the root, a tower's face from its foot, along a span or a pipe."""

    surface: str
    """``A/LE``, ``face-0``, ``span-0003``, ``pipe``, or of a line's tower ``tower-0003-face-0`` or ``-string-0``."""
    first_m: int
    last_m: int
    towers: tuple[str, str] | None = None
    """Between which a span hangs; its metres count from the first."""
    bearing_deg: float | None = None
    """Compass bearing that a tower's face looks along."""
    tower: str | None = None
    """Of a line, by its name; without a bearing an insulator string of it is meant."""
    string: int | None = None
    """Its number from 1."""

    def __str__(self) -> str:
        ends = self.first_m, self.last_m
        blade, _slash, side = self.surface.partition("/")
        if side:
            return _("blade {0} {1} {2}–{3} m", blade, _(side_label(side)), *ends)
        if self.towers is not None:
            return _("span {0}–{1} from {2} to {3} m", *self.towers, *ends)
        if self.tower is not None:
            return _("tower {0}, {1}, {2}–{3} m", self.tower, self.side_of_tower, *ends)
        if self.bearing_deg is not None:
            return _("tower {0} {1}–{2} m", face(self.bearing_deg), *ends)
        if self.surface == "pipe":
            return _("chainage {0}–{1} m", *ends)
        return f"{self.surface} {self.first_m}–{self.last_m} m"  # what the asset has no more

    @property
    def side_of_tower(self) -> str:
        """Return which face or insulator string of a line's tower is meant: ``north face``."""
        return _("insulator string {0}", self.string) if self.bearing_deg is None else face(self.bearing_deg)


def without(gaps: Gaps, others: Gaps, shape: AnyShape | None) -> tuple[SurfaceStretch, ...]:
    """Return what of some stretches of an asset is in no other one, the longest first."""
    found = [
        on(shape, surface, *ends)
        for surface, stretches in gaps.items()
        for first_m, last_m in stretches
        for ends in _outside(first_m, last_m, others.get(surface, ()))
    ]
    return tuple(sorted(found, key=lambda one: (one.first_m - one.last_m, one.surface, one.first_m)))


def few(stretches: Sequence[SurfaceStretch]) -> str:
    """Return the longest of some stretches in the reader's language, and how many more there are."""
    said = ", ".join(map(str, stretches[:_SAID]))
    return said if len(stretches) <= _SAID else _("{0} and {1} more", said, len(stretches) - _SAID)


def face(bearing_deg: float) -> str:
    """Return which face of a tower looks along a bearing: ``north face``."""
    faces = (
        *(_("north face"), _("north-east face"), _("east face"), _("south-east face")),
        *(_("south face"), _("south-west face"), _("west face"), _("north-west face")),
    )
    return faces[POINTS.index(compass(bearing_deg))]


def _outside(first_m: int, last_m: int, others: Iterable[Sequence[int]]) -> Iterator[tuple[int, int]]:
    for start_m, end_m in sorted((first, last) for first, last in others):
        if start_m > first_m:
            yield first_m, min(start_m, last_m)
        first_m = max(first_m, end_m)
        if first_m >= last_m:
            return
    yield first_m, last_m


def on(shape: AnyShape | None, surface: str, first_m: int, last_m: int) -> SurfaceStretch:
    """Return some metres of a surface, with what an asset's geometry says of it."""
    kind, _dash, number = surface.partition("-")
    told: dict[str, object] = {}
    if kind == "span" and isinstance(shape, PowerLine):
        names = dict(enumerate(pairwise(tower.name for tower in shape.towers)))
        told = {"towers": names.get(int(number))}
    if kind == "tower" and isinstance(shape, PowerLine):
        told = _on_line_tower(shape, *number.split("-"))
    if kind == "face" and isinstance(shape, TurbineGeometry | TelecomTower):
        told = {"bearing_deg": shaft_of(shape).bearing_of(int(number))}
    return SurfaceStretch.model_validate({"surface": surface, "first_m": first_m, "last_m": last_m, **told})


def _on_line_tower(line: PowerLine, tower: str, what: str, number: str) -> dict[str, object]:
    """Return which tower of a line is meant, and which face or string of it; nothing where the line has no such one."""
    if int(tower) >= len(line.towers):
        return {}
    name = {"tower": line.towers[int(tower)].name}
    if what == "string":
        return name | {"string": int(number) + 1}
    return name | {"bearing_deg": line_tower_bearing_deg(line, int(tower), int(number))}
