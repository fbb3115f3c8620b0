"""What a flight did not see of its asset: a finding's absence means something only where the surface was seen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, groupby, product
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from cloud import aims
from cloud.aims import Aim
from cloud.tables import Asset, Coverage, Flight, PartCoverage, Plan
from contracts.errors import NotFound
from contracts.parts import Part, parts_of
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

SEEN_SHARE = 0.8
"""A metre counts as seen when this share of its area was."""


_HAIR_M = 1e-3
"""A stretch that ends where a cell begins does not ask for that cell."""


class Cell(NamedTuple):
    """How much a flight saw of a cell of a part that is no blade."""

    part: str
    cell: int
    seen_share: float


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
    flight, plan, _asset = session.execute(_planned([flight_id])).one()
    return of_shape(shape, part_cells(session, flight_id), _aim(flight, plan, shape))


def of_shape(shape: AnyShape | None, told: Sequence[PartCoverage | Cell], aim: Aim) -> Parts:
    """Return what of an asset is no blade, and what a flight that was aimed so and told this saw of it."""
    found = () if shape is None else parts_of(shape)
    cells_of = {part.part: part.cells for part in found}
    # Cells of a geometry that has changed since say nothing of the asset as it is.
    known = [c for c in told if c.cell in cells_of.get(c.part, ())]
    seen = frozenset((c.part, c.cell) for c in known if c.seen_share >= SEEN_SHARE)
    shown = frozenset((c.part, c.cell) for c in known if c.seen_share > 0)
    near = frozenset((c.part, c.cell) for c in known if c.seen_share >= SEEN_SHARE * aim.share)
    if isinstance(shape, PowerLine | Pipeline):
        wanted = _looked_at(found, known, aim)
    else:
        wanted = {part.part: part.cells if aim.asks_for(n) else range(0) for n, part in enumerate(found)}
    return Parts(found, wanted, seen, bool(known), near - seen, shown)


def _planned(flights: Collection[str]) -> Select[Flight, Plan | None, Asset]:
    """Return the query for some flights with their plans and assets."""
    plans = and_(Plan.plan_id == Flight.plan_id, Plan.version == Flight.plan_version)
    whole = select(Flight, Plan, Asset).outerjoin(Plan, plans).join(Asset, Asset.asset_id == Flight.asset_id)
    return whole.where(Flight.flight_id.in_(flights))


def _aim(flight: Flight, plan: Plan | None, shape: AnyShape | None) -> Aim:
    """Return what of a line or pipe a flight's plan asks for; a flight that carries another one on is asked for less.

    A plan in several parts that was made before its parts were kept does not say which stretch is the flight's.
    """
    if plan is None or shape is None:
        return Aim()
    aim = aims.of_plan(plan.pattern, plan.params, shape, plan.flown)
    is_told = (plan.parts == 1 or plan.stretch is not None) and flight.continues is None
    return aim if is_told else Aim(share=aim.share)


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


def gaps(session: Session, flight_id: str) -> list[Gap | PartGap]:
    """Return what a flight did not see: blades from the root, faces of a tower from its foot, spans and pipes along.

    A turbine's tower is told of where the flight saw any of it: most flights are of the blades and go nowhere near.

    Raises:
        NotFound: No such flight.

    """
    turbine = _asset_of(session, flight_id).turbine
    rest = parts(session, flight_id)
    others: list[Gap | PartGap] = list(_of_parts(rest)) if turbine is None or rest.is_known else []
    if turbine is None:
        return others
    length_m, seen = turbine.blade_length_m, _sides(session, [flight_id])[flight_id]
    sides = [_of_side(b, s, seen.get((b.value, s.value), ()), length_m) for b, s in product(Blade, BladeSide)]
    return [*chain.from_iterable(sides), *others]


class NotSeen(NamedTuple):
    """What a flight did not see of its asset, as data: ``{"is_known": true, "gaps": {"A/LE": [[12, 30]]}}``.

    Surfaces are sides of blades, else parts by the keys of `contracts.parts`; metres are whole, as reports print them.
    """

    shape: AnyShape | None
    told: dict[str, Any]


def not_seen(session: Session, flights: Collection[str]) -> dict[str, NotSeen]:
    """Return what each of some flights did not see; those that are not there are left out."""
    sides, cells = _sides(session, flights), _part_cells(session, flights)
    planned = session.execute(_planned(flights)).all()
    shapes = {asset.asset_id: asset.shape for asset in {row[2] for row in planned}}
    found = {}
    for flight, plan, asset in planned:
        shape = shapes[asset.asset_id]
        rest = of_shape(shape, cells[flight.flight_id], _aim(flight, plan, shape))
        found[flight.flight_id] = NotSeen(shape, _not_seen(shape, rest, sides[flight.flight_id]))
    return found


def _not_seen(shape: AnyShape | None, rest: Parts, sides: Mapping[tuple[str, str], Collection[int]]) -> dict[str, Any]:
    found = {part.part: [part.stretch(*ends) for ends in _unseen(rest, part)] for part in rest.parts}
    gaps = found if rest.is_known else {}
    length_m = shape.blade_length_m if isinstance(shape, TurbineGeometry) and sides else None
    if length_m is not None:
        for blade, side in product(Blade, BladeSide):
            of_side = _of_side(blade, side, sides.get((blade.value, side.value), ()), length_m)
            gaps[f"{blade.value}/{side.value}"] = [(gap.first_m, gap.last_m) for gap in of_side]
    whole = {name: [[round(end_m) for end_m in gap] for gap in found] for name, found in gaps.items() if found}
    return {"is_known": length_m is not None or rest.is_known, "gaps": whole}


def _sides(session: Session, flights: Collection[str]) -> defaultdict[str, dict[tuple[str, str], frozenset[int]]]:
    """Return the cells that flights saw of sides of blades, of those they tell of, by flight."""
    seen = func.array_agg(Coverage.cell).filter(Coverage.seen_share >= SEEN_SHARE)
    side = (Coverage.flight_id, Coverage.blade, Coverage.side)
    found: defaultdict[str, dict[tuple[str, str], frozenset[int]]] = defaultdict(dict)
    for flight_id, blade, which, held in session.execute(
        select(*side, seen).where(side[0].in_(flights)).group_by(*side)
    ):
        found[flight_id][blade, which] = frozenset(held or ())
    return found


def _part_cells(session: Session, flights: Collection[str]) -> defaultdict[str, list[Cell]]:
    """Return what flights saw of what is no blade, by flight."""
    told = select(PartCoverage.flight_id, PartCoverage.part, PartCoverage.cell, PartCoverage.seen_share)
    found: defaultdict[str, list[Cell]] = defaultdict(list)
    for flight_id, part, cell, seen_share in session.execute(told.where(PartCoverage.flight_id.in_(flights))):
        found[flight_id].append(Cell(part, cell, seen_share))
    return found


def beyond(session: Session, flight_id: str) -> list[str]:
    """Return what of its asset a flight was not to look at, in words: nobody need fly it again, and nobody saw it.

    Raises:
        NotFound: No such flight.

    """
    asset = _asset_of(session, flight_id)
    rest = parts(session, flight_id)
    if asset.turbine is not None:
        return [] if rest.is_known else ["the tower"]
    return _beyond(rest, is_line=isinstance(asset.shape, PowerLine)) if rest.is_known else []


def _beyond(rest: Parts, *, is_line: bool) -> list[str]:
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
    towers = ["towers and insulator strings: what was seen of them is not counted"] if is_line else []
    return [*map(str, found), *map(str, one_sided), *towers]


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


def _asset_of(session: Session, flight_id: str) -> Asset:
    flight = session.get(Flight, flight_id)
    if flight is None:
        raise NotFound(f"No flight {flight_id!r}.", hint="List flights with GET /v1/flights.")
    return session.get_one(Asset, flight.asset_id)


def _of_parts(rest: Parts) -> Iterator[PartGap]:
    """Yield the gaps part by part; what is missing of all faces of a tower alike is said once."""
    by_part = [[part.stretch(*ends) for ends in _unseen(rest, part)] for part in rest.parts]
    faces = [
        found for part, found in zip(rest.parts, by_part, strict=True) if _is_face(part) and rest.wanted[part.part]
    ]
    everywhere = set.intersection(*map(set, faces)) if faces else set()
    for part, found in zip(rest.parts, by_part, strict=True):
        yield from (PartGap(part.name, *ends, not _is_face(part)) for ends in found if ends not in everywhere)
    yield from (PartGap("tower, all faces", *ends) for ends in sorted(everywhere))


def _is_face(part: Part) -> bool:
    return part.part.startswith("face-")


def _unseen(rest: Parts, part: Part) -> Iterator[tuple[int, int]]:
    done = rest.seen | rest.one_sided
    return _runs_of(rest.wanted[part.part], lambda cell: (part.part, cell) not in done)


def _one_sided(rest: Parts, part: Part) -> Iterator[tuple[int, int]]:
    return _runs_of(rest.wanted[part.part], lambda cell: (part.part, cell) in rest.one_sided)


def _runs_of(cells: range, is_wanted: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells that are wanted: the first one, and the one after the last."""
    for first, end in _runs([not is_wanted(cell) for cell in cells]):
        yield cells.start + first, cells.start + end


def _of_side(blade: Blade, side: BladeSide, seen: Collection[int], length_m: float) -> Iterator[Gap]:
    known = [cell in seen for cell in range(math.ceil(length_m))]
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
