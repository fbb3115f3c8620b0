"""Rounds of messages: what is due goes out, a storm becomes one digest, and nobody answering makes the next round due.

A crash between a channel's answer and our commit sends a message again, under the same key; never not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.alerts.book import CLOSED, OPEN, UNANSWERED
from cloud.alerts.rota import Recipient, Rota
from cloud.logbook import log
from cloud.tables import Alert, AlertMessage, Finding
from contracts.errors import PlatformError, Unavailable
from contracts.vocabulary import FindingStatus

AT_ONCE = 200
_AGAIN = timedelta(minutes=1)
_OVER = (FindingStatus.REJECTED.value, FindingStatus.REPAIRED.value)
_LISTED = 50


class Channel(Protocol):
    """A way to reach people."""

    def send(self, address: str, subject: str, text: str, key: str) -> str:
        """Send one message and return its id; ``key`` is equal for a message that is sent again.

        Raises:
            Unavailable: It does not answer; ask again.
            InvalidInput: It will never take this message for this address.

        """


class Message(NamedTuple):
    """One message about one alert or many."""

    subject: str
    text: str
    key: str


def send_due(session: Session, channels: Mapping[str, Channel], rota: Rota, now: datetime) -> Counter[str]:
    """Send every round that is due; returns what was done."""
    done: Counter[str] = Counter()
    due = session.scalars(
        select(Alert)
        .where(Alert.state == OPEN, Alert.next_at <= now)
        .order_by(Alert.created_at, Alert.alert_id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    going = [alert for alert in due if not _waits(session, alert, rota, now, done)]
    for alert in going:
        alert.error = ""
    late: dict[str, datetime] = {}
    for recipient, alerts in _addressed(session, going, rota, now).items():
        late |= _tell(session, channels, rota, recipient, alerts, now, done)
    for alert in going:
        _go_on(alert, rota, now, late.get(alert.alert_id))
    session.flush()
    return +done


def _waits(session: Session, alert: Alert, rota: Rota, now: datetime, done: Counter[str]) -> bool:
    """Return whether an alert sends nothing now: it is over, given up, or must not disturb."""
    finding = session.get(Finding, alert.finding_id)
    if finding is None or finding.status in _OVER:
        alert.state, alert.next_at = CLOSED, None
        done["alerts_closed"] += 1
    elif now > alert.created_at + timedelta(hours=rota.give_up_h):
        alert.state, alert.next_at = UNANSWERED, None
        done["alerts_unanswered"] += 1
        log("alert_unanswered", alert_id=alert.alert_id, finding_id=alert.finding_id)
    elif (quiet := rota.quiet_until(alert.rank, now)) is not None:
        alert.next_at = quiet
        done["alerts_quiet"] += 1
    else:
        return False
    return True


def _addressed(session: Session, alerts: Sequence[Alert], rota: Rota, now: datetime) -> dict[Recipient, list[Alert]]:
    """Return for each recipient the alerts whose present round has not reached them."""
    told = {
        (m.alert_id, m.round, m.channel, m.address)
        for m in session.scalars(
            select(AlertMessage).where(AlertMessage.alert_id.in_([alert.alert_id for alert in alerts]))
        )
    }
    found: dict[Recipient, list[Alert]] = {}
    for alert in alerts:
        for recipient in rota.recipients(alert.round, now):
            if (alert.alert_id, alert.round, recipient.channel, recipient.address) not in told:
                found.setdefault(recipient, []).append(alert)
    return found


def _tell(  # noqa: PLR0913, PLR0917 - one round's whole state
    session: Session,
    channels: Mapping[str, Channel],
    rota: Rota,
    recipient: Recipient,
    alerts: list[Alert],
    now: datetime,
    done: Counter[str],
) -> dict[str, datetime]:
    """Send a recipient their alerts; returns those that must wait, and until when."""
    within = timedelta(minutes=rota.digest.within_min)
    sent, last_digest = _lately(session, recipient, now - within)
    if sent + len(alerts) <= rota.digest.more_than:
        late: dict[str, datetime] = {}
        for alert in alerts:
            message = Message(alert.subject, alert.body, f"{alert.alert_id}-{alert.round}")
            late |= _sent(session, channels, recipient, [alert], message, now, done, digest=False)
        return late
    if last_digest is not None:
        return {alert.alert_id: last_digest + within for alert in alerts}
    return _sent(session, channels, recipient, alerts, digest_of(alerts), now, done, digest=True)


def _lately(session: Session, recipient: Recipient, since: datetime) -> tuple[int, datetime | None]:
    """Return how many messages an address got since, and when the last digest among them."""
    mine = select(AlertMessage).where(
        AlertMessage.channel == recipient.channel,
        AlertMessage.address == recipient.address,
        AlertMessage.sent_at > since,
        AlertMessage.error == "",
    )
    rows = mine.subquery()
    count = session.scalar(select(func.count(rows.c.message_id.distinct()))) or 0
    last = session.scalar(select(func.max(rows.c.sent_at)).where(rows.c.digest))
    return count, last


def digest_of(alerts: Sequence[Alert]) -> Message:
    """Return one message for many alerts, the worst first."""
    ordered = sorted(alerts, key=lambda alert: (-alert.rank, alert.created_at, alert.alert_id))
    lines = [f"- {alert.subject}" for alert in ordered[:_LISTED]]
    if len(ordered) > _LISTED:
        lines.append(f"and {len(ordered) - _LISTED} more.")
    key = f"digest-{ordered[0].alert_id}-{len(ordered)}-{ordered[0].round}"
    return Message(f"{len(ordered)} critical findings", "\n".join(lines) + "\n", key)


def _sent(  # noqa: PLR0913, PLR0917 - one message's whole state
    session: Session,
    channels: Mapping[str, Channel],
    recipient: Recipient,
    alerts: Sequence[Alert],
    message: Message,
    now: datetime,
    done: Counter[str],
    *,
    digest: bool,
) -> dict[str, datetime]:
    said, message_id = "", ""
    try:
        channel = channel_of(channels, recipient.channel)
        message_id = channel.send(recipient.address, message.subject, message.text, message.key)
        done["messages_sent"] += 1
    except Unavailable as error:
        for alert in alerts:
            alert.error = str(error)[:400]
        log("alert_delayed", channel=recipient.channel, person=recipient.person, error=str(error))
        return {alert.alert_id: now + _AGAIN for alert in alerts}
    except PlatformError as error:
        said = str(error)[:400]
        done["messages_refused"] += 1
        log("alert_refused", channel=recipient.channel, person=recipient.person, error=said)
    for alert in alerts:
        alert.error = said or alert.error
        session.add(
            AlertMessage(
                alert_id=alert.alert_id,
                round=alert.round,
                person=recipient.person,
                channel=recipient.channel,
                address=recipient.address,
                message_id=message_id,
                digest=digest,
                error=said,
                sent_at=now,
            )
        )
    session.flush()
    return {}


def channel_of(channels: Mapping[str, Channel], name: str) -> Channel:
    """Return a channel by the rota's name for it.

    Raises:
        Unavailable: It is not configured.

    """
    if name not in channels:
        raise Unavailable(f"The rota uses {name}, which is not configured.", hint="For e-mail, set CLOUD_SMTP_HOST.")
    return channels[name]


def _go_on(alert: Alert, rota: Rota, now: datetime, late: datetime | None) -> None:
    if late is not None:
        alert.next_at = late
        return
    pause = rota.pause(alert.round)
    alert.round += 1
    alert.next_at = None if pause is None else now + pause
