"""Alerts as rows: raised once for a finding, ended by whoever answers first."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.logbook import log
from cloud.tables import Alert
from contracts.errors import Conflict, NotFound
from contracts.ids import mint

OPEN, ACKNOWLEDGED, CLOSED, UNANSWERED = "open", "acknowledged", "closed", "unanswered"
_ENDED = "alert.acknowledge"


def raise_alert(
    session: Session, finding_id: str, rank: int, subject: str, text: str, now: datetime | None = None
) -> Alert:
    """Store an alert whose first round is due at once."""
    now = now or datetime.now(UTC)
    alert = Alert(
        alert_id=mint("alt"),
        finding_id=finding_id,
        rank=rank,
        subject=" ".join(subject.split()),
        body=text,
        state=OPEN,
        round=0,
        created_at=now,
        next_at=now,
        error="",
    )
    session.add(alert)
    session.flush()
    log("alert_raised", alert_id=alert.alert_id, finding_id=finding_id, rank=rank)
    return alert


def acknowledge(session: Session, alert_id: str, by: str) -> Alert:
    """End the escalation; the first who answers stands, a second answer changes nothing.

    Raises:
        NotFound: No such alert.
        Conflict: Nothing is left to answer: what it was about is closed.

    """
    alert = session.get(Alert, alert_id, with_for_update=True)
    if alert is None:
        raise NotFound(f"No alert {alert_id!r}.", hint="List them with GET /v1/alerts?state=open.")
    if alert.state == CLOSED:
        raise Conflict(f"The alert {alert_id} is closed.", hint="Its finding was rejected, repaired or merged.")
    if alert.state in (OPEN, UNANSWERED):
        _acknowledge(session, alert, by)
    return alert


def settle(session: Session, finding_id: str, by: str) -> None:
    """Let a review of the finding answer its alert."""
    query = select(Alert).where(Alert.finding_id == finding_id, Alert.state.in_((OPEN, UNANSWERED)))
    for alert in session.scalars(query.with_for_update()):
        _acknowledge(session, alert, by)


def _acknowledge(session: Session, alert: Alert, by: str) -> None:
    before = {"state": alert.state}
    alert.state, alert.acknowledged_by, alert.acknowledged_at = ACKNOWLEDGED, by, datetime.now(UTC)
    alert.next_at = None
    audit.record(session, by, _ENDED, alert.alert_id, before=before, after={"state": ACKNOWLEDGED})
    log("alert_acknowledged", alert_id=alert.alert_id, by=by)
