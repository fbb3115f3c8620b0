"""What the page says of findings: cards, the sheet of one, tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import tickets as ticketing
from cloud.history.comparison import best_evidence
from cloud.tables import Asset, EvidenceRow, Finding, Flight, Media, Notification, Summary, Ticket, WorkflowRun
from cloud.web.link_question import Question, question
from contracts.errors import NotFound
from contracts.vocabulary import FindingStatus

MAX_CARDS = 200
MAX_TICKETS = 50


class Card(NamedTuple):
    """A finding in the list."""

    finding: Finding
    asset_name: str
    ticket: Ticket | None
    run: WorkflowRun | None
    evidence_id: str | None

    @property
    def frame_to_ticket_s(self) -> float | None:
        """Return the seconds from the frame to the ticket's number."""
        return waited_s(self.finding, self.ticket)


class Cards(NamedTuple):
    """Findings, most serious first, and how many unreviewed ones there are per severity rank."""

    cards: tuple[Card, ...]
    total: int
    unreviewed: dict[int, int]
    rank: int | None
    flight_id: str | None


class Sheet(NamedTuple):
    """Everything about one finding."""

    card: Card
    flight: Flight
    evidence: tuple[EvidenceRow, ...]
    segments: dict[str, Media]
    summary: Summary | None
    summary_lines: tuple[dict[str, Any], ...]
    notified_at: datetime | None
    others: tuple[Finding, ...]
    question: Question | None


def waited_s(finding: Finding, ticket: Ticket | None) -> float | None:
    """Return the seconds from the frame to the ticket's number; None without one, or where another sight opened it."""
    if ticket is None or ticket.number is None or ticket.opened_at is None or ticket.finding_id != finding.finding_id:
        return None
    return (ticket.opened_at - finding.detected_at).total_seconds()


def cards(session: Session, flight_id: str | None, rank: int | None = None) -> Cards:
    """Return the findings of a flight, or of all when there is none, that no person rejected."""
    terms = [Finding.status != FindingStatus.REJECTED.value]
    if flight_id is not None:
        terms.append(Finding.flight_id == flight_id)
    counts = select(Finding.severity_rank, func.count(), func.count().filter(Finding.reviewed_at.is_(None)))
    per_rank = session.execute(counts.where(*terms).group_by(Finding.severity_rank)).all()
    shown = terms if rank is None else [*terms, Finding.severity_rank == rank]
    found = session.execute(
        _joined()
        .where(*shown)
        .order_by(Finding.severity_rank.desc(), func.greatest(Finding.length_mm, Finding.width_mm).desc())
        .limit(MAX_CARDS)
    ).all()
    best = best_evidence(session, [row[0].finding_id for row in found])
    return Cards(
        cards=tuple(Card(f, name, ticket, run, best.get(f.finding_id)) for f, name, ticket, run in found),
        total=sum(count for _, count, _ in per_rank),
        unreviewed={rank_: open_ for rank_, _, open_ in per_rank},
        rank=rank,
        flight_id=flight_id,
    )


def _joined() -> Any:
    return (
        select(Finding, Asset.name, Ticket, WorkflowRun)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .outerjoin(Ticket, Ticket.finding_id == Finding.finding_id)
        .outerjoin(WorkflowRun, WorkflowRun.finding_id == Finding.finding_id)
    )


def sheet(session: Session, finding_id: str) -> Sheet:
    """Return everything about a finding.

    Raises:
        NotFound: No such finding.

    """
    found = session.execute(_joined().where(Finding.finding_id == finding_id)).first()
    if found is None:
        raise NotFound(f"There is no finding {finding_id!r}.", hint="It may have been merged into another one.")
    finding, name, ticket, run = found
    ticket = ticket or ticketing.of_defect(session, finding)
    evidence = session.scalars(
        select(EvidenceRow)
        .where(EvidenceRow.finding_id == finding_id)
        .order_by((EvidenceRow.frame_key == "").asc(), EvidenceRow.confidence.desc(), EvidenceRow.evidence_id)
        .limit(20)
    ).all()
    segments = session.scalars(select(Media).where(Media.segment_id.in_({e.segment_id for e in evidence})))
    summary = session.get(Summary, finding_id)
    told = select(func.min(Notification.sent_at)).where(Notification.finding_id == finding_id)
    return Sheet(
        card=Card(finding, name, ticket, run, best_evidence(session, [finding_id]).get(finding_id)),
        flight=session.get_one(Flight, finding.flight_id),
        evidence=tuple(evidence),
        segments={m.segment_id: m for m in segments},
        summary=summary,
        summary_lines=_lines(session, summary),
        notified_at=session.scalar(told),
        others=others(session, finding),
        question=question(session, finding),
    )


def _lines(session: Session, summary: Summary | None) -> tuple[dict[str, Any], ...]:
    """Return the summary's sentences with the numbers of the findings they cite."""
    if summary is None:
        return ()
    cited = {c for line in summary.sentences for c in line["citations"]}
    named = session.execute(select(Finding.finding_id, Finding.number).where(Finding.finding_id.in_(cited)))
    numbers = {finding_id: number for finding_id, number in named}  # noqa: C416
    return tuple(
        {"text": line["text"], "citations": [(c, numbers[c]) for c in line["citations"] if c in numbers]}
        for line in summary.sentences
    )


def others(session: Session, finding: Finding, *, earlier: bool = False) -> tuple[Finding, ...]:
    """Return the same defect in other inspections, or only in earlier ones, newest first; none that was rejected."""
    same = select(Finding).where(
        Finding.link_group == finding.link_group,
        Finding.finding_id != finding.finding_id,
        Finding.status != FindingStatus.REJECTED.value,
    )
    if earlier:
        same = same.where(Finding.detected_at < finding.detected_at)
    return tuple(session.scalars(same.order_by(Finding.detected_at.desc()).limit(5)))


def tickets(session: Session, flight_id: str | None) -> tuple[Card, ...]:
    """Return findings that have a ticket or want one, newest first."""
    statement = _joined().where((Ticket.ticket_id.is_not(None)) | (WorkflowRun.execution_name.is_not(None)))
    if flight_id is not None:
        statement = statement.where(Finding.flight_id == flight_id)
    rows = session.execute(
        statement.order_by(Finding.first_recorded_at.desc(), Finding.number.desc()).limit(MAX_TICKETS)
    )
    return tuple(Card(f, name, ticket, run, None) for f, name, ticket, run in rows)
