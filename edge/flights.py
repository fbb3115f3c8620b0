"""What this drone has flown: one durable record per flight, beside its video."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from contracts.geo import Frozen, GeoPoint
from contracts.ids import CommandId, FlightId
from contracts.routes import Route
from edge import logbook
from edge.files import write_durably


class Phase(StrEnum):
    """How far a flight has come; it never goes back in this order."""

    PREPARING = "preparing"
    ABANDONED = "abandoned"
    """Its beginning failed before anything of it was told."""
    BEGUN = "begun"
    """Its beginning is over and it stands, though it was not seen on its route yet."""
    FLYING = "flying"
    RETURNING = "returning"
    ENDED = "ended"


class Flight(Frozen):
    """A flight as the drone knows it."""

    flight_id: FlightId
    command_id: CommandId
    route: Route
    phase: Phase = Phase.PREPARING
    started_us: int
    ended_us: int | None = None
    reached: int = -1
    """Index of the last waypoint reached."""
    joined_at: int = 0
    """The waypoint at which the mission on the autopilot begins."""
    stored: bool = True
    """Whether the autopilot holds exactly this route; false while a changed one is being stored."""
    stored_home: GeoPoint | None = None
    """The home above which the mission on the autopilot counts its heights."""
    homeward: bool = False
    """Whether the autopilot holds a way back along the route instead, that ends in its return."""
    segments: int | None = None
    """How many segments were recorded, once recording has ended."""
    media_told: bool = False
    """The count has been stored in the cloud."""

    @property
    def active(self) -> bool:
        """Tell whether the aircraft is still on it."""
        return self.phase not in (Phase.ABANDONED, Phase.ENDED)


class Flights:
    """Thread-safe; every change is on disk when the call returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._flights: dict[str, Flight] = {}
        for path in sorted(folder.glob("*/flight-record.json")):
            try:
                flight = Flight.model_validate_json(path.read_bytes())
            except ValidationError as error:
                path.replace(path.with_name(path.name + ".corrupt"))
                logbook.warn("flight_record_set_aside", path=str(path), error=str(error)[:300])
                continue
            self._flights[flight.flight_id] = flight

    def folder(self, flight_id: str) -> Path:
        """Return where a flight's files lie."""
        return self._folder / flight_id

    def get(self, flight_id: str) -> Flight | None:
        """Return one flight."""
        with self._lock:
            return self._flights.get(flight_id)

    def known(self, flight_id: str) -> Flight:
        """Return one flight that is there."""
        with self._lock:
            return self._flights[flight_id]

    def active(self) -> Flight | None:
        """Return the flight the aircraft is on."""
        return next((f for f in self.all() if f.active), None)

    def all(self) -> list[Flight]:
        """Return every flight, oldest first."""
        with self._lock:
            return sorted(self._flights.values(), key=lambda f: f.started_us)

    def save(self, flight: Flight) -> Flight:
        """Store a new or changed flight."""
        with self._lock:
            write_durably(self.folder(flight.flight_id) / "flight-record.json", flight.model_dump_json().encode())
            self._flights[flight.flight_id] = flight
        return flight

    def change(self, flight_id: str, **changes: object) -> Flight:
        """Store a flight with some fields changed."""
        with self._lock:
            return self.save(self._flights[flight_id].model_copy(update=changes))

    def close_beginning(self, flight_id: str, *, stands: bool, t_us: int) -> Flight:
        """End the beginning of a flight: it stands or is abandoned. One that was seen on its route stays what it is."""
        with self._lock:
            flight = self._flights[flight_id]
            if flight.phase is not Phase.PREPARING:
                return flight
            if stands:
                return self.change(flight_id, phase=Phase.BEGUN)
            return self.change(flight_id, phase=Phase.ABANDONED, ended_us=t_us)

    def follow(self, before: Flight, after: Flight) -> Flight:
        """Store what was seen of a flight that may have been changed since it was looked at.

        A command runs in another thread: it stores a route, or breaks off, while what was seen is being told. What it
        wrote stays; of what was seen only the progress is added, and none on a route that is no longer the one flown.
        """
        with self._lock:
            now = self._flights[before.flight_id]
            same_route = (now.reached, now.joined_at, now.route) == (before.reached, before.joined_at, before.route)
            return self.change(
                before.flight_id,
                phase=max(now.phase, after.phase, key=_ORDER.index),
                reached=after.reached if same_route else now.reached,
                ended_us=now.ended_us if now.ended_us is not None else after.ended_us,
            )


_ORDER = tuple(Phase)
