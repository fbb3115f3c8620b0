"""What drones report beside telemetry (events, acks, presence): stored once each, then applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import drone_life, fleet, flights
from cloud.db import notify
from cloud.logbook import log
from cloud.tables import Drone, DroneEventRow
from contracts.commands import AckBatch, CommandAck
from contracts.events import DroneEvent, EventBatch
from contracts.telemetry import DroneStatus, Stream

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


def store_status(session: Session, status: DroneStatus) -> None:
    """Apply presence. The last will of an earlier boot does not hide the present one."""
    row = session.get(Drone, status.drone_id, with_for_update=True)
    if row is None or (not status.online and row.boot_id not in (None, status.boot_id)):
        return
    row.online = status.online
    if status.online:
        row.boot_id, row.agent_version = status.boot_id, status.agent_version
        heard_at = min(status.at, datetime.now(UTC))
        row.last_seen_at = max(heard_at, row.last_seen_at) if row.last_seen_at else heard_at
    log("drone_online" if status.online else "drone_offline", drone_id=status.drone_id, boot_id=status.boot_id)
    notify(session, "drone", status.drone_id)


def seen(session: Session, heard: Sequence[tuple[str, str]]) -> None:
    """Note that drones (drone id, boot id) were heard just now: one statement, rows locked in one order."""
    if heard:
        session.execute(_SEEN, {"drones": [drone_id for drone_id, _ in heard], "boots": [boot for _, boot in heard]})
