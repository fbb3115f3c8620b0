"""Imported captures as flights that Kestrel did not fly, and first looks, which are shown and never graded."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud.db import notify
from cloud.logbook import log
from cloud.tables import Asset, CaptureRow, Drone, FirstLookRow, Flight, Outgoing
from contracts.captures import Capture, PhotoRecord, capture_key
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.events import SegmentVerified
from contracts.first_look import FirstLook, crop_key, record_key
from contracts.ids import segment_id
from contracts.topics import VERIFIED
from contracts.vocabulary import FlightState

IMPORTED = "import"
"""What stands as the plan of a flight that was not planned here."""


def record_capture(session: Session, capture: Capture) -> None:
    """Record a capture and the flight it stands for; again changes nothing.

    Raises:
        NotFound: Its drone or asset is not registered.
        Conflict: Its id belongs to another drone's or asset's capture.

    """
    _require_known(session, capture)
    flight = {
        "flight_id": capture.capture_id,
        "asset_id": capture.asset_id,
        "drone_id": capture.drone_id,
        "plan_id": IMPORTED,
        "plan_version": 0,
        "route_hash": "",
        "state": FlightState.LANDED.value,
        "created_by": IMPORTED,
        "started_at": capture.started_at,
        "landed_at": capture.ended_at,
        "expected_segments": 0 if capture.photos else None,
    }
    session.execute(insert(Flight).values(**flight).on_conflict_do_nothing(index_elements=["flight_id"]))
    row = session.get_one(Flight, capture.capture_id, with_for_update=True, populate_existing=True)
    if (row.drone_id, row.asset_id) != (capture.drone_id, capture.asset_id):
        raise Conflict(f"{capture.capture_id} is recorded for drone {row.drone_id} and asset {row.asset_id}.")
    values = {
        "flight_id": capture.capture_id,
        "asset_id": capture.asset_id,
        "drone_id": capture.drone_id,
        "kind": capture.kind.value,
        "source_name": capture.source_name,
        "record_key": capture_key(capture.drone_id, capture.capture_id),
        "photos": len(capture.photos),
        "record": capture.model_dump(mode="json"),
    }
    session.execute(insert(CaptureRow).values(**values).on_conflict_do_nothing(index_elements=["flight_id"]))
    notify(session, "flight", capture.capture_id)
    log("capture_stored", capture_id=capture.capture_id, kind=capture.kind, photos=len(capture.photos))


def vouch_for(session: Session, capture: Capture, photo: PhotoRecord) -> None:
    """Tell a drone that a photo is stored as it was sent, so that it may free the space."""
    said = SegmentVerified(segment_id=segment_id(capture.capture_id, photo.index), sha256=photo.sha256)
    topic = VERIFIED.of(capture.drone_id)
    session.add(Outgoing(drone_id=capture.drone_id, topic=topic, payload=said.model_dump(mode="json")))


def record_first_look(session: Session, look: FirstLook) -> None:
    """Record a first look; again changes nothing.

    Raises:
        NotFound: The flight is unknown.
        InvalidInput: The flight is another drone's or another asset's.

    """
    flight = session.get(Flight, look.flight_id)
    if flight is None:
        raise NotFound(f"The first look {look.look_id} is of flight {look.flight_id!r}, which is unknown.")
    if (flight.drone_id, flight.asset_id) != (look.drone_id, look.asset_id):
        raise InvalidInput(f"The first look {look.look_id} names another drone or asset than its flight.")
    values = {
        "flight_id": look.flight_id,
        "look_id": look.look_id,
        "asset_id": look.asset_id,
        "drone_id": look.drone_id,
        "t_us": look.t_us,
        "captured_at": look.captured_at,
        "kind": look.kind.value,
        "confidence": look.confidence,
        "crop_key": crop_key(look.drone_id, look.flight_id, look.look_id),
        "record_key": record_key(look.drone_id, look.flight_id, look.look_id),
        "record": look.model_dump(mode="json"),
    }
    stored = insert(FirstLookRow).values(**values).on_conflict_do_nothing(index_elements=["flight_id", "look_id"])
    session.execute(stored)
    notify(session, "flight", look.flight_id)
    log("first_look_stored", flight_id=look.flight_id, look_id=look.look_id, kind=look.kind)


def _require_known(session: Session, capture: Capture) -> None:
    for table, name, value in ((Drone, "drone", capture.drone_id), (Asset, "asset", capture.asset_id)):
        if session.get(table, value) is None:
            hint = f"Register the {name}, then replay the dead letter."
            raise NotFound(f"{capture.capture_id} is of {name} {value!r}, which is unknown.", hint=hint)
