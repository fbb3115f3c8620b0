"""The components that the health index is kept of, which one a finding lies on, and how much of each was ever seen.

Blades and the tower of a turbine, faces of a mast, spans and towers of a line, kilometres of a pipe: of a pipe because
its parts are kept record of by the kilometre (`cloud.planning.components`), and a shorter stretch would have too few
defects to compare. Names are those of that register, but for blades, which are A to C.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import places
from cloud.parts_seen import SEEN_SHARE
from cloud.tables import Asset, Coverage, Finding, Flight, Media, PartCoverage
from contracts.parts import ALONG_M, Part, line_tower_part, parts_of, towers_of
from contracts.places import ChainagePlace, LineTowerPlace, SpanPlace, TowerPlace
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

WHOLE = "whole"
"""What lies on no component that is known: nothing tells how much of it was seen."""
TOWER = "tower"
SECTION_M = 1000.0
_Cells = frozenset[tuple[str, int]]


class Component(NamedTuple):
    """A component and how much of it any flight saw: 0 to 1; None where nothing is counted there."""

    key: str
    seen_share: float | None


class Seen(NamedTuple):
    """What all flights of the assets saw: cells of blade sides by (asset, blade), cells of parts by asset."""

    blades: Mapping[tuple[str, str], int]
    parts: Mapping[str, _Cells]
    towers: frozenset[str] = frozenset()
    """Assets of which some flight was looked at when towers of lines were counted."""


def seen(session: Session) -> Seen:
    """Return what any flight saw of any asset: a cell counts once, however often it was seen."""
    side = (Flight.asset_id, Coverage.blade, Coverage.side, Coverage.cell)
    sides = (
        select(*side)
        .join(Flight, Flight.flight_id == Coverage.flight_id)
        .where(Coverage.seen_share >= SEEN_SHARE)
        .distinct()
        .subquery()
    )
    counted = select(sides.c.asset_id, sides.c.blade, func.count()).group_by(sides.c.asset_id, sides.c.blade)
    others = (
        select(Flight.asset_id, PartCoverage.part, PartCoverage.cell)
        .join(Flight, Flight.flight_id == PartCoverage.flight_id)
        .where(PartCoverage.seen_share >= SEEN_SHARE)
        .distinct()
    )
    cells: dict[str, set[tuple[str, int]]] = {}
    for asset_id, part, cell in session.execute(others):
        cells.setdefault(asset_id, set()).add((part, cell))
    blades = {(asset_id, blade): count for asset_id, blade, count in session.execute(counted)}
    counting = frozenset(session.scalars(select(Media.asset_id).where(Media.counts_towers).distinct()))
    return Seen(blades, {asset_id: frozenset(found) for asset_id, found in cells.items()}, counting)


def of_asset(asset: Asset, told: Seen) -> Iterator[Component]:
    """Yield an asset's components, without the one for what lies on none of them."""
    shape, cells = asset.shape, told.parts.get(asset.asset_id, frozenset())
    match shape:
        case None:
            return
        case TurbineGeometry():
            yield from _of_turbine(asset.asset_id, shape, told)
        case PowerLine():
            yield from _shares({part.part: [(part, part.cells)] for part in parts_of(shape)}, cells)
            numbers = range(len(shape.towers))
            of_towers = {line_tower_part(n): [(part, part.cells) for part in towers_of(shape, [n])] for n in numbers}
            is_told = asset.asset_id in told.towers
            yield from (one if is_told else one._replace(seen_share=None) for one in _shares(of_towers, cells))
        case TelecomTower():
            yield from _shares({part.part: [(part, part.cells)] for part in parts_of(shape)}, cells)
        case _:
            (pipe,) = parts_of(shape)
            yield from _shares({key: [(pipe, found)] for key, found in _sections(pipe)}, cells)


def key_of(finding: Finding, shape: AnyShape | None) -> str:
    """Return the component that a finding lies on; ``whole`` where that is not known."""
    if finding.blade is not None:
        return finding.blade
    match places.part_place(finding):
        case TowerPlace() as there:
            return f"face-{there.face}" if isinstance(shape, TelecomTower) else TOWER
        case SpanPlace() as there:
            return f"span-{there.span:04d}"
        case LineTowerPlace() as there:
            return line_tower_part(there.tower)
        case ChainagePlace() as there if shape is not None:
            pipe = parts_of(shape)[0]
            last = max(0, math.ceil((pipe.end_m - pipe.start_m) / SECTION_M) - 1)
            return _section(min(last, max(0, int((there.chainage_m - pipe.start_m) // SECTION_M))))
        case _:
            return WHOLE


def name_of(key: str, shape: AnyShape | None) -> str:
    """Return a component's name as people say it, such as ``span M2–M3``; a blade's is its letter."""
    kind, _, number = key.rpartition("-")
    match shape:
        case PowerLine() if kind in ("span", "tower"):
            names = [tower.name for tower in shape.towers]
            ends = list(pairwise(names))
            return f"tower {names[int(number)]}" if kind == "tower" else f"span {'–'.join(ends[int(number)])}"
        case TelecomTower() if kind == "face":
            return parts_of(shape)[int(number)].name
        case _ if kind == "section" and shape is not None:
            (pipe,) = parts_of(shape)
            start_m = pipe.start_m + int(number) * SECTION_M
            return f"km {start_m / 1000:.3f} to {min(start_m + SECTION_M, pipe.end_m) / 1000:.3f}"
    return key


def _of_turbine(asset_id: str, turbine: TurbineGeometry, told: Seen) -> Iterator[Component]:
    of = math.ceil(turbine.blade_length_m) * len(BladeSide)
    yield from (Component(b.value, min(1.0, told.blades.get((asset_id, b.value), 0) / of)) for b in Blade)
    faces = [(part, part.cells) for part in parts_of(turbine)]
    yield from _shares({TOWER: faces}, told.parts.get(asset_id, frozenset()))


def _shares(cells_of: Mapping[str, Iterable[tuple[Part, range]]], seen: _Cells) -> Iterator[Component]:
    """Yield components made of cells of parts, with the share of those that were seen."""
    for key, parts in cells_of.items():
        counts = Counter((part.part, cell) in seen for part, cells in parts for cell in cells)
        yield Component(key, counts[True] / max(1, counts.total()))


def _sections(pipe: Part) -> Iterator[tuple[str, range]]:
    """Yield the kilometres of a pipe with their cells; one that two share counts in the first."""
    cells, first = pipe.cells, pipe.cells.start
    number = 0
    while first < cells.stop:
        end_m = pipe.start_m + (number + 1) * SECTION_M
        end = min(cells.stop, math.ceil((end_m - 1e-6) / ALONG_M))
        yield _section(number), range(first, end)
        first, number = end, number + 1


def _section(number: int) -> str:
    return f"section-{number:05d}"
