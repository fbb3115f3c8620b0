"""What a flight saw of the parts of an asset that are no blades, and what of them it did not see. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cloud.aims import Aim
from cloud.tables import PartCoverage
from contracts.parts import Part, parts_of
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape

SEEN_SHARE = 0.8
"""A metre counts as seen when this share of its area was."""
_HAIR_M = 1e-3
"""A stretch that ends where a cell begins does not ask for that cell."""


class Cell(NamedTuple):
    """How much a flight saw of a cell of a part that is no blade."""

    part: str
    cell: int
    seen_share: float


class PartGap(NamedTuple):
    """A stretch of a part that is no blade, or of all faces of a tower alike, that was not seen."""

    name: str
    first_m: float
    last_m: float
    is_along: bool = False
    """Of a line with its towers, or a pipe."""

    def __str__(self) -> str:
        if self.is_along:
            return f"{self.name}, {self.first_m:,.0f}–{self.last_m:,.0f} m"
        return f"{self.name} {self.first_m:.0f}-{self.last_m:.0f} m"


class Parts(NamedTuple):
    """What of an asset is no blade, which of its cells a flight looked at, and which it saw (name of the part, cell).

    A flight looks at all of a tower, unless its plan asks for one face. Of a line or a pipe it looks at what its plan
    asks for, and at what lies between the first and the last cell it saw anything of: the rest is no gap of its.
    """

    parts: tuple[Part, ...]
    wanted: dict[str, range]
    seen: frozenset[tuple[str, int]]
    is_known: bool
    """Whether the flight tells of any of them at all."""
    one_sided: frozenset[tuple[str, int]] = frozenset()
    """Cells of a line that were not seen whole because the flight was planned along one side: no gaps of its."""
    shown: frozenset[tuple[str, int]] = frozenset()
    """Cells of which anything was seen."""

    @property
    def whole_m(self) -> int:
        """Return how many metres the flight looked at, whole cells."""
        return round(sum(part.step_m * len(self.wanted[part.part]) for part in self.parts))

    @property
    def seen_m(self) -> int:
        """Return how many of these metres it saw."""
        return round(sum(part.step_m * len(self._seen_of(part)) for part in self.parts))

    @property
    def asset_m(self) -> int:
        """Return how many metres there are of them, looked at or not."""
        return round(sum(part.step_m * len(part.cells) for part in self.parts))

    def runs(self, part: Part, first_m: float, last_m: float) -> Iterator[tuple[float, float, bool]]:
        """Yield the stretches of a part between two places, in metres, and whether they were seen."""
        inside = part.between(part.at_m + first_m, part.at_m + last_m)
        for is_seen, run in groupby(inside, lambda cell: (part.part, cell) in self.seen):
            held = list(run)
            start, end = part.stretch(held[0], held[-1] + 1)
            if min(end, last_m) > max(start, first_m):
                yield max(start, first_m), min(end, last_m), is_seen

    def has_seen(self, part: Part) -> bool:
        """Return whether all that the flight looked at of a part was seen; false where that is nothing."""
        return bool(self.wanted[part.part]) and len(self._seen_of(part)) == len(self.wanted[part.part])

    def _seen_of(self, part: Part) -> list[int]:
        return [cell for cell in self.wanted[part.part] if (part.part, cell) in self.seen]


def of_shape(shape: AnyShape | None, told: Sequence[PartCoverage | Cell], aim: Aim) -> Parts:
    """Return what of an asset is no blade, and what a flight that was aimed so and told this saw of it."""
    found = () if shape is None else parts_of(shape)
    known = of(found, told)
    seen = seen_of(known)
    shown = frozenset((c.part, c.cell) for c in known if c.seen_share > 0)
    near = frozenset((c.part, c.cell) for c in known if c.seen_share >= SEEN_SHARE * aim.share)
    if isinstance(shape, PowerLine | Pipeline):
        wanted = _looked_at(found, known, aim)
    else:
        wanted = {part.part: part.cells if aim.asks_for(n) else range(0) for n, part in enumerate(found)}
    return Parts(found, wanted, seen, bool(known), near - seen, shown)


def of(found: Sequence[Part], told: Sequence[PartCoverage | Cell]) -> list[PartCoverage | Cell]:
    """Return the cells of some parts; those of a geometry that has changed since say nothing of the asset as it is."""
    cells_of = {part.part: part.cells for part in found}
    return [c for c in told if c.cell in cells_of.get(c.part, ())]


def seen_of(known: Sequence[PartCoverage | Cell]) -> frozenset[tuple[str, int]]:
    """Return the cells that count as seen."""
    return frozenset((c.part, c.cell) for c in known if c.seen_share >= SEEN_SHARE)


def _looked_at(found: Sequence[Part], known: Sequence[PartCoverage | Cell], aim: Aim) -> dict[str, range]:
    """Return the cells that a flight was to see, and all between the first and the last one it saw anything of."""
    order = {part.part: n for n, part in enumerate(found)}
    shown = [(order[c.part], c.cell) for c in known]
    if shown and aim.parts is not None:
        for part in found[aim.parts.start : aim.parts.stop]:
            cells = part.between(aim.along_m[0], aim.along_m[1] - _HAIR_M) if aim.along_m else part.cells
            shown += [(order[part.part], cell) for cell in (cells.start, cells.stop - 1)]
    first, last = min(shown, default=(len(found), 0)), max(shown, default=(-1, 0))
    looked = {}
    for n, part in enumerate(found):
        start = first[1] if n == first[0] else part.cells.start
        stop = last[1] + 1 if n == last[0] else part.cells.stop
        looked[part.part] = range(start, stop) if first[0] <= n <= last[0] else range(0)
    return looked


def gaps(rest: Parts) -> Iterator[PartGap]:
    """Yield the gaps part by part; what is missing of all faces of a tower alike is said once."""
    faces = [part for part in rest.parts if _is_face(part) and rest.wanted[part.part]]
    yield from alike(rest, faces, "tower, all faces", is_along=False)
    for part in rest.parts:
        if not _is_face(part):
            yield from (PartGap(part.name, *part.stretch(*ends), is_along=True) for ends in unseen(rest, part))


def alike(rest: Parts, parts: Sequence[Part], name: str, *, is_along: bool) -> Iterator[PartGap]:
    """Yield the gaps of parts that stand side by side; those of all of them are said once, under one name."""
    by_part = [[part.stretch(*ends) for ends in unseen(rest, part)] for part in parts]
    everywhere = set.intersection(*map(set, by_part)) if len(parts) > 1 else set()
    for part, found in zip(parts, by_part, strict=True):
        yield from (PartGap(part.name, *ends, is_along) for ends in found if ends not in everywhere)
    yield from (PartGap(name, *ends, is_along) for ends in sorted(everywhere))


def _is_face(part: Part) -> bool:
    return part.part.startswith("face-")


def unseen(rest: Parts, part: Part) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells of a part that are gaps: the first one, and the one after the last."""
    return _runs_of(
        rest.wanted[part.part],
        lambda cell: (part.part, cell) not in rest.seen and (part.part, cell) not in rest.one_sided,
    )


