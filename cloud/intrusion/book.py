"""Security events as rows: one open event per rule and subject, counted while it goes on, closed by a person."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import audit
from cloud.intrusion.rules import SubjectKind, Suspicion
from cloud.logbook import log
from cloud.tables import SecurityEvent
from contracts.errors import NotFound
from contracts.ids import mint

OPEN, CLOSED = "open", "closed"


def report(session: Session, suspicion: Suspicion, now: datetime) -> bool:
    """Open an event, or count it on; returns whether it is new."""
    event_id = mint("sec")
    fresh = {
        "rule": suspicion.rule,
        "subject_kind": suspicion.kind.value,
        "subject": suspicion.subject[:200],
        "summary": suspicion.summary[:400],
        "facts": suspicion.facts,
        "last_at": now,
    }
    statement = insert(SecurityEvent).values(event_id=event_id, first_at=now, state=OPEN, times=1, note="", **fresh)
    again = {name: fresh[name] for name in ("summary", "facts", "last_at")}
    stored = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["rule", "subject_kind", "subject"],
            index_where=SecurityEvent.state == OPEN,
            set_=again | {"times": SecurityEvent.times + 1},
        ).returning(SecurityEvent.event_id)
    )
    if stored != event_id:
        return False
    log("security_event", event_id=event_id, rule=suspicion.rule, subject=suspicion.subject, said=suspicion.summary)
    audit.record(session, "platform", "security.event", event_id, after={"rule": suspicion.rule, **suspicion.facts})
    return True


def settle(session: Session, drone_id: str, by: str, note: str) -> None:
    """Close what is open against a drone that is let in again, so that the next occurrence is a new event."""
    about = SecurityEvent.subject_kind == SubjectKind.DRONE.value, SecurityEvent.subject == drone_id
    for event_id in session.scalars(select(SecurityEvent.event_id).where(SecurityEvent.state == OPEN, *about)).all():
        close(session, event_id, by, note)


def close(session: Session, event_id: str, by: str, note: str) -> SecurityEvent:
    """Close an event with a reason; closed ones stay as they are.

    Raises:
        NotFound: There is no such event.

    """
    row = session.scalar(select(SecurityEvent).where(SecurityEvent.event_id == event_id).with_for_update())
    if row is None:
        raise NotFound(f"No security event {event_id!r}.", hint="List them with GET /v1/security/events.")
    if row.state == OPEN:
        row.state, row.closed_by, row.closed_at, row.note = CLOSED, by, datetime.now(UTC), note
        audit.record(session, by, "security.close", event_id, before={"state": OPEN}, after={"note": note})
    return row
