"""Messages and objects that could not be handled, with the reason, for a person to see and to replay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import audit
from cloud.logbook import log
from cloud.tables import DeadLetter
from contracts.errors import Conflict, NotFound
from contracts.resources import QUEUES

PAYLOAD_MAX = 4000


class Outlet(Protocol):
    """Where a replayed message goes."""

    def send(self, queue: str, body: str) -> None:
        """Send one message to a queue by name."""


def bury(session: Session, source: str, key: str, reason: str, payload: str) -> None:
    """Keep what could not be handled; the same thing again replaces its reason."""
    values = {"reason": reason[:2000], "payload": payload[:PAYLOAD_MAX], "at": datetime.now(UTC), "replayed_at": None}
    added = insert(DeadLetter).values(source=source, key=key, **values)
    session.execute(added.on_conflict_do_update(index_elements=["source", "key"], set_=values))
    log("dead_letter", source=source, key=key, reason=reason[:400])


def is_buried(session: Session, source: str, key: str) -> bool:
    """Return whether this failed and nobody has replayed it since."""
    found = select(DeadLetter.id).where(
        DeadLetter.source == source, DeadLetter.key == key, DeadLetter.replayed_at.is_(None)
    )
    return session.scalar(found) is not None


def replay(session: Session, outlet: Outlet, letter_id: int, *, by: str) -> DeadLetter:
    """Send a dead letter to its queue again.

    Raises:
        NotFound: No such letter.
        Conflict: It did not come from a queue, or its payload was too long to keep whole.
        Unavailable: The queue does not answer.

    """
    letter = session.get(DeadLetter, letter_id, with_for_update=True)
    if letter is None:
        raise NotFound(f"No dead letter {letter_id}.")
    if letter.source not in QUEUES:
        raise Conflict(
            f"A dead letter from {letter.source} has no queue to go back to.", hint="Its sender must resend."
        )
    if len(letter.payload) >= PAYLOAD_MAX:
        raise Conflict("The payload was cut when it was kept; it cannot be sent again.", hint="Store the object again.")
    outlet.send(letter.source, letter.payload)
    letter.replayed_at = datetime.now(UTC)
    audit.record(session, by, "dead_letter.replay", str(letter_id), after={"source": letter.source, "key": letter.key})
    return letter
