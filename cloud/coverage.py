"""What a flight did not see of its asset: a finding's absence means something only where the surface was seen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from cloud import aims, line_towers, parts_seen
from cloud.aims import Aim
from cloud.line_towers import TowersSeen
from cloud.parts_seen import SEEN_SHARE, Cell, PartGap, Parts
from cloud.tables import Asset, Coverage, Flight, Media, PartCoverage, Plan
from contracts.errors import NotFound
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, MediaState


class Gap(NamedTuple):
    """Metres of a blade side that were not seen; ``last_m`` is where the gap ends."""

    blade: Blade
    side: BladeSide
    first_m: float
    last_m: float

    def __str__(self) -> str:
        return f"blade {self.blade.value} {self.side.value} {self.first_m:.0f}-{self.last_m:.0f} m"


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
    return parts_seen.of_shape(shape, part_cells(session, flight_id), _aim(flight, plan, shape))


def towers(session: Session, flight_id: str) -> Parts | None:
    """Return the towers of a flight's line, and what it saw of them; None of other assets.

    Raises:
        NotFound: No such flight.

    """
    shape = _asset_of(session, flight_id).shape
    if not isinstance(shape, PowerLine):
        return None
    return line_towers.of_towers(shape, part_cells(session, flight_id), is_told=bool(_counting(session, [flight_id])))


def tallies(session: Session, lines: Mapping[str, PowerLine]) -> dict[str, TowersSeen]:
    """Return how many towers flights of some lines saw, by flight; none of a flight that does not tell of them."""
    cells, told = _part_cells(session, lines), _counting(session, lines)
    each = {one: line_towers.of_towers(line, cells[one], is_told=one in told) for one, line in lines.items()}
    return {one: found for one, seen in each.items() if (found := line_towers.tally(seen)) is not None}


def _counting(session: Session, flights: Collection[str]) -> frozenset[str]:
    """Return the flights of which vision counted the towers of a line in every segment that it looked at."""
    looked = select(Media.flight_id).where(Media.flight_id.in_(flights), Media.state == MediaState.ANALYSED.value)
    return frozenset(session.scalars(looked.group_by(Media.flight_id).having(func.bool_and(Media.counts_towers))))


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


def gaps(session: Session, flight_id: str) -> list[Gap | PartGap]:
    """Return what a flight did not see: blades from the root, faces of a tower from its foot, spans and pipes along.

    A turbine's tower is told of where the flight saw any of it, and so is each tower of a line: most flights are of the
    blades, or along the conductors, and go nowhere near.

    Raises:
        NotFound: No such flight.

    """
    turbine = _asset_of(session, flight_id).turbine
    rest = parts(session, flight_id)
    others: list[Gap | PartGap] = list(parts_seen.gaps(rest)) if turbine is None or rest.is_known else []
    if turbine is None:
        line = towers(session, flight_id)
        return others if line is None else [*others, *line_towers.gaps(line)]
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
    sides, cells, told = _sides(session, flights), _part_cells(session, flights), _counting(session, flights)
    planned = session.execute(_planned(flights)).all()
    shapes = {asset.asset_id: asset.shape for asset in {row[2] for row in planned}}
    found = {}
    for flight, plan, asset in planned:
        shape = shapes[asset.asset_id]
        own = cells[flight.flight_id]
        seen = [parts_seen.of_shape(shape, own, _aim(flight, plan, shape))]
        if isinstance(shape, PowerLine):
            seen.append(line_towers.of_towers(shape, own, is_told=flight.flight_id in told))
        found[flight.flight_id] = NotSeen(shape, _not_seen(shape, seen, sides[flight.flight_id]))
    return found


def _not_seen(
    shape: AnyShape | None, seen: Sequence[Parts], sides: Mapping[tuple[str, str], Collection[int]]
) -> dict[str, Any]:
    gaps = {
        part.part: [part.stretch(*ends) for ends in parts_seen.unseen(rest, part)]
        for rest in seen
        for part in rest.parts
        if rest.is_known
    }
    length_m = shape.blade_length_m if isinstance(shape, TurbineGeometry) and sides else None
    if length_m is not None:
        for blade, side in product(Blade, BladeSide):
            of_side = _of_side(blade, side, sides.get((blade.value, side.value), ()), length_m)
            gaps[f"{blade.value}/{side.value}"] = [(gap.first_m, gap.last_m) for gap in of_side]
    whole = {name: [[round(end_m) for end_m in gap] for gap in found] for name, found in gaps.items() if found}
    is_known = length_m is not None or seen[0].is_known or any(rest.seen for rest in seen)
    return {"is_known": is_known, "gaps": whole}


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
    rest, line = parts(session, flight_id), towers(session, flight_id)
    if asset.turbine is not None:
        return [] if rest.is_known else ["the tower"]
    if line is None:
        return parts_seen.beyond(rest) if rest.is_known else []
    return [*parts_seen.beyond(rest), *line_towers.beyond(line)] if rest.is_known or line.seen else []


def _asset_of(session: Session, flight_id: str) -> Asset:
    flight = session.get(Flight, flight_id)
    if flight is None:
        raise NotFound(f"No flight {flight_id!r}.", hint="List flights with GET /v1/flights.")
    return session.get_one(Asset, flight.asset_id)


def _of_side(blade: Blade, side: BladeSide, seen: Collection[int], length_m: float) -> Iterator[Gap]:
    known = [cell in seen for cell in range(math.ceil(length_m))]
    for first, end in parts_seen.runs(known):
        yield Gap(blade, side, float(first), min(float(end), length_m))
