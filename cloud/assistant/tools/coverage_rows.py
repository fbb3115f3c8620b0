"""The tool ``coverage``: what flights did not see, of blades metre by metre, of what has none gap by gap."""

from __future__ import annotations

import math
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import coverage as covered
from cloud import line_towers
from cloud.assistant.evidence import Row, RowKind, Value, plain
from cloud.assistant.tools.fleet_rows import asset_citation, flight_citation, flight_time
from cloud.assistant.tools.parameters import CoverageQuery
from cloud.assistant.words import side_label
from cloud.parts_seen import SEEN_SHARE
from cloud.tables import Asset, Coverage, Flight, PartCoverage
from contracts.vocabulary import AssetKind, Blade, BladeSide

MAX_FLIGHTS = 200
MAX_ASSETS = 50
_MOST_GAPS = 12
_SURFACES = {
    AssetKind.TELECOM_TOWER.value: "tower faces",
    AssetKind.POWER_LINE.value: "spans",
    AssetKind.PIPELINE.value: "right of way",
}
"""What of assets without blades is counted in metres."""


class Gap(NamedTuple):
    """Metres of a blade side, from the root, that were not seen."""

    start_m: int
    end_m: int


def gaps(seen: set[int], length_cells: int) -> list[Gap]:
    """Return the runs of cells in ``range(length_cells)`` that are not in ``seen``."""
    found: list[Gap] = []
    for cell in range(length_cells):
        if cell in seen:
            continue
        if found and found[-1].end_m == cell:
            found[-1] = Gap(found[-1].start_m, cell + 1)
        else:
            found.append(Gap(cell, cell + 1))
    return found


def coverage(session: Session, step: str, query: CoverageQuery) -> list[Row]:
    """Return per asset one summary row and one row per blade side with gaps; an asset not flown is a row too.

    Of an asset without blades the newest flight asked for counts, and its gaps are one row.
    """
    kinds = (AssetKind.WIND_TURBINE.value, *(() if query.blades or query.sides else _SURFACES))
    wanted = select(Asset).where(Asset.kind.in_(kinds)).order_by(Asset.name).limit(MAX_ASSETS)
    if query.site_ids:
        wanted = wanted.where(Asset.site_id.in_(query.site_ids))
    if query.asset_ids:
        wanted = wanted.where(Asset.asset_id.in_(query.asset_ids))
    flights = {table: _flights(session, query, table) for table in (Coverage, PartCoverage)}
    rows: list[Row] = []
    for asset in session.scalars(wanted):
        own = [
            f for f in flights[PartCoverage if asset.kind in _SURFACES else Coverage] if f.asset_id == asset.asset_id
        ]
        if query.flight_ids and not own:
            continue
        own = own if query.period or query.flight_ids else own[:1]
        ref = f"{step}.{len(rows) + 1}"
        if asset.kind in _SURFACES and own:
            rows += _part_rows(session, ref, query, asset, own[0])
        else:
            rows += _asset_rows(session, ref, query, asset, own)
    return rows


def _part_rows(session: Session, ref: str, query: CoverageQuery, asset: Asset, flight: Flight) -> list[Row]:
    """Return what a flight saw of an asset without blades, and its gaps where it left any."""
    cites = flight_citation(flight.flight_id), asset_citation(asset)
    parts, missed = covered.parts(session, flight.flight_id), covered.gaps(session, flight.flight_id)
    name = plain(asset.name)
    summary: dict[str, Value] = {
        "asset": name,
        "period": query.period.says if query.period else None,
        "flights": 1,
        "seen": True,
        "flight_at": flight.started_at or flight.created_at,
        "unseen_m": parts.whole_m - parts.seen_m,
        "seen_m": parts.seen_m,
        "whole_m": parts.whole_m,
        "seen_percent": 100 * parts.seen_m / max(1, parts.whole_m),
        "rule_percent": 100 * SEEN_SHARE,
        "surface": _SURFACES[asset.kind],
        "blades": (),
        "asked_sides": (),
    }
    rows = [Row(ref=ref, kind=RowKind.COVERAGE, label=f"{name}, all", values=summary, cites=cites)]
    values: dict[str, Value]
    towers = covered.towers(session, flight.flight_id)
    if towers is not None and (seen := line_towers.tally(towers)):
        values = {"asset": name, "towers": str(seen)}
        rows.append(Row(ref=f"{ref}.1", kind=RowKind.COVERAGE, label=f"{name}, towers", values=values, cites=cites))
    if missed:
        said = "; ".join(str(gap) for gap in missed[:_MOST_GAPS])
        more = f"; and {len(missed) - _MOST_GAPS} more" if len(missed) > _MOST_GAPS else ""
        values = {"asset": name, "gaps": said + more}
        label = f"{name}, gaps"
        rows.append(Row(ref=f"{ref}.{len(rows)}", kind=RowKind.COVERAGE, label=label, values=values, cites=cites))
    if beyond := covered.beyond(session, flight.flight_id):
        values = {"asset": name, "beyond": "; ".join(beyond[:_MOST_GAPS])}
        label = f"{name}, not looked at"
        rows.append(Row(ref=f"{ref}.{len(rows)}", kind=RowKind.COVERAGE, label=label, values=values, cites=cites))
    return rows


