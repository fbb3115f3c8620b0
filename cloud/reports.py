"""What drones report beside telemetry (events, acks, presence): stored once each, then applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import drone_life, fleet, flights
from cloud.db import notify
from cloud.logbook import log
from cloud.tables import Drone, DroneEventRow
from contracts.commands import AckBatch, CommandAck
from contracts.events import DroneEvent, EventBatch
from contracts.telemetry import DroneStatus, Stream


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


def seen(session: Session, drone_id: str, boot_id: str) -> None:
    """Note that a drone was heard just now."""
    session.execute(
        update(Drone)
        .where(Drone.drone_id == drone_id)
        .values(last_seen_at=func.clock_timestamp(), online=True, boot_id=boot_id)
    )
