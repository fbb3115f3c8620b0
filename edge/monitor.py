"""Ten times a second: follow the flight, tell what changed, and bring the aircraft home when a safety rule says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from contracts.commands import AckState
from contracts.errors import PlatformError
from contracts.events import DroneEventKind
from contracts.vocabulary import AircraftState
from edge import logbook
from edge.aircraft import Aircraft
from edge.clock import now_us
from edge.flights import Flight, Flights, Phase
from edge.journal import Entry
from edge.mission import Conclude, Emit, Picture, advance
from edge.pilot import Pilot, Refusal
from edge.safety import Breach, must_return

_GOING_HOME = frozenset({AircraftState.RETURNING, AircraftState.LANDING, AircraftState.ON_GROUND})
_FIRST_CONTACT_S = 5.0
"""How long a starting agent waits for the autopilot before it says that there is none."""

Announce = Callable[[DroneEventKind, dict[str, object]], None]


class Desk(Protocol):
    """Where commands are kept."""

    def conclude(self, command_id: str, state: AckState, code: str = "", detail: str = "", hint: str = "") -> None:
        """Record how a command ended."""

    def recover(self, keep: Callable[[Entry], bool]) -> None:
        """Settle what an earlier process left behind."""

    def preempt(self, why: str) -> None:
        """Stop what runs, unless it increases safety."""


class Monitor:
    """Turns pictures of the aircraft into events and flight records."""

    def __init__(
        self,
        look: Callable[[], Aircraft],
        pilot: Pilot,
        desk: Desk,
        flights: Flights,
        announce: Announce,
        offline_s: Callable[[], float],
    ) -> None:
        self._look = look
        self._pilot = pilot
        self._desk = desk
        self._flights = flights
        self._announce = announce
        self._offline_s = offline_s
        self._state: AircraftState | None = None
        self._patient_until = time.monotonic() + _FIRST_CONTACT_S
        self._recovered = False
        self._breaches: set[str] = set()

    def situation(self) -> tuple[AircraftState, str | None, int | None]:
        """Return (state, flight id, waypoint flown to) for telemetry."""
        flight, state = self._flights.active(), self._state or AircraftState.DISCONNECTED
        if flight is None:
            return state, None, None
        return state, flight.flight_id, min(flight.reached + 1, len(flight.route.waypoints) - 1)

    def step(self) -> bool | None:
        """Look once."""
        aircraft = self._look()
        if self._state is None and not aircraft.connected and time.monotonic() < self._patient_until:
            return None
        if aircraft.connected and not self._recovered:
            self._recovered = True
            self._adopt(aircraft)
        flight = self._flights.active()
        t_us = aircraft.fix.t_us if aircraft.fix else now_us()
        picture, effects = advance(Picture(self._state, flight), aircraft, self._pilot.itinerary(), t_us)
        self._state = picture.state
        if picture.flight is not None and picture.flight != flight:
            self._flights.save(picture.flight)
        for effect in effects:
            self._tell(effect, picture)
        self._guard(aircraft, picture.flight)
        return None

    def _adopt(self, aircraft: Aircraft) -> None:
        """After a restart: go on with the flight the aircraft is on, settle the rest."""
        flight = self._flights.active()
        if flight is not None and flight.phase is Phase.PREPARING and (aircraft.on_ground or aircraft.mode != "AUTO"):
            self._flights.change(flight.flight_id, phase=Phase.ABANDONED, ended_us=now_us())
            flight = None
        if flight is not None:
            logbook.note("flight_adopted", flight_id=flight.flight_id, phase=flight.phase, reached=flight.reached)
        kept = flight.command_id if flight is not None else None
        self._desk.recover(lambda entry: entry.command_id == kept)

    def _tell(self, effect: Emit | Conclude, picture: Picture) -> None:
        flight = picture.flight
        if isinstance(effect, Conclude):
            if flight is not None:
                self._desk.conclude(flight.command_id, effect.state, effect.code, effect.detail)
            return
        fields: dict[str, object] = {"state": picture.state, "detail": effect.detail, "waypoint": effect.waypoint}
        if flight is not None:
            fields["flight_id"] = flight.flight_id
        logbook.note(effect.kind, **{k: v for k, v in fields.items() if v not in (None, "")})
        self._announce(effect.kind, fields)

    def _guard(self, aircraft: Aircraft, flight: Flight | None) -> None:
        if not aircraft.connected:
            return
        if aircraft.on_ground:
            self._pilot.latched = None
            self._breaches.clear()
            return
        if self._state in _GOING_HOME:
            return
        fence = flight.route.fence if flight is not None else None
        breach = must_return(aircraft, fence, self._offline_s(), self._pilot.limits)
        if breach is not None and breach.code not in self._breaches:
            self._breaches.add(breach.code)
            self._bring_home(breach, flight)

    def _bring_home(self, breach: Breach, flight: Flight | None) -> None:
        self._pilot.latched = Refusal(breach.code, breach.detail)
        logbook.warn("safety", code=breach.code, detail=breach.detail)
        fields: dict[str, object] = {"code": breach.code, "detail": breach.detail, "state": self._state}
        if flight is not None:
            fields["flight_id"] = flight.flight_id
        self._announce(DroneEventKind.SAFETY, fields)
        self._desk.preempt(f"{breach.code}: {breach.detail}")
        threading.Thread(target=self._come_home, name="kestrel-return", daemon=True).start()

    def _come_home(self) -> None:
        """Insist until the aircraft is on its way."""
        while self._state not in _GOING_HOME and self._look().connected:
            try:
                self._pilot.come_home()
            except PlatformError as error:
                logbook.warn("return_failed", error=error.message)
                time.sleep(0.5)
            else:
                return
