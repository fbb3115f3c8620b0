"""Whether the aircraft of a flight is still heard. One that is not may be on the ground somewhere with no power."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import fleet
from cloud.tables import CommandRow, Drone, DroneEventRow, Flight
from contracts.errors import Conflict
from contracts.events import DroneEventKind
from contracts.vocabulary import IN_THE_AIR, AircraftState, CommandKind, FlightState

GIVEN_UP_AFTER = timedelta(minutes=10)
"""How long an aircraft in the air must have been silent before a person may give its flight up."""
SILENT = frozenset({AircraftState.DISCONNECTED.value, AircraftState.NOT_HEARD.value})
_NOT_BEGUN = (FlightState.PLANNED.value, FlightState.APPROVED.value)
_BEGINS = (CommandKind.TAKE_OFF.value, CommandKind.BEGIN_FLIGHT.value)


class Silence(NamedTuple):
    """Nothing is heard of an aircraft in the air."""

    since: datetime
    sentence: str

    def lasts_long(self, now: datetime) -> bool:
        """Tell whether a person may give the flight up."""
        return now - self.since >= GIVEN_UP_AFTER


def under_way(session: Session, flight: Flight) -> bool:
    """Tell whether a flight is in the air, or a command that takes it there is not over yet."""
    if FlightState(flight.state) in IN_THE_AIR:
        return True
    begins = select(CommandRow.command_id).where(
        CommandRow.flight_id == flight.flight_id, CommandRow.kind.in_(_BEGINS), CommandRow.state.in_(fleet.UNFINISHED)
    )
    return flight.state == FlightState.APPROVED.value and session.scalar(begins.limit(1)) is not None


def silence(session: Session, flight: Flight, now: datetime) -> Silence | None:
    """Return since when an aircraft under way is not heard; None while it is, and of one that is not under way."""
    if not under_way(session, flight):
        return None
    told = session.scalar(
        select(DroneEventRow)
        .where(DroneEventRow.flight_id == flight.flight_id, DroneEventRow.kind == DroneEventKind.STATE_CHANGED.value)
        .order_by(DroneEventRow.at.desc())
        .limit(1)
    )
    if told is not None and told.body.get("state") in SILENT:
        minutes = (now - told.at).total_seconds() / 60
        return Silence(told.at, sentence=f"The drone's autopilot has been silent for {minutes:.0f} min.")
    drone = session.get(Drone, flight.drone_id)
    if drone is None:  # of another site than the reader's
        return None
    heard_at = drone.last_seen_at or flight.started_at or flight.created_at
    if (now - heard_at).total_seconds() <= fleet.ONLINE_WITHIN_S:
        return None
    minutes = (now - heard_at).total_seconds() / 60
    return Silence(heard_at, sentence=f"The drone has not been heard for {minutes:.0f} min.")


def may_be_given_up(session: Session, flight: Flight, quiet: Silence | None, now: datetime) -> bool:
    """Tell whether a flight has not begun, or has been silent for so long that its aircraft is lost."""
    if quiet is not None:
        return quiet.lasts_long(now)
    return flight.state in _NOT_BEGUN and not under_way(session, flight)


def require_lost(session: Session, flight: Flight, now: datetime) -> None:
    """Let pass a flight under way whose aircraft is lost: it may be given up.

    Raises:
        Conflict: Its aircraft is heard, or was within ten minutes.

    """
    quiet = silence(session, flight, now)
    if quiet is None:
        raise Conflict(f"The flight {flight.flight_id} is under way.", hint="Send return_home to a drone in the air.")
    if not quiet.lasts_long(now):
        least_min = GIVEN_UP_AFTER.total_seconds() / 60
        raise Conflict(
            f"{quiet.sentence} Its flight can be given up after {least_min:.0f} min.", hint="Look for the aircraft."
        )
