"""Webhooks as people keep them: added, changed, their secret rotated, tested, their messages sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from cloud import audit
from cloud.tables import Delivery, Webhook
from cloud.webhooks import events, signatures, targets
from cloud.webhooks.events import Event
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.ids import mint

OVERLAP = timedelta(hours=24)
"""For how long the secret before the present one signs too."""


def webhook(session: Session, webhook_id: str, *, lock: bool = False) -> Webhook:
    """Return a webhook; NotFound when there is none."""
    row = session.get(Webhook, webhook_id, with_for_update=lock or None)
    if row is None:
        raise NotFound(f"No webhook {webhook_id!r}.", hint="List them with GET /v1/webhooks.")
    return row


def create(  # noqa: PLR0913 - a webhook's parts, all by name
    session: Session,
    by: str,
    *,
    name: str,
    url: str,
    events: list[str],
    min_rank: int | None,
    private: bool,
    sites: frozenset[str] | None = None,
) -> Webhook:
    """Keep a webhook; InvalidInput when it cannot lead there."""
    targets.check(url, private=private)
    row = Webhook(
        webhook_id=mint("whk"),
        name=name,
        url=url,
        events=sorted(set(events)),
        min_rank=min_rank,
        secret=signatures.new_secret(),
        created_by=by,
        sites=None if sites is None else sorted(sites),
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(session, by, "webhook.create", row.webhook_id, after={"url": url, "events": row.events})
    return row


def switch(session: Session, webhook_id: str, by: str, *, enabled: bool) -> Webhook:
    """Stop telling an address, or begin again; what waits meanwhile stays waiting."""
    row = webhook(session, webhook_id, lock=True)
    if row.enabled != enabled:
        audit.record(session, by, "webhook.switch", webhook_id, after={"enabled": enabled})
        row.enabled, row.failing_since = enabled, None
        row.disabled_reason = "" if enabled else f"Switched off by {by}."
    return row


def rotate(session: Session, webhook_id: str, by: str) -> Webhook:
    """Give a webhook a new secret; the old one signs too for ``OVERLAP``."""
    row = webhook(session, webhook_id, lock=True)
    row.old_secret, row.old_secret_until = row.secret, datetime.now(UTC) + OVERLAP
    row.secret = signatures.new_secret()
    audit.record(session, by, "webhook.rotate", webhook_id)
    return row


def remove(session: Session, webhook_id: str, by: str) -> None:
    """Forget a webhook and its deliveries."""
    row = webhook(session, webhook_id, lock=True)
    audit.record(session, by, "webhook.delete", webhook_id, before={"url": row.url, "events": row.events})
    session.delete(row)


def secrets_in_force(row: Webhook, now: datetime) -> list[str]:
    """Return the secrets that sign now, the present one first."""
    overlaps = row.old_secret is not None and row.old_secret_until is not None and now < row.old_secret_until
    return [row.secret, *([row.old_secret] if overlaps and row.old_secret else [])]


def enqueue(session: Session, row: Webhook, event: Event) -> Delivery:
    """Put a message for a webhook into its outbox."""
    made = Delivery(delivery_id=mint("dlv"), webhook_id=row.webhook_id, event=event.name, body=event.body)
    session.add(made)
    session.flush()
    session.refresh(made)
    return made


def ping(session: Session, webhook_id: str) -> Delivery:
    """Put a test message into a webhook's outbox; Conflict while it is switched off."""
    row = webhook(session, webhook_id)
    if not row.enabled:
        raise Conflict(f"The webhook is off: {row.disabled_reason}", hint="Switch it on first.")
    return enqueue(session, row, events.ping(webhook_id))


def replay(session: Session, webhook_id: str, delivery_id: str, by: str) -> Delivery:
    """Send a message again, the same bytes under the same event id, as a new delivery.

    Raises:
        NotFound: No such delivery of this webhook.
        InvalidInput: It is on its way still.

    """
    row = session.get(Delivery, delivery_id)
    if row is None or row.webhook_id != webhook_id:
        raise NotFound(f"No delivery {delivery_id!r} of this webhook.")
    if row.state == "pending":
        raise InvalidInput(f"{delivery_id} is on its way still.", hint="Wait for its outcome.", field="delivery_id")
    audit.record(session, by, "webhook.replay", webhook_id, after={"delivery_id": delivery_id})
    return enqueue(session, webhook(session, webhook_id), Event(row.event, row.body, None))
