"""What changed, read in an order in which nothing comes in between later: for streams that resume."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import Session

from cloud.db import Database
from cloud.tables import Base, Change, CommandRow, Drone, Finding, Flight, Media, Ticket
from contracts.errors import InvalidInput

_SETTLED = text("changes.xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
"""Below the oldest running transaction: every change there is will be, is there."""

_KEPT = 64
"""Pages in memory, the newest: streams stand at different places, and see different sites."""
SUBJECTS: Final[dict[str, type[Base]]] = {
    "flight": Flight,
    "command": CommandRow,
    "media": Media,
    "finding": Finding,
    "ticket": Ticket,
    "drone": Drone,
    "telemetry": Drone,
    "report": Flight,
}
"""What a change of a kind is about."""


class Position(NamedTuple):
    """A place in the order of changes; as text it is an SSE event's id."""

    xact: int
    number: int

    def __str__(self) -> str:
        return f"{self.xact}-{self.number}"


def parse(value: str) -> Position:
    """Return the position of an event id; InvalidInput for anything else."""
    xact, dash, number = value.partition("-")
    if not (dash and xact.isascii() and xact.isdigit() and number.isascii() and number.isdigit() and len(value) <= 37):
        raise InvalidInput("This is not the id of an event.", hint="Leave it out to begin now.", field="Last-Event-ID")
    if max(int(xact), int(number)) >= 2**63:
        raise InvalidInput("This is not the id of an event.", hint="Leave it out to begin now.", field="Last-Event-ID")
    return Position(int(xact), int(number))


def newest(session: Session) -> Position:
    """Return where a stream that begins now begins."""
    order = (Change.xact.desc(), Change.id.desc())
    first = session.execute(select(Change.xact, Change.id).where(_SETTLED).order_by(*order).limit(1)).first()
    return Position(first.xact, first.id) if first else Position(0, 0)


def after(session: Session, position: Position, limit: int) -> list[Change]:
    """Return the settled changes behind a position, in order."""
    behind = tuple_(Change.xact, Change.id) > tuple_(position.xact, position.number)
    query = select(Change).where(_SETTLED, behind).order_by(Change.xact, Change.id).limit(limit)
    return list(session.scalars(query))


def waiting(session: Session, position: Position) -> int:
    """Return how many changes lie behind a position."""
    behind = tuple_(Change.xact, Change.id) > tuple_(position.xact, position.number)
    return session.scalar(select(func.count()).select_from(Change).where(behind)) or 0


class Pulse:
    """How far changes have come, asked of the database once for all the streams of a process.

    Two hundred streams that ask for themselves four times a second are eight hundred queries a second for nothing new.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._newest = Position(0, 0)

    def known(self, within_s: float) -> Position | None:
        """Return the newest settled position if it was asked for less than ``within_s`` ago."""
        return self._newest if time.monotonic() - self._asked_s < within_s else None

    def newest(self, database: Database, within_s: float) -> Position:
        """Return the newest settled position, asked for less than ``within_s`` ago."""
        with self._lock:
            if self.known(within_s) is None:
                asked_s = time.monotonic()
                with database.session() as session:
                    self._newest = newest(session)
                self._asked_s = asked_s
            return self._newest


class Pages:
    """Pages of changes that streams at the same place read together, in one event loop.

    An event wakes two hundred streams at once: their two hundred sessions hold up everybody else for a second. A page
    that could not be read is read again; a stream that goes away does not break it off for the others.
    """

    def __init__(self) -> None:
        self._read: OrderedDict[Hashable, asyncio.Task[Sequence[Change]]] = OrderedDict()

    async def get(self, place: Hashable, read: Callable[[], Coroutine[Any, Any, Sequence[Change]]]) -> Sequence[Change]:
        """Return what ``read`` gives, or gave to another stream at this place; ``place`` holds all it depends on."""
        if place not in self._read:
            self._read[place] = asyncio.create_task(read())
            if len(self._read) > _KEPT:
                self._read.popitem(last=False)
        try:
            return await asyncio.shield(self._read[place])
        except Exception:
            self._read.pop(place, None)
            raise


def concerns(session: Session, kind: str, object_id: str) -> bool:
    """Return whether a change is about something that this session's asker may see."""
    subject = SUBJECTS.get(kind)
    return subject is not None and session.get(subject, object_id) is not None