def _one_sided(rest: Parts, part: Part) -> Iterator[tuple[int, int]]:
    return _runs_of(rest.wanted[part.part], lambda cell: (part.part, cell) in rest.one_sided)


def _runs_of(cells: range, is_wanted: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells that are wanted: the first one, and the one after the last."""
    for first, end in runs([not is_wanted(cell) for cell in cells]):
        yield cells.start + first, cells.start + end


def beyond(rest: Parts) -> list[str]:
    """Return what a flight was not to look at, in words."""
    said = []
    for part in rest.parts:
        cells, wanted = part.cells, rest.wanted[part.part]
        outside = [(cells.start, wanted.start), (wanted.stop, cells.stop)] if wanted else [(cells.start, cells.stop)]
        said += [(part, *part.stretch(*ends)) for ends in outside if ends[0] < ends[1]]
    found = [PartGap(*stretch, is_along=not _is_face(rest.parts[0])) for stretch in _joined(said)]
    one_sided = [
        PartGap(f"seen from one side only: {part.name}", *part.stretch(*ends), is_along=True)
        for part in rest.parts
        for ends in _one_sided(rest, part)
    ]
    return [*map(str, found), *map(str, one_sided)]


def _joined(stretches: Sequence[tuple[Part, float, float]]) -> Iterator[tuple[str, float, float]]:
    """Yield names and ends of stretches; whole spans that follow one another are one, from its first tower."""
    runs: list[list[tuple[Part, float, float]]] = []
    for stretch in stretches:
        if runs and _is_whole(stretch) and _is_whole(runs[-1][-1]) and _follows(runs[-1][-1], stretch):
            runs[-1].append(stretch)
        else:
            runs.append([stretch])
    for (one, first_m, last_m), *more in runs:
        if more:
            other = more[-1][0]
            name = f"{one.name.replace('span', 'spans', 1)} to {other.name.removeprefix('span ')}"
            yield name, 0.0, other.at_m + other.end_m - one.at_m
        else:
            yield one.name, first_m, last_m


def _is_whole(stretch: tuple[Part, float, float]) -> bool:
    part, first_m, last_m = stretch
    return part.part.startswith("span-") and (first_m, last_m) == (part.start_m, part.end_m)


def _follows(one: tuple[Part, float, float], other: tuple[Part, float, float]) -> bool:
    return math.isclose(one[0].at_m + one[0].end_m, other[0].at_m, abs_tol=0.01)


def runs(seen: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells that were not seen: the first one, and the one after the last."""
    cell = 0
    for is_seen, run in groupby(seen):
        length = len(list(run))
        if not is_seen:
            yield cell, cell + length
        cell += length
