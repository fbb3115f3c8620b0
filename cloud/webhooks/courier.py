"""The daemon that tells webhooks: changes become deliveries, deliveries are sent until they arrive or are given up.

At least once: a delivery is claimed for a minute and committed before it is sent. Killed in between, it is sent again
after that minute, with the same bytes and the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.changes import concerns
from cloud.db import Database
from cloud.logbook import log
from cloud.tables import Change, Delivery, Webhook
from cloud.webhooks import events, signatures, subscriptions
from contracts.errors import InvalidInput, PlatformError

MAX_ATTEMPTS = 15
GIVEN_UP_AFTER = timedelta(days=3)
_AT_ONCE = 20
_CHANGES_AT_ONCE = 200
_CLAIMED_FOR = timedelta(minutes=1)
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 6 * 3600.0
_CHANGES_KEPT = timedelta(days=7)
_DELIVERIES_KEPT = timedelta(days=30)
_GONE = 410
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Hearer(NamedTuple):
    """Whose eyes a webhook hears with."""

    username: str
    sites: frozenset[str]


class Answer(NamedTuple):
    """What an address answered."""

    status: int
    took_ms: int


class Post(Protocol):
    """Sends a message; raises PlatformError when nothing answers or the address may not be reached."""

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Post ``body`` and return the answer."""


class Errand(NamedTuple):
    """A claimed delivery, all that is needed to send it outside of any transaction."""

    delivery_id: str
    url: str
    headers: dict[str, str]
    body: bytes


def pause_s(attempts: int) -> float:
    """Return the wait after the ``attempts``-th failure: 5 s, 10 s, 20 s ... six hours."""
    return float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** max(0, attempts - 1)))


@dataclass
class Courier:
    """``step`` moves changes to outboxes and sends what is due."""

    database: Database
    post: Post
    _swept_at: datetime = _NEVER

    def step(self, now: datetime | None = None) -> bool | None:
        """Tell and send; None when there is nothing to do."""
        told = self._tell()
        moment = now or datetime.now(UTC)
        errands = self._claim(moment)
        for errand in errands:
            self._send(errand, moment)
        self._sweep(moment)
        return True if told or errands else None

    def _tell(self) -> int:
        """Give each untold change to the webhooks that want it; in one transaction with marking it told."""
        with self.database.session() as session:
            untold = select(Change).where(Change.told.is_(False)).order_by(Change.id).limit(_CHANGES_AT_ONCE)
            changes = session.scalars(untold.with_for_update(skip_locked=True)).all()
            hooks = session.scalars(select(Webhook).where(Webhook.enabled)).all() if changes else []
            for change in changes:
                change.told = True
                wanted = [h for h in hooks if f"{change.kind}.changed" in h.events and self._may_hear(h, change)]
                self._tell_of(session, change, wanted)
            return len(changes)

    def _may_hear(self, hook: Webhook, change: Change) -> bool:
        """Return whether whoever added the webhook might see what changed: the database says so, not this code."""
        if hook.sites is None:
            return True
        with self.database.session_of(Hearer(hook.created_by, frozenset(hook.sites))) as session:
            return concerns(session, change.kind, change.object_id)

    @staticmethod
    def _tell_of(session: Session, change: Change, hooks: list[Webhook]) -> None:
        event = events.of_change(session, change) if hooks else None
        if event is None:
            return
        for hook in hooks:
            if event.rank is None or hook.min_rank is None or event.rank >= hook.min_rank:
                subscriptions.enqueue(session, hook, event)

    def _claim(self, now: datetime) -> list[Errand]:
        with self.database.session() as session:
            due = (
                select(Delivery, Webhook)
                .join(Webhook, Webhook.webhook_id == Delivery.webhook_id)
                .where(Delivery.state == "pending", Delivery.next_at <= now, Webhook.enabled)
                .order_by(Delivery.next_at)
                .limit(_AT_ONCE)
                .with_for_update(skip_locked=True, of=Delivery)
            )
            errands = []
            for delivery, hook in session.execute(due).all():
                delivery.attempts += 1
                delivery.next_at = now + _CLAIMED_FOR
                errands.append(_errand(delivery, hook, now))
            return errands

    def _send(self, errand: Errand, now: datetime) -> None:
        try:
            answer = self.post(errand.url, errand.headers, errand.body)
            error = "" if 200 <= answer.status < 300 else f"It answered {answer.status}."
        except PlatformError as refused:
            answer, error = None, str(refused)
            if isinstance(refused, InvalidInput):
                log("webhook_target_refused", delivery_id=errand.delivery_id, reason=error)
        with self.database.session() as session:
            _settle(session, errand.delivery_id, answer, error, now)

    def _sweep(self, now: datetime) -> None:
        if now - self._swept_at < timedelta(hours=1):
            return
        self._swept_at = now
        with self.database.session() as session:
            session.execute(delete(Change).where(Change.told, Change.at < now - _CHANGES_KEPT))
            old = Delivery.created_at < now - _DELIVERIES_KEPT
            session.execute(delete(Delivery).where(Delivery.state != "pending", old))


def _errand(delivery: Delivery, hook: Webhook, now: datetime) -> Errand:
    body = delivery.body.encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Kestrel-Webhooks/1",
        "Kestrel-Event": delivery.event,
        "Kestrel-Delivery": delivery.delivery_id,
        signatures.HEADER: signatures.sign(subscriptions.secrets_in_force(hook, now), int(now.timestamp()), body),
    }
    return Errand(delivery.delivery_id, hook.url, headers, body)


def _settle(session: Session, delivery_id: str, answer: Answer | None, error: str, now: datetime) -> None:
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None:
        return  # its webhook was removed meanwhile
    hook = session.get_one(Webhook, delivery.webhook_id, with_for_update=True)
    delivery.status, delivery.took_ms = (answer.status, answer.took_ms) if answer else (None, None)
    delivery.error = error[:400]
    if not error:
        delivery.state, delivery.delivered_at, hook.failing_since = "delivered", now, None
        return
    hook.failing_since = hook.failing_since or now
    if delivery.attempts >= MAX_ATTEMPTS:
        delivery.state = "failed"
    delivery.next_at = now + timedelta(seconds=pause_s(delivery.attempts))
    if answer is not None and answer.status == _GONE:
        _disable(hook, "It answered 410 Gone.")
    elif now - hook.failing_since > GIVEN_UP_AFTER:
        _disable(hook, f"Nothing has arrived since {hook.failing_since:%Y-%m-%d %H:%M} UTC. {error}"[:400])


def _disable(hook: Webhook, reason: str) -> None:
    hook.enabled, hook.disabled_reason = False, reason
    log("webhook_disabled", webhook_id=hook.webhook_id, reason=reason)
