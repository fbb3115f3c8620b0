"""What changed since a final report was fetched: whoever signed it is told, finding by finding.

Each fetch of a final report keeps, for who fetched it, what it said of each finding and of what was not seen. What is
compared is what a reader acts on: kind, place, size, severity, what is to be done and by when, and whether it stands;
which metres were not seen; and whether a person must judge anything again, as of a final report nothing waits. It is
kept as data, as fine as a report prints it, so that other words for the same place or grade change nothing. Tickets go
on after a report is signed, and are not compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import coverage, places
from cloud.coverage import NotSeen
from cloud.language import _
from cloud.reporting import surfaces
from cloud.reporting.surfaces import SurfaceStretch
from cloud.tables import DetectionRow, FinalReport, Finding, Media, ReportMessage
from contracts.geo import Frozen
from contracts.parts import line_tower_of
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

COVERAGE, UNSURE = "coverage", "unsure"
"""Names, among findings, what a reader heard of coverage and of places that wait for a person."""


class Changed(Frozen):
    """A finding that is not as a final report had it: what changed, by name; ``gone`` or ``added`` alone."""

    finding_id: str
    number: int
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"F-{self.number}: {', '.join(in_words(name) for name in self.what)}"


class CoverageChanged(Frozen):
    """How many metres were not seen, as a final report had it and as it is now; None: nothing is known of it."""

    then_m: int | None
    now_m: int | None
    unseen: tuple[SurfaceStretch, ...] = ()
    """Not seen now, though the report says no such thing; the longest first."""
    seen: tuple[SurfaceStretch, ...] = ()
    """Seen now, though the report says that they were not."""

    def __str__(self) -> str:
        where = [_("now not seen: {0}", surfaces.few(self.unseen))] if self.unseen else []
        where += [_("now seen: {0}", surfaces.few(self.seen))] if self.seen else []
        return f"{self._metres()} ({'; '.join(where)})" if where else self._metres()

    def _metres(self) -> str:
        if self.now_m is None:
            return _("Coverage: nothing is known any more of what was seen")
        if self.then_m is None:
            return _("Coverage: {0} m were not seen; of that, nothing was known", self.now_m)
        if self.then_m == self.now_m:
            return _("Coverage: other stretches were not seen, {0} m as before", self.now_m)
        return _("Coverage: {0} m were not seen, the report says {1} m", self.now_m, self.then_m)


class Since(Frozen):
    """A final report that somebody fetched, and what changed since; never empty where it is listed."""

    flight_id: str
    fetched_by: str
    fetched_at: datetime
    changed: tuple[Changed, ...]
    coverage: CoverageChanged | None = None
    """Where other metres were not seen than it says."""
    unsure: int = 0
    """Places that the detector left to a person since, and nobody has judged."""

    @property
    def beside(self) -> tuple[str, ...]:
        """Return what changed beside findings, in the reader's language."""
        one = _("Not sure: the detector leaves 1 place to a person")
        more = _("Not sure: the detector leaves {0} places to a person", self.unsure)
        unsure = (one if self.unsure == 1 else more,) if self.unsure else ()
        return (*((str(self.coverage),) if self.coverage else ()), *unsure)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return all that changed, in the reader's language."""
        return (*map(str, self.changed), *self.beside)


class Standing(NamedTuple):
    """What a report of a flight would say now of all that is compared."""

    findings: Mapping[str, Told]
    coverage: NotSeen
    unsure: int


def in_words(name: str) -> str:
    """Return what of a finding is not as a final report had it, in the reader's language: ``severity``."""
    return {
        GONE: _("stands no more"),
        ADDED: _("was not in it"),
        "kind": _("kind"),
        "place": _("place"),
        "size": _("size"),
        "severity": _("severity"),
        "action": _("what is to be done"),
        "due": _("due date"),
        "status": _("state"),
    }.get(name, name)


