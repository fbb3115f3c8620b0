"""The tools ``findings`` and ``count_findings``: rows straight from the tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Date, cast, func, literal_column, select
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Citation, Row, RowKind, Value, plain
from cloud.assistant.tools.fleet_rows import asked_names, flight_label
from cloud.assistant.tools.parameters import (
    CALENDAR,
    CountQuery,
    FindingFilter,
    FindingsQuery,
    GroupBy,
)
from cloud.assistant.tools.selection import GROUP_COLUMNS, ORDERS, Tally, conditions, joined, tallies, tally
from cloud.assistant.words import kind_label, severity_label, side_label
from cloud.places import part_place
from cloud.tables import Asset, Finding, Ticket
from contracts.places import in_words
from contracts.vocabulary import FindingStatus

_PLACE_CHARS = 240
"""Towers of a line may have long names."""


def finding_citation(finding_id: str, number: int) -> Citation:
    """Return the citation of a finding; the page opens its sheet at the address."""
    return Citation(
        kind=RowKind.FINDING, id=finding_id, label=f"F-{number}", href=f"/?finding={finding_id}", number=number
    )


def _finding_row(ref: str, finding: Finding, asset_name: str, ticket: Ticket | None) -> Row:
    values: dict[str, Value] = {
        "number": f"F-{finding.number}",
        "asset": plain(asset_name),
        "kind": kind_label(finding.kind),
        "severity_rank": finding.severity_rank,
        "severity": severity_label(finding.severity_rank),
        "severity_code": plain(finding.severity_code),
        "blade": finding.blade,
        "side": side_label(finding.side) or None,
        "distance_to_root_m": finding.distance_to_root_m,
        "place": None if (there := part_place(finding)) is None else plain(in_words(there), _PLACE_CHARS),
        "length_mm": finding.length_mm,
        "width_mm": finding.width_mm,
        "size_sigma_mm": finding.size_sigma_mm,
        "confidence_percent": 100 * finding.confidence,
        "status": finding.status,
        "reviewed_by": plain(finding.reviewed_by) or None,
        "reason": plain(finding.severity_reason, 300) or None,
        "action": plain(finding.action, 200) or None,
        "detected_at": finding.detected_at,
        "due_at": finding.due_at,
        "lat_deg": finding.lat_deg,
        "lon_deg": finding.lon_deg,
        "ticket": plain(ticket.number) if ticket and ticket.number else None,
        "ticket_wanted": ticket is not None,
    }
    cites = (finding_citation(finding.finding_id, finding.number),)
    return Row(ref=ref, kind=RowKind.FINDING, label=f"F-{finding.number}", values=values, cites=cites)


def findings(session: Session, step: str, query: FindingsQuery) -> list[Row]:
    """Return a count row (how many match, how many rejected ones were left out), then the first findings."""
    terms = conditions(query)
    statement = joined(select(Finding, Asset.name, Ticket), terms).order_by(*ORDERS[query.order]).limit(query.limit)
    rows = [
        _finding_row(f"{step}.{i}", finding, name, ticket)
        for i, (finding, name, ticket) in enumerate(session.execute(statement), 1)
    ]
    return [_total(session, step, query), *rows, *_rejected(session, step, query)]


def _counted(ref: str, label: str, found: Tally, values: dict[str, Value]) -> Row:
    cites = tuple(finding_citation(finding_id, number) for finding_id, number in found.worst)
    worst = severity_label(found.worst_rank) if found.worst_rank else None
    figures: dict[str, Value] = {"total": found.total, "assets": found.assets, "worst_rank": found.worst_rank}
    values = figures | values | {"worst": worst}
    return Row(ref=ref, kind=RowKind.COUNT, label=label, values=values, cites=cites, cited_of=found.total)


def _total(session: Session, step: str, query: FindingFilter) -> Row:
    found = tally(session, conditions(query))
    return _counted(f"{step}.n", "all", found, filter_values(query) | asked_values(session, query))


def asked_values(session: Session, query: FindingFilter) -> dict[str, Value]:
    """Return the names of the sites, assets and flights that were asked for."""
    flown = query.flight_ids
    flights = flight_label(flown[0]) if len(flown) == 1 else f"{len(flown)} flights" if flown else None
    return asked_names(session, query.asset_ids, query.site_ids) | {"flights_asked": flights}


def _rejected(session: Session, step: str, query: FindingFilter) -> list[Row]:
    if query.statuses or query.numbers:
        return []
    terms = [*conditions(query, with_status=False), Finding.status == FindingStatus.REJECTED.value]
    found = tally(session, terms)
    return [_counted(f"{step}.r", "rejected", found, {"status": "rejected"})] if found.total else []


def filter_values(query: FindingFilter) -> dict[str, Value]:
    """Return the filter itself as facts, so that a sentence may repeat it."""
    return {
        "kinds": tuple(kind_label(k) for k in query.kinds),
        "without_kinds": tuple(kind_label(k) for k in query.without_kinds),
        "statuses": tuple(s.value for s in query.statuses),
        "reviewed": query.reviewed,
        "has_ticket": query.has_ticket,
        "blades": tuple(query.blades),
        "sides": tuple(side_label(s) for s in query.sides),
        "min_rank": query.min_rank,
        "max_rank": query.max_rank,
        "severities": tuple(severity_label(r) for r in range(query.min_rank or 1, (query.max_rank or 5) + 1)),
        "min_distance_m": query.min_distance_m,
        "max_distance_m": query.max_distance_m,
        "min_length_mm": query.min_length_mm,
        "max_length_mm": query.max_length_mm,
        "min_width_mm": query.min_width_mm,
        "max_width_mm": query.max_width_mm,
        "period": query.period.says if query.period else None,
    }


def count_findings(session: Session, step: str, query: CountQuery, zone: ZoneInfo) -> list[Row]:
    """Return the whole count first, then one row per group; empty calendar groups in between are rows of 0."""
    total = [_total(session, step, query), *_rejected(session, step, query)]
    if query.group_by is None:
        return total
    if query.group_by in CALENDAR:
        return [*total, *_by_calendar(session, step, query, zone)]
    column = GROUP_COLUMNS[query.group_by]
    by_key = query.group_by is GroupBy.SEVERITY
    found = tallies(session, conditions(query), column, query.limit, by_key=by_key)
    return [*total, *(_group_row(f"{step}.{i}", query, r.key, r) for i, r in enumerate(found, 1))]


def group_label(group: GroupBy | None, key: Any) -> str:
    if key is None:
        return "no known place"
    if group in CALENDAR and isinstance(key, date):
        return f"{key.day} {key:%b %Y}"
    said: dict[GroupBy | None, Callable[[Any], str]] = {
        GroupBy.KIND: kind_label,
        GroupBy.SIDE: side_label,
        GroupBy.BLADE: lambda blade: f"blade {blade}",
        GroupBy.COMPONENT: lambda place: f"blade {place[:1]}, {side_label(place[2:])}",
        GroupBy.SEVERITY: lambda rank: f"severity {rank} ({severity_label(rank)})",
    }
    return said.get(group, plain)(key)


def _group_row(ref: str, query: CountQuery, key: Any, found: Tally) -> Row:
    said = group_label(query.group_by, key)
    extra: dict[str, Value] = {"group": said, **filter_values(query)}
    if query.group_by is GroupBy.KIND:
        extra["kind"] = said
    return _counted(ref, said, found, extra)


def bucket(unit: GroupBy, zone: ZoneInfo) -> Any:
    """Return the first day of each finding's day, week or month, in the asker's zone."""
    local = func.timezone(str(zone), Finding.detected_at)
    return cast(func.date_trunc(literal_column(f"'{unit.value}'"), local), Date)


def _by_calendar(session: Session, step: str, query: CountQuery, zone: ZoneInfo) -> list[Row]:
    unit = query.group_by or GroupBy.DAY
    days = bucket(unit, zone)
    found = {t.key: t for t in tallies(session, conditions(query), days, query.limit, by_key=True)}
    if not found:
        return []
    rows: list[Row] = []
    at, last = min(found), max(found)
    while at <= last:
        midday = at.strftime(f"{at.day} %b %Y")
        said = {GroupBy.WEEK: f"week of {midday}", GroupBy.MONTH: at.strftime("%b %Y")}.get(unit, midday)
        if at in found:
            rows.append(
                _group_row(f"{step}.{len(rows) + 1}", query.model_copy(update={"group_by": unit}), said, found[at])
            )
        else:
            rows.append(Row(ref=f"{step}.{len(rows) + 1}", kind=RowKind.COUNT, label=said, cites=(), cited_of=0,
                            values={"total": 0, "group": said}))  # fmt: skip
        at = _next(at, unit)
    return rows[-query.limit :]


def _next(at: Any, unit: GroupBy) -> Any:
    if unit is GroupBy.MONTH:
        return (at.replace(day=1) + timedelta(days=32)).replace(day=1)
    return at + timedelta(days=7 if unit is GroupBy.WEEK else 1)
