"""What webhooks can be told of, and the message about it: the thing as it is when the message is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, get_args

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from cloud.reporting import signed
from cloud.tables import Base, Change, CommandRow, Drone, Finding, Flight, Media, Ticket

PING: Final = "ping"
_SOURCES: dict[str, tuple[type[Base], str]] = {
    "flight": (Flight, "/v1/flights/{}"),
    "command": (CommandRow, "/v1/commands/{}"),
    "media": (Media, "/v1/media/{}"),
    "finding": (Finding, "/v1/findings/{}"),
    "ticket": (Ticket, "/v1/tickets"),
    "drone": (Drone, "/v1/drones/{}"),
    "report": (Flight, "/v1/flights/{}/report/changes"),
}
EventName = Literal[
    "flight.changed",
    "command.changed",
    "media.changed",
    "finding.changed",
    "ticket.changed",
    "drone.changed",
    "report.changed",
]
"""Of each kind of source."""
KINDS: Final[tuple[str, ...]] = get_args(EventName)
_HIDDEN = frozenset({"params", "camera"})


class Event(NamedTuple):
    """A change, ready to be told. ``rank`` is a finding's severity, 1 least to 5 most serious."""

    name: str
    body: str
    rank: int | None


def of_change(session: Session, change: Change) -> Event | None:
    """Return the event of a change; None for changes that webhooks are not told of."""
    source = _SOURCES.get(change.kind)
    if source is None:
        return None
    table, path = source
    row = session.get(table, change.object_id)
    data = _data(session, change, row) if row is not None else None
    name = f"{change.kind}.changed"
    message = {
        "id": f"evt-{change.id}",
        "type": name,
        "at": change.at.isoformat(),
        "object": {"kind": change.kind, "id": change.object_id, "path": path.format(change.object_id)},
        "data": data,
    }
    rank = row.severity_rank if isinstance(row, Finding) else None
    return Event(name, json.dumps(message, default=_plain), rank)


def ping(webhook_id: str) -> Event:
    """Return the test message."""
    message = {"id": f"ping-{webhook_id}", "type": PING, "at": datetime.now(UTC).isoformat(), "object": None}
    return Event(PING, json.dumps(message | {"data": {"webhook_id": webhook_id}}), None)


def _data(session: Session, change: Change, row: Base) -> dict[str, Any]:
    if change.kind != "report":
        return _columns(row)
    untrue = signed.since(session, [change.object_id]).get(change.object_id, [])
    return {"flight_id": change.object_id, "untrue": [report.model_dump(mode="json") for report in untrue]}


def _columns(row: Base) -> dict[str, Any]:
    names = [column.key for column in inspect(type(row)).column_attrs]
    return {name: getattr(row, name) for name in names if name not in _HIDDEN}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
