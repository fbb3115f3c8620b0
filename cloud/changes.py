"""What changed, read in an order in which nothing comes in between later: for streams that resume."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import Session

from cloud.tables import Base, Change, CommandRow, Drone, Finding, Flight, Media, Ticket
from contracts.errors import InvalidInput

_SETTLED = text("changes.xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
"""Below the oldest running transaction: every change there is will be, is there."""

SUBJECTS: Final[dict[str, type[Base]]] = {
    "flight": Flight,
    "command": CommandRow,
    "media": Media,
    "finding": Finding,
    "ticket": Ticket,
    "drone": Drone,
    "telemetry": Drone,
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
    row = session.execute(select(Change.xact, Change.id).where(_SETTLED).order_by(Change.xact.desc(), Change.id.desc()))
    first = row.first()
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


def concerns(session: Session, kind: str, object_id: str) -> bool:
    """Return whether a change is about something that this session's asker may see."""
    subject = SUBJECTS.get(kind)
    return subject is not None and session.get(subject, object_id) is not None
