"""How each command is flown: a short procedure on the autopilot, given up at once when a safety command comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

from contracts.commands import Command
from contracts.errors import PlatformError
from contracts.routes import Route
from contracts.vocabulary import AircraftState, CommandKind
from edge import logbook
from edge.aircraft import Aircraft, MissionState
from edge.clock import now_us
from edge.flights import Flight, Flights, Phase
from edge.itinerary import Item, Itinerary, itinerary_of
from edge.mission import aircraft_state
from edge.refusals import AutopilotSilent, NoEffect, NotReady, Preempted
from edge.safety import Limits, check_energy, check_route, require_position

_ARM, _TAKE_OFF, _MISSION_START, _PAUSE_CONTINUE, _PREARM_CHECKS = 400, 22, 300, 193, 401
_ARM_PATIENCE_S = 60.0
_CLIMB_TO_M = 10.0


class Outcome(StrEnum):
    """How a procedure ended when it did not fail."""

    DONE = "done"
    FLYING = "flying"
    """The command goes on by itself; the mission's state machine concludes it."""


class Autopilot(Protocol):
    """What flies the aircraft."""

    def look(self) -> Aircraft:
        """Return the latest picture."""

    def command(self, number: int, *params: float) -> None:
        """Send a COMMAND_LONG and wait for its acknowledgement; AutopilotRefused says why not."""

    def set_mode(self, mode: str) -> None:
        """Ask for a flight mode; the picture shows when it is in force."""

    def upload(self, items: tuple[Item, ...]) -> None:
        """Store a mission and read it back; AutopilotRefused when it differs."""


class Refusal(NamedTuple):
    """Latched reasons against going on with a flight, e.g. a fence breach; cleared on the ground."""

    code: str
    detail: str


