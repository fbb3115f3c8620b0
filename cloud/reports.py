"""What drones report beside telemetry (events, acks, presence): stored once each, then applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import drone_life, fleet, flights
from cloud.db import notify_all
from cloud.logbook import log
from cloud.tables import DroneEventRow
from contracts.commands import AckBatch, CommandAck
from contracts.events import DroneEvent, EventBatch
from contracts.telemetry import DroneStatus, Stream

_PRESENT = text("""
WITH told AS (
  SELECT d.drone_id, t.boot_id, t.online, t.heard_at, t.version FROM drones d
  JOIN unnest(
    CAST(:drones AS text[]), CAST(:boots AS text[]), CAST(:onlines AS boolean[]), CAST(:heard AS timestamptz[]),
    CAST(:versions AS text[])
  ) AS t(drone_id, boot_id, online, heard_at, version) ON t.drone_id = d.drone_id
  ORDER BY d.drone_id FOR UPDATE OF d
)
UPDATE drones d SET online = told.online,
  boot_id = CASE WHEN told.online THEN told.boot_id ELSE d.boot_id END,
  agent_version = CASE WHEN told.online THEN told.version ELSE d.agent_version END,
  last_seen_at = CASE WHEN told.online THEN greatest(told.heard_at, d.last_seen_at) ELSE d.last_seen_at END
FROM told WHERE d.drone_id = told.drone_id AND (told.online OR d.boot_id IS NULL OR d.boot_id = told.boot_id)
RETURNING d.drone_id
""")
_SEEN = text("""
WITH heard AS (
  SELECT d.drone_id, h.boot_id FROM drones d
  JOIN unnest(CAST(:drones AS text[]), CAST(:boots AS text[])) AS h(drone_id, boot_id) ON h.drone_id = d.drone_id
  ORDER BY d.drone_id FOR UPDATE OF d
)
UPDATE drones d SET last_seen_at = clock_timestamp(), online = true, boot_id = heard.boot_id
FROM heard WHERE d.drone_id = heard.drone_id
""")


def store_events(session: Session, batch: EventBatch) -> int:
    """Store and apply events; return how many were new."""
    rows = [_row(batch.drone_id, batch.boot_id, Stream.EVENTS, event, event.kind.value) for event in batch.events]
    new = _insert(session, rows)
    for event in sorted(batch.events, key=lambda item: item.seq):
        if event.seq in new:
            flights.on_drone_event(session, batch.drone_id, event)
            drone_life.on_drone_event(session, batch.drone_id, event)
    return len(new)


def store_acks(session: Session, batch: AckBatch) -> int:
    """Store and apply command reports; return how many were new."""
    rows = [_row(batch.drone_id, batch.boot_id, Stream.ACKS, ack, ack.state.value) for ack in batch.acks]
    new = _insert(session, rows)
    for ack in sorted(batch.acks, key=lambda item: item.seq):
        if ack.seq in new and fleet.on_ack(session, batch.drone_id, ack) is None:
            log("ack_of_unknown_command", drone_id=batch.drone_id, command_id=ack.command_id)
    return len(new)


def _row(drone_id: str, boot_id: str, stream: Stream, item: DroneEvent | CommandAck, kind: str) -> dict[str, Any]:
    return {
        "drone_id": drone_id,
        "boot_id": boot_id,
        "stream": stream.value,
        "seq": item.seq,
        "kind": kind,
        "at": item.at,
        "flight_id": getattr(item, "flight_id", None),
        "body": item.model_dump(mode="json"),
    }


def _insert(session: Session, rows: list[dict[str, Any]]) -> set[int]:
    statement = insert(DroneEventRow).values(rows).on_conflict_do_nothing().returning(DroneEventRow.seq)
    return set(session.execute(statement).scalars())


def store_statuses(session: Session, statuses: Sequence[DroneStatus]) -> None:
    """Apply presence, in order. The last will of an earlier boot does not hide the present one.

    After a storm a thousand drones come at once: they are taken together, each drone once in a round.
    """
    waiting = list(statuses)
    while waiting:
        turn = {status.drone_id: status for status in reversed(waiting)}
        waiting = [status for status in waiting if turn[status.drone_id] is not status]
        _store_turn(session, [turn[drone_id] for drone_id in sorted(turn)])


def _store_turn(session: Session, statuses: Sequence[DroneStatus]) -> None:
    now = datetime.now(UTC)
    values = {
        "drones": [status.drone_id for status in statuses],
        "boots": [status.boot_id for status in statuses],
        "onlines": [status.online for status in statuses],
        "heard": [min(status.at, now) for status in statuses],
        "versions": [status.agent_version for status in statuses],
    }
    told = {status.drone_id: status for status in statuses}
    changed = sorted(session.scalars(_PRESENT, values))
    for drone_id in changed:
        event = "drone_online" if told[drone_id].online else "drone_offline"
        log(event, drone_id=drone_id, boot_id=told[drone_id].boot_id)
    notify_all(session, "drone", changed)


def seen(session: Session, heard: Sequence[tuple[str, str]]) -> None:
    """Note that drones (drone id, boot id) were heard just now: one statement, rows locked in one order."""
    if heard:
        session.execute(_SEEN, {"drones": [drone_id for drone_id, _ in heard], "boots": [boot for _, boot in heard]})
