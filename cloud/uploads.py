"""What a drone still has to send: its inventory against what arrived, and the order to send some of it first."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import audit
from cloud.db import notify
from cloud.tables import Flight, InventoryRow, Media, Outgoing
from contracts.errors import InvalidInput, NotFound
from contracts.media import FlightInventory, UploadOrder
from contracts.topics import UPLOAD_ORDERS


class Progress(NamedTuple):
    """How far a flight's video has come."""

    recorded_segments: int
    arrived_segments: int
    recorded_bytes: int
    arrived_bytes: int
    recording: bool
    missing: list[int]
    """Indices recorded and not arrived."""


def record_inventory(session: Session, inventory: FlightInventory) -> None:
    """Record what a flight has on board; an older inventory that arrives late changes nothing.

    Raises:
        NotFound: The flight is unknown.
        InvalidInput: It is another drone's flight.

    """
    flight = session.get(Flight, inventory.flight_id)
    if flight is None:
        raise NotFound(f"Flight {inventory.flight_id!r} is unknown.")
    if flight.drone_id != inventory.drone_id:
        raise InvalidInput(f"Flight {inventory.flight_id} is not one of drone {inventory.drone_id}.")
    values: dict[str, Any] = {
        "segments": len(inventory.segments),
        "size_bytes": sum(entry.size_bytes for entry in inventory.segments),
        "complete": inventory.complete,
        "entries": [[entry.index, entry.size_bytes] for entry in inventory.segments],
        "told_at": func.now(),
    }
    added = insert(InventoryRow).values(flight_id=inventory.flight_id, **values)
    grown = (InventoryRow.segments < values["segments"]) | (InventoryRow.complete != inventory.complete)
    session.execute(added.on_conflict_do_update(index_elements=["flight_id"], set_=values, where=grown))
    notify(session, "flight", inventory.flight_id)


def progress(session: Session, flight_id: str) -> Progress:
    """Return how far a flight's video has come.

    Raises:
        NotFound: The flight is unknown.

    """
    if session.get(Flight, flight_id) is None:
        raise NotFound(f"No flight {flight_id!r}.")
    rows = session.execute(select(Media.index, Media.size_bytes).where(Media.flight_id == flight_id))
    arrived = {int(index): int(size) for index, size in rows}
    row = session.get(InventoryRow, flight_id)
    recorded = {int(index): int(size) for index, size in row.entries} if row is not None else dict(arrived)
    return Progress(
        recorded_segments=len(recorded),
        arrived_segments=len(arrived),
        recorded_bytes=sum(recorded.values()),
        arrived_bytes=sum(arrived.values()),
        recording=row is not None and not row.complete,
        missing=sorted(set(recorded) - set(arrived)),
    )


def order(session: Session, flight_id: str, segments: list[int], *, by: str) -> UploadOrder:
    """Ask the flight's drone to send these segments first; what has arrived already is left out.

    Raises:
        NotFound: The flight is unknown.
        InvalidInput: A segment is not one the flight recorded.

    """
    there = progress(session, flight_id)
    row = session.get(InventoryRow, flight_id)
    known = {int(index) for index, _ in row.entries} if row is not None else set(segments)
    if strangers := sorted(set(segments) - known):
        raise InvalidInput(f"Flight {flight_id} recorded no segment {strangers[0]}.", field="segments")
    missing = set(there.missing) if row is not None else set(segments)
    wanted = UploadOrder(flight_id=flight_id, segments=tuple(index for index in segments if index in missing))
    drone_id = session.get_one(Flight, flight_id).drone_id
    session.add(Outgoing(drone_id=drone_id, topic=UPLOAD_ORDERS.of(drone_id), payload=wanted.model_dump(mode="json")))
    audit.record(session, by, "upload.order", flight_id, after={"segments": list(wanted.segments)})
    return wanted