def _flights(session: Session, query: CoverageQuery, table: type[Coverage | PartCoverage]) -> list[Flight]:
    """Return flights that saw anything, newest first."""
    looked = select(table.flight_id).where(table.flight_id == Flight.flight_id).exists()
    when = flight_time()
    statement = select(Flight).where(looked).order_by(when.desc()).limit(MAX_FLIGHTS)
    if query.asset_ids:
        statement = statement.where(Flight.asset_id.in_(query.asset_ids))
    if query.flight_ids:
        statement = statement.where(Flight.flight_id.in_(query.flight_ids))
    if query.period and query.period.start:
        statement = statement.where(when >= query.period.start)
    if query.period and query.period.end:
        statement = statement.where(when < query.period.end)
    return list(session.scalars(statement))


def _asset_rows(session: Session, ref: str, query: CoverageQuery, asset: Asset, flights: list[Flight]) -> list[Row]:
    cites = (*(flight_citation(f.flight_id) for f in flights[:5]), asset_citation(asset))
    said = query.period.says if query.period else None
    name: dict[str, Value] = {"asset": plain(asset.name), "period": said, "flights": len(flights)}
    if not flights:
        return [Row(ref=ref, kind=RowKind.ASSET, label=plain(asset.name), values=name | {"seen": False}, cites=cites)]
    cells = _cells(session, query, [f.flight_id for f in flights])
    length = math.ceil(float(asset.geometry.get("blade_length_m", 25.0)))
    sides = [(b, s) for b in (query.blades or Blade) for s in (query.sides or BladeSide)]
    per_side = [(b, s, gaps(cells.get((b.value, s.value), set()), length)) for b, s in sides]
    unseen = sum(gap.end_m - gap.start_m for *_, found in per_side for gap in found)
    whole = length * len(sides)
    summary = name | {
        "seen": True,
        "flight_at": flights[0].started_at or flights[0].created_at,
        "unseen_m": unseen,
        "seen_m": whole - unseen,
        "whole_m": whole,
        "seen_percent": 100 * (whole - unseen) / whole,
        "rule_percent": 100 * query.seen_share,
        "sides": len(sides),
        "surface": "blade sides",
        "blades": tuple(b.value for b in query.blades),
        "asked_sides": tuple(side_label(s) for s in query.sides),
        "unseen_sides": sum(1 for *_, found in per_side if found),
    }
    rows = [Row(ref=ref, kind=RowKind.COVERAGE, label=f"{plain(asset.name)}, all", values=summary, cites=cites)]
    for blade, side, found in per_side:
        if found:
            rows.append(_side_row(f"{ref}.{len(rows)}", summary, cites_of=rows[0], place=(blade, side), found=found))
    return rows


def _side_row(
    ref: str, summary: dict[str, Value], *, cites_of: Row, place: tuple[Blade, BladeSide], found: list[Gap]
) -> Row:
    blade, side = place
    ranges = ", ".join(f"{g.start_m}–{g.end_m} m" for g in found)
    values: dict[str, Value] = {
        "asset": summary["asset"],
        "blade": blade.value,
        "side": side_label(side),
        "ranges": ranges,
        "unseen_m": sum(g.end_m - g.start_m for g in found),
        "length_m": int(str(summary["whole_m"])) // int(str(summary["sides"])),
    }
    label = f"{summary['asset']}, blade {blade.value}, {side_label(side)}"
    return Row(ref=ref, kind=RowKind.COVERAGE, label=label, values=values, cites=cites_of.cites)


def _cells(session: Session, query: CoverageQuery, flight_ids: list[str]) -> dict[tuple[str, str], set[int]]:
    """Return the cells seen by any of the flights, per (blade, side)."""
    statement = (
        select(Coverage.blade, Coverage.side, Coverage.cell)
        .where(Coverage.flight_id.in_(flight_ids))
        .group_by(Coverage.blade, Coverage.side, Coverage.cell)
        .having(func.max(Coverage.seen_share) >= query.seen_share)
    )
    found: dict[tuple[str, str], set[int]] = {}
    for blade, side, cell in session.execute(statement):
        found.setdefault((blade, side), set()).add(cell)
    return found