def keep(session: Session, report: InspectionReport, by: str, language: str) -> None:
    """Keep what a final report says for who fetches it and reads pages in ``language``; of a draft, nothing."""
    if not report.final:
        return
    ids = [finding.finding_id for finding in report.findings]
    rows = session.scalars(select(Finding).where(Finding.finding_id.in_(ids)))
    told = {row.finding_id: _told(row) for row in rows}
    flight_id = report.subject.flight_id
    seen = coverage.not_seen(session, [flight_id])[flight_id].told
    said = {"told": told, "coverage": seen, "language": language, "heard": {}, "fetched_at": datetime.now(UTC)}
    whose = {"flight_id": flight_id, "fetched_by": by}
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
        if (said := compared(one, now[one.flight_id])).lines:
            found.setdefault(one.flight_id, []).append(said)
    return found


def of_reader(reports: Iterable[Since], reader: str) -> Since | None:
    """Return the report that a reader fetched herself, else the newest; None without any."""
    found = list(reports)
    return next((one for one in found if one.fetched_by == reader), found[0] if found else None)


def standing(session: Session, flights: Collection[str]) -> dict[str, Standing]:
    """Return what the reports of some flights say now, by flight."""
    made: dict[str, dict[str, Told]] = defaultdict(dict)
    terms = (Finding.flight_id.in_(flights), Finding.status != FindingStatus.REJECTED.value)
    for row in session.scalars(select(Finding).where(*terms)):
        made[row.flight_id][row.finding_id] = _told(row) | {IN_WORDS: _worded(row)}
    waiting = _waiting(session, flights)
    seen = coverage.not_seen(session, flights)
    return {one: Standing(made[one], seen[one], waiting.get(one, 0)) for one in seen}


def _waiting(session: Session, flights: Collection[str]) -> dict[str, int]:
    """Return how many places wait for a person, as `cloud.candidates` counts them, by flight; none where none does."""
    held = select(Media.flight_id, func.count()).join(DetectionRow, DetectionRow.segment_id == Media.segment_id)
    held = held.where(DetectionRow.finding_id.is_(None), Media.flight_id.in_(flights)).group_by(Media.flight_id)
    return {row[0]: row[1] for row in session.execute(held)}


def compared(kept: FinalReport, now: Standing) -> Since:
    """Return what is said otherwise now than in a report that was fetched."""
    return Since(
        flight_id=kept.flight_id,
        fetched_by=kept.fetched_by,
        fetched_at=kept.fetched_at,
        changed=between(kept.told, now.findings),
        coverage=_coverage_changed(kept.coverage, now.coverage),
        unsure=now.unsure,
    )


def _coverage_changed(was: Mapping[str, Any], now: NotSeen) -> CoverageChanged | None:
    """Return how a record of what was not seen differs from what is known now; an empty one is of before 0038."""
    if not was or was == now.told:
        return None
    then, is_ = was["gaps"], now.told["gaps"]
    return CoverageChanged(
        then_m=_metres(was),
        now_m=_metres(now.told),
        unseen=surfaces.without(is_, then, now.shape),
        seen=surfaces.without(then, is_, now.shape) if now.told["is_known"] else (),
    )


def heard(since: Since, now: Standing) -> dict[str, Any]:
    """Return what a reader hears of a report that changed, as data: the same again is no news."""
    said: dict[str, Any] = {one.finding_id: _data(now.findings.get(one.finding_id)) for one in since.changed}
    seen = {COVERAGE: now.coverage.told} if since.coverage else {}
    return said | seen | ({UNSURE: now.unsure} if now.unsure else {})


def between(then: Mapping[str, Told], now: Mapping[str, Told]) -> tuple[Changed, ...]:
    """Return which findings are said otherwise now than then, by number."""
    found = []
    for finding_id in {**then, **now}:
        was, is_ = then.get(finding_id), now.get(finding_id)
        if what := _differs(was, is_):
            number = (was or is_ or {}).get("number", 0)
            found.append(Changed(finding_id=finding_id, number=number, what=what))
    return tuple(sorted(found, key=lambda one: one.number))


def _data(told: Told | None) -> Told | None:
    return None if told is None else {name: value for name, value in told.items() if name != IN_WORDS}


def _metres(seen: Mapping[str, Any]) -> int | None:
    """Return the metres that a report counts: those of a line's towers it tells beside them."""
    gaps = [gap for part, gaps in seen["gaps"].items() if line_tower_of(part) is None for gap in gaps]
    return sum(last_m - first_m for first_m, last_m in gaps) if seen["is_known"] else None


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
