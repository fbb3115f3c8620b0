"""Quarantine of a drone: nothing that flies is started, and its certificate opens nothing.

An aircraft in the air keeps its link, whoever else may hold its key: without it nobody could bring it home. Its
certificate is shut as soon as it is down. Holding, returning and landing are always passed on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.db import Database, notify
from cloud.logbook import log
from cloud.tables import Drone, Flight, Telemetry
from contracts.errors import Conflict, NotFound
from contracts.vocabulary import IN_THE_AIR, AircraftState

_DOWN = [s.value for s in (AircraftState.NOT_HEARD, AircraftState.DISCONNECTED, AircraftState.ON_GROUND)]


class Gate(Protocol):
    """Where drones' certificates are let in."""

    def shut(self, drone_id: str) -> None:
        """Let none of a drone's certificates in any more; again is harmless.

        Raises:
            Unavailable: Try again later.

        """

    def reopen(self, drone_id: str) -> None:
        """Let the certificates that ``shut`` shut in again; again is harmless."""


def impose(session: Session, drone_id: str, by: str, reason: str) -> Drone:
    """Quarantine a drone; one that is quarantined stays so, with its first reason.

    Raises:
        NotFound: There is no such drone.

    """
    row = _locked(session, drone_id)
    if row.quarantined_at is None:
        row.quarantined_at, row.quarantine_reason = datetime.now(UTC), reason
        audit.record(session, by, "drone.quarantine", drone_id, after={"reason": reason})
        log("drone_quarantined", drone_id=drone_id, by=by, reason=reason)
        notify(session, "drone", drone_id)
    return row


def lift(session: Session, drone_id: str, by: str, reason: str) -> Drone:
    """Let a drone work again; ``enforce`` reopens its certificates.

    Raises:
        NotFound: There is no such drone.

    """
    row = _locked(session, drone_id)
    if row.quarantined_at is not None:
        before = {"since": row.quarantined_at.isoformat(), "reason": row.quarantine_reason}
        row.quarantined_at, row.quarantine_reason = None, ""
        audit.record(session, by, "drone.readmit", drone_id, before=before, after={"reason": reason})
        notify(session, "drone", drone_id)
    return row


def _locked(session: Session, drone_id: str) -> Drone:
    row = session.get(Drone, drone_id, with_for_update=True)
    if row is None:
        raise NotFound(f"No drone {drone_id!r} is registered.", hint="List them with GET /v1/drones.")
    return row


def check(drone: Drone) -> None:
    """Let pass a drone that is not quarantined.

    Raises:
        Conflict: It is; the message says since when and why.

    """
    if drone.quarantined_at is not None:
        since = drone.quarantined_at.strftime("%d %b %Y %H:%M UTC")
        raise Conflict(
            f"The drone {drone.drone_id} is quarantined since {since}: {drone.quarantine_reason}",
            hint="Replace its certificate; then an admin ends it with POST /v1/drones/{id}/readmit.",
        )


def enforce(database: Database, gate: Gate | None) -> int:
    """Shut and reopen certificates as the rows say; without a gate the rows alone hold. Returns how many changed.

    Raises:
        Unavailable: The gate does not answer; the rest waits for the next pass.

    """
    if gate is None:
        return 0
    flying = (
        select(Flight)
        .where(Flight.drone_id == Drone.drone_id, Flight.state.in_([s.value for s in IN_THE_AIR]))
        .exists()
    )
    to_shut = select(Drone.drone_id).where(Drone.quarantined_at.is_not(None), Drone.shut_out_at.is_(None), ~flying)
    to_reopen = select(Drone.drone_id).where(Drone.quarantined_at.is_(None), Drone.shut_out_at.is_not(None))
    with database.session() as session:
        shut = [drone_id for drone_id in session.scalars(to_shut) if _is_down(session, drone_id)]
        reopened = list(session.scalars(to_reopen))
    for drone_id in shut:
        gate.shut(drone_id)
        _note(database, drone_id, datetime.now(UTC))
    for drone_id in reopened:
        gate.reopen(drone_id)
        _note(database, drone_id, None)
    return len(shut) + len(reopened)


def _is_down(session: Session, drone_id: str) -> bool:
    """Tell what the drone last said, for an aircraft that was taken off and has not begun its flight."""
    last = select(Telemetry.state).where(Telemetry.drone_id == drone_id).order_by(Telemetry.captured_at.desc()).limit(1)
    said = session.scalar(last)
    return said is None or said in _DOWN


def _note(database: Database, drone_id: str, shut_out_at: datetime | None) -> None:
    with database.session() as session:
        session.get_one(Drone, drone_id, with_for_update=True).shut_out_at = shut_out_at
        action = "certificate.reopen" if shut_out_at is None else "certificate.shut"
        audit.record(session, "platform", action, drone_id)
        notify(session, "drone", drone_id)
