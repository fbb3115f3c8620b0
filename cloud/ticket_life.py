"""A notification followed until it is closed: what people do with it in their own system lands here, too.

Closed there: the findings of its defect seen until then are `repaired`. Opened again there: they are what they were.
Cancelled there (deletion flag): the ticket says so and the findings stay open, for a person to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.db import notify
from cloud.logbook import log
from cloud.maintenance import MaintenanceSystem, NotificationState
from cloud.tables import Audit, Finding, Ticket
from contracts.vocabulary import FindingStatus

OPEN, CLOSED, CANCELLED, MISSING = "open", "closed", "cancelled", "missing"
CLOSED_EVERY = timedelta(days=1)
"""Closed notifications are looked at more rarely: some are opened again."""
FORGOTTEN_AFTER = timedelta(days=90)
AT_ONCE = 20
"""Notifications read in one pass: the customer's system is asked a little at a time."""
_CLOSE, _REOPEN = "ticket.close", "ticket.reopen"
_REPAIRED = FindingStatus.REPAIRED.value
_LIVE = (FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)


def due(session: Session, system: str, every: timedelta, now: datetime, most: int = AT_ONCE) -> Sequence[str]:
    """Return the tickets whose state was not read for too long, those waiting longest first."""
    closed = Ticket.status != OPEN
    return session.scalars(
        select(Ticket.ticket_id)
        .where(
            Ticket.system == system,
            Ticket.number.is_not(None),
            or_(
                Ticket.checked_at.is_(None),
                ~closed & (Ticket.checked_at < now - every),
                closed
                & (Ticket.checked_at < now - max(every, CLOSED_EVERY))
                & (Ticket.completed_at.is_(None) | (Ticket.completed_at > now - FORGOTTEN_AFTER)),
            ),
        )
        .order_by(Ticket.checked_at.nulls_first(), Ticket.ticket_id)
        .limit(most)
    ).all()


def read_back(session: Session, system: MaintenanceSystem, ticket_id: str) -> str | None:
    """Read one notification's state and let it land; returns closed, reopened, cancelled, missing or changed.

    Raises:
        Unavailable: The system does not answer; nothing is recorded.
        MaintenanceRejected: It refuses to show the notification.

    """
    ticket = session.get(Ticket, ticket_id, with_for_update=True)
    if ticket is None or ticket.number is None:
        return None
    state = system.read(ticket.number)
    ticket.checked_at = datetime.now(UTC)
    if state is None:
        return _turn(session, ticket, MISSING) if ticket.status != MISSING else None
    changed = (ticket.phase, ticket.order_number) != (state.phase, state.order)
    ticket.phase, ticket.order_number = state.phase, state.order
    if state.status != ticket.status:
        return _landed(session, ticket, state)
    if changed:
        notify(session, "ticket", ticket.ticket_id)
    return "changed" if changed else None


def _landed(session: Session, ticket: Ticket, state: NotificationState) -> str:
    was_closed = ticket.status == CLOSED
    if state.status == CLOSED:
        ticket.completed_at = state.completed_at or ticket.checked_at
    elif state.status == OPEN:
        ticket.completed_at = None
    outcome = _turn(session, ticket, state.status)
    if state.status == CLOSED:
        _repair(session, ticket)
    elif was_closed:
        _reopen(session, ticket)
        return "reopened" if state.status == OPEN else outcome
    return outcome


def _turn(session: Session, ticket: Ticket, status: str) -> str:
    before = {"status": ticket.status}
    ticket.status = status
    after = {"status": status, "phase": ticket.phase}
    audit.record(session, ticket.system, f"ticket.{status}", ticket.ticket_id, before=before, after=after)
    notify(session, "ticket", ticket.ticket_id)
    log("ticket_turned", number=ticket.number, status=status, was=before["status"])
    return status


def _repair(session: Session, ticket: Ticket) -> None:
    """Mark what the notification was about. What was seen after its completion shows that it was not repaired."""
    until = (ticket.completed_at or datetime.now(UTC)).replace(hour=23, minute=59, second=59)
    for finding in _findings(session, ticket, _LIVE):
        if finding.detected_at <= until:
            _set(session, ticket, finding, _CLOSE, _REPAIRED)


def _reopen(session: Session, ticket: Ticket) -> None:
    for finding in _findings(session, ticket, (_REPAIRED,)):
        last = session.scalars(
            select(Audit)
            .where(Audit.object == finding.finding_id, Audit.action.in_((_CLOSE, _REOPEN)))
            .order_by(Audit.id.desc())
            .limit(1)
        ).first()
        if last is not None and last.action == _CLOSE and last.before is not None:
            _set(session, ticket, finding, _REOPEN, str(last.before["status"]))


def _findings(session: Session, ticket: Ticket, statuses: tuple[str, ...]) -> Sequence[Finding]:
    return session.scalars(
        select(Finding)
        .where(
            or_(Finding.link_group == ticket.link_group, Finding.finding_id == ticket.finding_id),
            Finding.status.in_(statuses),
        )
        .order_by(Finding.finding_id)
        .with_for_update()
    ).all()


def _set(session: Session, ticket: Ticket, finding: Finding, action: str, status: str) -> None:
    before = {"status": finding.status}
    finding.status = status
    after = {"status": status, "ticket": ticket.number}
    audit.record(session, ticket.system, action, finding.finding_id, before=before, after=after)
    notify(session, "finding", finding.finding_id)
