"""What changed since a final report was fetched: whoever signed it is told, finding by finding.

Each fetch of a final report keeps, for who fetched it, what it said of each finding. What is compared is what a reader
acts on: kind, place, size, severity, what is to be done and by when, and whether it stands. Tickets go on after
a report is signed, and are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import places
from cloud.reporting.facts import InspectionReport
from cloud.tables import FinalReport, Finding
from contracts.geo import Frozen
from contracts.vocabulary import FindingStatus

GONE, ADDED = "gone", "added"
"""Said in place of what changed where a finding stands no more, or stood not yet."""


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
    said = {"told": {row.finding_id: _told(row) for row in rows}, "fetched_at": datetime.now(UTC)}
    new = insert(FinalReport).values(flight_id=report.subject.flight_id, fetched_by=by, **said)
    session.execute(new.on_conflict_do_update(index_elements=["flight_id", "fetched_by"], set_=said))


def since(session: Session, flights: Iterable[str]) -> dict[str, list[Since]]:
    """Return the final reports of some flights that are not true any more, by flight, the newest first."""
    kept = session.scalars(
        select(FinalReport)
        .where(FinalReport.flight_id.in_(set(flights)))
        .order_by(FinalReport.fetched_at.desc(), FinalReport.fetched_by)
    ).all()
    now = _standing(session, {one.flight_id for one in kept})
    found: dict[str, list[Since]] = {}
    for one in kept:
        if changed := _changed(one.told, now.get(one.flight_id, {})):
            said = Since(flight_id=one.flight_id, fetched_by=one.fetched_by, fetched_at=one.fetched_at, changed=changed)
            found.setdefault(one.flight_id, []).append(said)
    return found


def of_reader(reports: Iterable[Since], reader: str) -> Since | None:
    """Return the report that a reader fetched herself, else the newest; None without any."""
    found = list(reports)
    return next((one for one in found if one.fetched_by == reader), found[0] if found else None)


def _standing(session: Session, flights: set[str]) -> dict[str, dict[str, dict[str, Any]]]:
    made: dict[str, dict[str, dict[str, Any]]] = {}
    terms = (Finding.flight_id.in_(flights), Finding.status != FindingStatus.REJECTED.value)
    for row in session.scalars(select(Finding).where(*terms)):
        made.setdefault(row.flight_id, {})[row.finding_id] = _told(row)
    return made


def _told(row: Finding) -> dict[str, Any]:
    return {
        "number": row.number,
        "kind": row.kind,
        "place": places.where(row),
        "size": f"{row.length_mm:.0f} × {row.width_mm:.0f} mm",
        "severity": row.severity_rank,
        "action": row.action,
        "due": row.due_at.astimezone(UTC).isoformat() if row.due_at else None,
        "status": row.status,
    }


def _changed(then: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> tuple[Changed, ...]:
    found = []
    for finding_id in {**then, **now}:
        was, is_ = then.get(finding_id), now.get(finding_id)
        what = _between(was, is_)
        if what:
            number = (was or is_ or {}).get("number", 0)
            found.append(Changed(finding_id=finding_id, number=number, what=what))
    return tuple(sorted(found, key=lambda one: one.number))


def _between(was: Mapping[str, Any] | None, is_: Mapping[str, Any] | None) -> tuple[str, ...]:
    if was is None or is_ is None:
        return (ADDED,) if was is None else (GONE,)
    return tuple(name for name in was if was[name] != is_.get(name))
