"""The morning's digest: what happened on a day and what waits for people, in a few lines, from rows only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cloud.alerts.rota import Rota
from cloud.alerts.rounds import Channel, channel_of
from cloud.logbook import log
from cloud.tables import Alert, Base, Finding, Flight, Ticket, TicketDecision, WorkflowRun
from contracts.errors import InvalidInput, PlatformError, Unavailable

Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]


class Digest(NamedTuple):
    """One day in words. ``happened`` counts what is worth a message."""

    happened: int
    subject: str
    text: str


def day_of(subject: str) -> date:
    """Return the day a digest is about.

    Raises:
        InvalidInput: Not a date such as 2026-11-20.

    """
    try:
        return date.fromisoformat(subject)
    except ValueError as error:
        raise InvalidInput(f"{subject!r} is no day.", hint="Give 2026-11-20.", field="subject") from error


def gather(session: Session, day: date) -> Digest:
    """Return what happened on a day (UTC), and what still waits."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    until = since + timedelta(days=1)
    lines = {
        "inspections ended": _between(session, Flight, Flight.completed_at, since, until),
        "findings": _between(session, Finding, Finding.first_recorded_at, since, until),
        "tickets opened": _between(session, Ticket, Ticket.opened_at, since, until),
        "tickets closed": _between(session, Ticket, Ticket.completed_at, since, until),
        "decisions waiting for a person": _with(session, TicketDecision, TicketDecision.state == "waiting"),
        "alerts nobody answered": _with(session, Alert, Alert.state == "unanswered"),
        "failed runs to resume": _failed(session),
        "tickets that lack something": _with(session, Ticket, Ticket.care_error != ""),
    }
    told = [f"{count} {what}" for what, count in lines.items() if count]
    text = "\n".join(f"- {line}" for line in told) or "- nothing"
    return Digest(sum(lines.values()), f"Kestrel, {day}: {len(told)} things", f"{day} (UTC)\n{text}\n")


def send(channels: Mapping[str, Channel], rota: Rota, day: date, digest: Digest) -> int:
    """Send a digest to everyone of the rota's last step; returns to how many. Again has the same key.

    Raises:
        Unavailable: A channel does not answer; the others were sent to, and will be again.

    """
    sent, silent = 0, None
    for recipient in rota.recipients(len(rota.steps) - 1, datetime.now(UTC)):
        try:
            key = f"daily-{day}-{recipient.person}"
            channel_of(channels, recipient.channel).send(recipient.address, digest.subject, digest.text, key)
            sent += 1
        except Unavailable as error:
            silent = error
        except PlatformError as error:
            log("digest_refused", person=recipient.person, channel=recipient.channel, error=str(error))
    if silent is not None:
        raise silent
    return sent


def _between(session: Session, table: type[Base], column: Moment, since: datetime, until: datetime) -> int:
    return _with(session, table, (column >= since) & (column < until))


def _with(session: Session, table: type[Base], condition: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0


def _failed(session: Session) -> int:
    """Return how many failed runs nobody has resumed."""
    later = aliased(WorkflowRun)
    of_finding = later.finding_id.is_not(None) & (later.finding_id == WorkflowRun.finding_id)
    same = of_finding | (later.subject == WorkflowRun.subject) & (later.machine == WorkflowRun.machine)
    resumed = select(later).where(same, later.created_at > WorkflowRun.created_at).exists()
    return _with(session, WorkflowRun, (WorkflowRun.state == "failed") & ~resumed)