class Pilot:
    """Runs procedures one at a time, in the executor's thread."""

    def __init__(self, autopilot: Autopilot, flights: Flights, limits: Limits, enough_disk: Callable[[], None]) -> None:
        self._autopilot = autopilot
        self._flights = flights
        self.limits = limits
        self._enough_disk = enough_disk
        self.latched: Refusal | None = None

    def itinerary(self) -> Itinerary | None:
        """Return the mission of the active flight."""
        flight, home = self._flights.active(), self._autopilot.look().home
        return itinerary_of(flight.route, home) if flight and home else None

    def check(self, command: Command) -> None:
        """Refuse what cannot be flown in the present state, before it is accepted.

        Raises:
            PlatformError: A subclass that says why.

        """
        aircraft = self._autopilot.look()
        if not aircraft.connected:
            raise AutopilotSilent("The autopilot has been silent for 3 s.", hint="Check its link and power.")
        match command.kind:
            case CommandKind.TAKE_OFF:
                self._check_take_off(aircraft)
            case CommandKind.BEGIN_FLIGHT:
                self._check_flight(command, aircraft)
            case CommandKind.RESUME:
                self._check_resume(aircraft)
            case CommandKind.PAUSE | CommandKind.RETURN_HOME | CommandKind.LAND | CommandKind.HOLD:
                return
            case CommandKind.ADJUST_ROUTE | CommandKind.SET_LIMITS:
                raise NotReady(f"This agent does not know {command.kind} yet.", hint="Update the agent.")

    def fly(self, command: Command, stop: threading.Event) -> Outcome:
        """Carry a command out; ``stop`` makes it give up.

        Raises:
            PlatformError: What failed, and the autopilot's own reasons.

        """
        match command.kind:
            case CommandKind.TAKE_OFF:
                self._take_off(command.altitude_m or _CLIMB_TO_M, stop)
            case CommandKind.BEGIN_FLIGHT:
                return self._begin(command, stop)
            case CommandKind.PAUSE:
                self._pause(stop)
            case CommandKind.HOLD:
                self._leave("BRAKE", stop)
            case CommandKind.RESUME:
                self._resume(stop)
            case CommandKind.RETURN_HOME:
                self._leave("RTL", stop)
            case CommandKind.LAND:
                self._leave("LAND", stop)
        return Outcome.DONE

    def come_home(self) -> None:
        """Return because a safety rule says so."""
        self._leave("RTL", threading.Event())

    def _check_take_off(self, aircraft: Aircraft) -> None:
        require_position(aircraft)
        if not aircraft.on_ground:
            raise NotReady("The aircraft is already in the air.")
        if (aircraft.battery_percent or 0.0) < self.limits.battery_reserve_percent + 5:
            raise NotReady(f"The battery holds {aircraft.battery_percent} %.", hint="Charge it.")

    def _check_flight(self, command: Command, aircraft: Aircraft) -> None:
        route = _route_of(command)
        home = require_position(aircraft)
        if (flown := self._flights.active()) is not None and flown.phase is not Phase.PREPARING:
            raise NotReady(f"Flight {flown.flight_id} is still under way.", hint="Send return_home first.")
        if (known := self._flights.get(command.flight_id or "")) is not None and known.phase is Phase.ENDED:
            raise NotReady(f"Flight {known.flight_id} has been flown already.", hint="Plan a new flight.")
        if self.latched is not None and not aircraft.on_ground:
            raise NotReady(f"The aircraft must land first: {self.latched.detail}")
        climbed_m = _CLIMB_TO_M if aircraft.on_ground or aircraft.fix is None else aircraft.fix.alt_rel_m
        check_route(route, home, climbed_m, self.limits)
        check_energy(route, home, aircraft.battery_percent or 0.0, self.limits)
        self._enough_disk()
        itinerary_of(route, home)

    def _check_resume(self, aircraft: Aircraft) -> None:
        flight = self._flights.active()
        if flight is None or flight.phase is not Phase.FLYING:
            raise NotReady("No flight is paused.")
        if self.latched is not None:
            raise NotReady(f"The flight may not go on: {self.latched.detail}")
        if aircraft_state(aircraft, self.itinerary()) not in (AircraftState.PAUSED, AircraftState.HOLDING):
            raise NotReady("The aircraft is not holding.")

    def _begin(self, command: Command, stop: threading.Event) -> Outcome:
        aircraft = self._autopilot.look()
        home = require_position(aircraft)
        flight = self._flights.save(
            Flight(
                flight_id=command.flight_id or "",
                command_id=command.command_id,
                route=_route_of(command),
                started_us=aircraft.fix.t_us if aircraft.fix else now_us(),
            )
        )
        try:
            if self._autopilot.look().mode == "AUTO":
                self._leave("LOITER", stop)
            self._autopilot.upload(itinerary_of(flight.route, home).items)
            if self._autopilot.look().on_ground:
                self._take_off(_CLIMB_TO_M, stop)
            self._autopilot.set_mode("AUTO")
            self._autopilot.command(_MISSION_START)
            self._until(_on_mission, 10.0, stop, "start of the mission")
        except PlatformError:
            self._flights.change(flight.flight_id, phase=Phase.ABANDONED, ended_us=now_us())
            self._hold_where_it_is(stop)
            raise
        return Outcome.FLYING

    def _take_off(self, altitude_m: float, stop: threading.Event) -> None:
        self._autopilot.set_mode("GUIDED")
        self._until(lambda a: a.mode == "GUIDED", 5.0, stop, "mode GUIDED")
        self._arm(stop)
        self._autopilot.command(_TAKE_OFF, 0, 0, 0, 0, 0, 0, altitude_m)
        self._until(lambda a: _height(a) >= 0.95 * altitude_m, 20.0 + 2.0 * altitude_m, stop, f"{altitude_m:.0f} m")

    def _arm(self, stop: threading.Event) -> None:
        """Arm; the estimator needs up to a minute after power-on, so be patient and pass its reasons up."""
        deadline = time.monotonic() + _ARM_PATIENCE_S
        while not self._autopilot.look().armed:
            try:
                self._autopilot.command(_ARM, 1)
                self._until(lambda a: a.armed, 3.0, stop, "arming")
            except (Preempted, AutopilotSilent):
                raise
            except PlatformError:
                if time.monotonic() > deadline:
                    raise
                if stop.wait(1.0):
                    raise Preempted("A safety command took over.") from None

    def _pause(self, stop: threading.Event) -> None:
        aircraft = self._autopilot.look()
        if aircraft.on_ground or aircraft.mode in ("LOITER", "BRAKE"):
            return
        if aircraft.mode == "AUTO":
            try:
                self._autopilot.command(_PAUSE_CONTINUE, 0)
                self._until(lambda a: a.mission_state is MissionState.PAUSED, 2.0, stop, "pause")
            except Preempted:
                raise
            except PlatformError as error:
                logbook.note("pause_by_mode", why=error.message)
            else:
                return
        self._autopilot.set_mode("LOITER")
        self._until(lambda a: a.mode == "LOITER", 5.0, stop, "mode LOITER")

    def _resume(self, stop: threading.Event) -> None:
        if self._autopilot.look().mode == "AUTO":
            self._autopilot.command(_PAUSE_CONTINUE, 1)
        else:
            self._autopilot.set_mode("AUTO")
        self._until(_on_mission, 5.0, stop, "the mission going on")

    def _hold_where_it_is(self, stop: threading.Event) -> None:
        """After a failed start nothing may fly on by itself; a safety command that took over decides instead."""
        aircraft = self._autopilot.look()
        if stop.is_set() or aircraft.on_ground or aircraft.mode != "AUTO":
            return
        try:
            self._autopilot.set_mode("LOITER")
        except PlatformError as error:
            logbook.warn("hold_failed", error=error.message)

    def _leave(self, mode: str, stop: threading.Event) -> None:
        if self._autopilot.look().on_ground:
            return
        self._autopilot.set_mode(mode)
        self._until(lambda a: a.mode == mode or a.on_ground, 5.0, stop, f"mode {mode}")

    def _until(self, reached: Callable[[Aircraft], bool], timeout_s: float, stop: threading.Event, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            aircraft = self._autopilot.look()
            if stop.is_set():
                raise Preempted("A safety command took over.")
            if not aircraft.connected:
                raise AutopilotSilent(f"The autopilot fell silent while waiting for {what}.")
            if reached(aircraft):
                return
            if time.monotonic() > deadline:
                raise NoEffect(f"No {what} within {timeout_s:.0f} s.", hint="The autopilot accepted it; see its texts.")
            stop.wait(0.05)


def _route_of(command: Command) -> Route:
    if command.route is None:
        raise NotReady("The command carries no route.")
    return command.route


def _on_mission(aircraft: Aircraft) -> bool:
    return aircraft.mode == "AUTO" and aircraft.mission_state is MissionState.ACTIVE


def _height(aircraft: Aircraft) -> float:
    return aircraft.fix.alt_rel_m if aircraft.fix else 0.0
