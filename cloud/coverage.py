"""What a flight did not see of its asset: a finding's absence means something only where the surface was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.tables import Asset, Coverage, Flight, PartCoverage
from contracts.errors import NotFound
from contracts.parts import Part, parts_of
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.vocabulary import Blade, BladeSide

SEEN_SHARE = 0.8
"""A metre counts as seen when this share of its area was."""


class Gap(NamedTuple):
    """Metres of a blade side that were not seen; ``last_m`` is where the gap ends."""

    blade: Blade
    side: BladeSide
    first_m: float
    last_m: float

    def __str__(self) -> str:
        return f"blade {self.blade.value} {self.side.value} {self.first_m:.0f}-{self.last_m:.0f} m"


class PartGap(NamedTuple):
    """A stretch of a part that is no blade, or of all faces of a tower alike, that was not seen."""

    name: str
    first_m: float
    last_m: float
    is_along: bool = False
    """Of a line or a pipe."""

    def __str__(self) -> str:
        if self.is_along:
            return f"{self.name}, {self.first_m:,.0f}–{self.last_m:,.0f} m"
        return f"{self.name} {self.first_m:.0f}-{self.last_m:.0f} m"


class Parts(NamedTuple):
    """What of an asset is no blade, which of its cells a flight looked at, and which it saw (name of the part, cell).

    A flight looks at all of a tower. Of a line or a pipe it looks at what lies between the first and the last cell it
    saw anything of: the rest was another flight's, and is no gap.
    """

    parts: tuple[Part, ...]
    wanted: dict[str, range]
    seen: frozenset[tuple[str, int]]
    is_known: bool
    """Whether the flight tells of any of them at all."""

    @property
    def whole_m(self) -> int:
        """Return how many metres the flight looked at, whole cells."""
        return round(sum(part.step_m * len(self.wanted[part.part]) for part in self.parts))

    @property
    def seen_m(self) -> int:
        """Return how many of these metres it saw."""
        return round(sum(part.step_m * len(self._seen_of(part)) for part in self.parts))

    def seen_between_m(self, part: Part, first_m: float, last_m: float) -> int:
        """Return how many metres of a stretch of a part it saw."""
        ends = [part.stretch(cell, cell + 1) for cell in self._seen_of(part)]
        return round(sum(max(0.0, min(end, last_m) - max(first, first_m)) for first, end in ends))

    def _seen_of(self, part: Part) -> list[int]:
        return [cell for cell in self.wanted[part.part] if (part.part, cell) in self.seen]


def cells(session: Session, flight_id: str) -> list[Coverage]:
    """Return what a flight saw, cell by cell.

    Raises:
        NotFound: No such flight.

    """
    _asset_of(session, flight_id)
    order = (Coverage.blade, Coverage.side, Coverage.cell)
    return list(session.scalars(select(Coverage).where(Coverage.flight_id == flight_id).order_by(*order)))


def part_cells(session: Session, flight_id: str) -> list[PartCoverage]:
    """Return what a flight saw of what is no blade, cell by cell."""
    order = (PartCoverage.part, PartCoverage.cell)
    return list(session.scalars(select(PartCoverage).where(PartCoverage.flight_id == flight_id).order_by(*order)))


def parts(session: Session, flight_id: str) -> Parts:
    """Return what of a flight's asset is no blade, and what the flight saw of it.

    Raises:
        NotFound: No such flight.

    """
    shape = _asset_of(session, flight_id).shape
    found = () if shape is None else parts_of(shape)
    cells_of = {part.part: part.cells for part in found}
    # Cells of a geometry that has changed since say nothing of the asset as it is.
    known = [c for c in part_cells(session, flight_id) if c.cell in cells_of.get(c.part, ())]
    seen = frozenset((c.part, c.cell) for c in known if c.seen_share >= SEEN_SHARE)
    is_long = isinstance(shape, PowerLine | Pipeline)
    return Parts(found, _looked_at(found, known) if is_long else cells_of, seen, bool(known))


def _looked_at(found: Sequence[Part], known: Sequence[PartCoverage]) -> dict[str, range]:
    """Return the cells between the first and the last one of which anything was seen, part by part."""
    order = {part.part: n for n, part in enumerate(found)}
    shown = [(order[c.part], c.cell) for c in known]
    first, last = min(shown, default=(len(found), 0)), max(shown, default=(-1, 0))
    looked = {}
    for n, part in enumerate(found):
        start = first[1] if n == first[0] else part.cells.start
        stop = last[1] + 1 if n == last[0] else part.cells.stop
        looked[part.part] = range(start, stop) if first[0] <= n <= last[0] else range(0)
    return looked


def gaps(session: Session, flight_id: str) -> list[Gap | PartGap]:
    """Return what a flight did not see: blades from the root, faces of a tower from its foot, spans and pipes along.

    A turbine's tower is told of where the flight saw any of it: most flights are of the blades and go nowhere near.

    Raises:
        NotFound: No such flight.

    """
    seen = {(c.blade, c.side, c.cell) for c in cells(session, flight_id) if c.seen_share >= SEEN_SHARE}
    turbine = _asset_of(session, flight_id).turbine
    rest = parts(session, flight_id)
    others: list[Gap | PartGap] = list(_of_parts(rest)) if turbine is None or rest.is_known else []
    if turbine is None:
        return others
    length_m = turbine.blade_length_m
    return [gap for blade in Blade for side in BladeSide for gap in _of_side(blade, side, seen, length_m)] + others


def _asset_of(session: Session, flight_id: str) -> Asset:
    flight = session.get(Flight, flight_id)
    if flight is None:
        raise NotFound(f"No flight {flight_id!r}.", hint="List flights with GET /v1/flights.")
    return session.get_one(Asset, flight.asset_id)


def _of_parts(rest: Parts) -> Iterator[PartGap]:
    """Yield the gaps part by part; what is missing of all faces of a tower alike is said once."""
    by_part = [[part.stretch(*ends) for ends in _unseen(rest, part)] for part in rest.parts]
    faces = [found for part, found in zip(rest.parts, by_part, strict=True) if _is_face(part)]
    everywhere = set.intersection(*map(set, faces)) if faces else set()
    for part, found in zip(rest.parts, by_part, strict=True):
        yield from (PartGap(part.name, *ends, not _is_face(part)) for ends in found if ends not in everywhere)
    yield from (PartGap("tower, all faces", *ends) for ends in sorted(everywhere))


def _is_face(part: Part) -> bool:
    return part.part.startswith("face-")


def _unseen(rest: Parts, part: Part) -> Iterator[tuple[int, int]]:
    wanted = rest.wanted[part.part]
    for first, end in _runs([(part.part, cell) in rest.seen for cell in wanted]):
        yield wanted.start + first, wanted.start + end


def _of_side(blade: Blade, side: BladeSide, seen: set[tuple[str, str, int]], length_m: float) -> Iterator[Gap]:
    known = [(blade.value, side.value, cell) in seen for cell in range(math.ceil(length_m))]
    for first, end in _runs(known):
        yield Gap(blade, side, float(first), min(float(end), length_m))


def _runs(seen: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells that were not seen: the first one, and the one after the last."""
    cell = 0
    for is_seen, run in groupby(seen):
        length = len(list(run))
        if not is_seen:
            yield cell, cell + length
        cell += length
