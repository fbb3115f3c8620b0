"""A flight's log: what its drone measured and reported and what it was told, in one order of time, as a stream."""

from __future__ import annotations

import csv
import heapq
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.tables import CommandRow, DroneEventRow, Telemetry
from cloud.telemetry_store import past
from cloud.telemetry_store.past import Shelf

LogFormat = Literal["jsonl", "csv"]
MEDIA_TYPES: dict[LogFormat, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv"}
_AT_ONCE = 1000
_MEASURED = ("state", "lat_deg", "lon_deg", "alt_m", "alt_rel_m", "yaw_deg", "battery_percent", "gps_fix", "wind_mps")
COLUMNS = ("at", "source", "what", *_MEASURED, "waypoint", "detail")


class Entry(NamedTuple):
    """One line. ``source``: telemetry, event or command."""

    at: datetime
    source: str
    what: str
    body: dict[str, Any]


def lines(opening: AbstractContextManager[Session], shelf: Shelf, flight_id: str, form: LogFormat) -> Iterator[str]:
    """Yield the log's lines, oldest first; holds a thousand samples in memory, of an archived flight its own."""
    write = _csv_writer() if form == "csv" else _json_line
    if form == "csv":
        yield ",".join(COLUMNS) + "\r\n"
    with opening as session:
        for entry in heapq.merge(
            _telemetry(session, shelf, flight_id),
            _events(session, flight_id),
            _commands(session, flight_id),
            key=_when,
        ):
            yield write(entry)


def _when(entry: Entry) -> datetime:
    return entry.at


def _telemetry(session: Session, shelf: Shelf, flight_id: str) -> Iterator[Entry]:
    names = (*_MEASURED, "seq", "boot_id", "waypoint")
    columns = [getattr(Telemetry, name) for name in names]
    query = select(Telemetry.captured_at, *columns).where(Telemetry.flight_id == flight_id)
    rows = session.execute(query.order_by(Telemetry.captured_at).execution_options(yield_per=_AT_ONCE))
    present = (Entry(at, "telemetry", "sample", dict(zip(names, values, strict=True))) for at, *values in rows)
    old = past.of_flight(session, shelf, flight_id)
    archived = (Entry(row.captured_at, "telemetry", "sample", {n: getattr(row, n) for n in names}) for row in old)
    yield from heapq.merge(archived, present, key=_when)


def _events(session: Session, flight_id: str) -> Iterator[Entry]:
    query = select(DroneEventRow).where(DroneEventRow.flight_id == flight_id).order_by(DroneEventRow.at)
    for row in session.scalars(query.execution_options(yield_per=_AT_ONCE)):
        yield Entry(row.at, "event", row.kind, row.body)


def _commands(session: Session, flight_id: str) -> Iterator[Entry]:
    query = select(CommandRow).where(CommandRow.flight_id == flight_id).order_by(CommandRow.issued_at)
    for row in session.scalars(query):
        body = {name: getattr(row, name) for name in ("command_id", "issuer", "state", "code", "detail", "seq")}
        yield Entry(row.issued_at, "command", row.kind, body)


def _json_line(entry: Entry) -> str:
    body = {"at": entry.at.isoformat(), "source": entry.source, "what": entry.what, **entry.body}
    return json.dumps(body, default=str) + "\n"


def _csv_writer() -> Callable[[Entry], str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def write(entry: Entry) -> str:
        buffer.seek(0)
        buffer.truncate()
        detail = _plain(str(entry.body.get("detail", "")))
        measured = [entry.body.get(name, "") if entry.source == "telemetry" else "" for name in _MEASURED]
        waypoint = entry.body.get("waypoint")
        writer.writerow([entry.at.isoformat(), entry.source, entry.what, *measured, waypoint, detail])
        return buffer.getvalue()

    return write


def _plain(text: str) -> str:
    """Keep a spreadsheet from running what a drone wrote."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text
