"""What changed since a final report was fetched: whoever signed it is told, finding by finding.

Each fetch of a final report keeps, for who fetched it, what it said of each finding. What is compared is what a reader
acts on: kind, place, size, severity, what is to be done and by when, and whether it stands. It is kept as data, as fine
as a report prints it, so that other words for the same place or grade change nothing. Tickets go on after a report is
signed, and are not compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import places
from cloud.tables import FinalReport, Finding, ReportMessage
from contracts.geo import Frozen
from contracts.places import ChainagePlace, LineTowerPlace, PartPlace, SpanPlace, TowerPlace, hour_of
from contracts.vocabulary import FindingStatus

if TYPE_CHECKING:  # webhooks read what changed, and need nothing that gathers a report
    from cloud.reporting.facts import InspectionReport

Told = dict[str, Any]
"""What a report says of one finding, by name."""

GONE, ADDED = "gone", "added"
"""Said in place of what changed where a finding stands no more, or stood not yet."""
IN_WORDS = "in_words"
"""Names, among what is said now, the words by which records of before 0036 are compared; no record keeps them."""

WORDS = {
    GONE: "stands no more",
    ADDED: "was not in it",
    "action": "what is to be done",
    "due": "due date",
    "status": "state",
}
"""What changed, in words where its name is none."""


class Changed(Frozen):
    """A finding that is not as a final report had it: what changed, by name; ``gone`` or ``added`` alone."""

    finding_id: str
    number: int
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"F-{self.number}: {', '.join(WORDS.get(name, name) for name in self.what)}"


class Since(Frozen):
    """A final report that somebody fetched, and what changed since; never empty."""

    flight_id: str
    fetched_by: str
    fetched_at: datetime
    changed: tuple[Changed, ...]


def keep(session: Session, report: InspectionReport, by: str) -> None:
    """Keep what a final report says for who fetches it; of a draft, nothing."""
    if not report.final:
        return
    ids = [finding.finding_id for finding in report.findings]
    rows = session.scalars(select(Finding).where(Finding.finding_id.in_(ids)))
    told = {row.finding_id: _told(row) for row in rows}
    said = {"told": told, "heard": {}, "fetched_at": datetime.now(UTC)}
    whose = {"flight_id": report.subject.flight_id, "fetched_by": by}
    new = insert(FinalReport).values(**whose, **said)
    session.execute(new.on_conflict_do_update(index_elements=list(whose), set_=said))
    session.execute(delete(ReportMessage).filter_by(**whose).where(ReportMessage.sent_at.is_(None)))


def since(session: Session, flights: Iterable[str]) -> dict[str, list[Since]]:
    """Return the final reports of some flights that are not true any more, by flight, the newest first."""
    kept = session.scalars(
        select(FinalReport)
        .where(FinalReport.flight_id.in_(set(flights)))
        .order_by(FinalReport.fetched_at.desc(), FinalReport.fetched_by)
    ).all()
    now = standing(session, {one.flight_id for one in kept})
    found: dict[str, list[Since]] = {}
    for one in kept:
        if changed := between(one.told, now.get(one.flight_id, {})):
            said = Since(flight_id=one.flight_id, fetched_by=one.fetched_by, fetched_at=one.fetched_at, changed=changed)
            found.setdefault(one.flight_id, []).append(said)
    return found


def of_reader(reports: Iterable[Since], reader: str) -> Since | None:
    """Return the report that a reader fetched herself, else the newest; None without any."""
    found = list(reports)
    return next((one for one in found if one.fetched_by == reader), found[0] if found else None)


def standing(session: Session, flights: Collection[str]) -> dict[str, dict[str, Told]]:
    """Return what the reports of some flights say now: flight -> finding -> what is said of it."""
    made: dict[str, dict[str, Told]] = {}
    terms = (Finding.flight_id.in_(flights), Finding.status != FindingStatus.REJECTED.value)
    for row in session.scalars(select(Finding).where(*terms)):
        made.setdefault(row.flight_id, {})[row.finding_id] = _told(row) | {IN_WORDS: _worded(row)}
    return made


def between(then: Mapping[str, Told], now: Mapping[str, Told]) -> tuple[Changed, ...]:
    """Return which findings are said otherwise now than then, by number."""
    found = []
    for finding_id in {**then, **now}:
        was, is_ = then.get(finding_id), now.get(finding_id)
        if what := _differs(was, is_):
            number = (was or is_ or {}).get("number", 0)
            found.append(Changed(finding_id=finding_id, number=number, what=what))
    return tuple(sorted(found, key=lambda one: one.number))


def _told(row: Finding) -> Told:
    return {
        "number": row.number,
        "kind": row.kind,
        "place": _place(row),
        "size": [round(row.length_mm), round(row.width_mm)],
        "severity": row.severity_rank,
        "action": row.action,
        "due": row.due_at.astimezone(UTC).isoformat() if row.due_at else None,
        "status": row.status,
    }


def _worded(row: Finding) -> dict[str, str]:
    """Return what records of before 0036 hold as words."""
    return {"place": places.where(row), "size": f"{row.length_mm:.0f} × {row.width_mm:.0f} mm"}


def _place(row: Finding) -> list[str | int | float | None]:
    if row.blade is not None and row.distance_to_root_m is not None:
        return ["blade", row.blade, row.side, round(row.distance_to_root_m, 1)]
    there = places.part_place(row)
    if there is not None:
        return _part(there)
    known = row.lat_deg is not None and row.lon_deg is not None
    return ["nowhere", round(row.lat_deg or 0.0, 5), round(row.lon_deg or 0.0, 5)] if known else ["unknown"]


def _part(there: PartPlace) -> list[str | int | float | None]:
    match there:
        case TowerPlace():
            return ["tower", there.face, round(there.height_m, 1)]
        case SpanPlace():
            return ["span", there.span, round(there.distance_m, 1)]
        case LineTowerPlace():
            return ["line tower", there.tower, round(there.height_m, 1)]
        case ChainagePlace():
            beside = round(there.offset_m, 1) if there.clock_h is None else f"{hour_of(there.clock_h)} h"
            return ["pipe", round(there.chainage_m, 1), beside]


def _differs(was: Told | None, is_: Told | None) -> tuple[str, ...]:
    if was is None or is_ is None:
        return (ADDED,) if was is None else (GONE,)
    now = is_ | {name: words for name, words in is_[IN_WORDS].items() if isinstance(was[name], str)}
    return tuple(name for name, said in now.items() if name in was and was[name] != said)
