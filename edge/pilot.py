"""How each command is checked and flown: procedures on the autopilot, and the record of the flight."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from contracts.commands import Command
from contracts.errors import PlatformError
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Route
from contracts.vocabulary import AircraftState, CommandKind
from edge import logbook
from edge.aircraft import LAND_MODES, TAKE_OFF_MODES, Aircraft, standing
from edge.allowances import Allowances, loosened
from edge.beginning import VERDICTS, Verdict, end_of
from edge.bodies import place_of
from edge.clock import now_us
from edge.flights import Flight, Flights, Phase
from edge.itinerary import Itinerary, itinerary_of
from edge.latch import Latch
from edge.legality import Refusal, Situation, require_expected, require_free, require_legal
from edge.loan import Loan
from edge.mission import aircraft_state, itinerary_for
from edge.procedures import Autopilot, Procedures, on_mission
from edge.refusals import NotReady, Preempted, ReturnBlocked, UnsafeRoute
from edge.rejoining import check_rejoining
from edge.retreat import CLIMB_TO_M, Retreat, habit_seen, retreat_of
from edge.rules import Action
from edge.safety import Limits, Start, check_energy, check_route, lowered_margins, require_charge, require_position

_HOME_MOVED_M = 0.3
"""More between storing a mission and the take-off stores it again: its heights are above home."""


class Outcome(StrEnum):
    """How a procedure ended when it did not fail."""

    DONE = "done"
    FLYING = "flying"
    """The command goes on by itself; the mission's state machine concludes it."""


class Pilot:
    """Runs procedures one at a time, in the executor's thread."""

    def __init__(
        self,
        autopilot: Autopilot,
        flights: Flights,
        allowances: Allowances,
        enough_disk: Callable[[], None],
        loan: Loan,
        latch: Latch,
    ) -> None:
        """``loan`` holds what failsafes are set to for a flight, ``latch`` what a rule has put into force."""
        self._autopilot = autopilot
        self._procedures = Procedures(autopilot)
        self._flights = flights
        self._allowances = allowances
        self._enough_disk = enough_disk
        self._loan = loan
        self.latch = latch
        self.latched: Refusal | None = latch.held.refusal if latch.held else None
        self.retreat: Retreat | None = None
        """The ways home of the route being flown."""
        moves = self._procedures
        self._moves: dict[CommandKind, Callable[[Command, threading.Event], Outcome | None]] = {
            CommandKind.TAKE_OFF: lambda command, stop: moves.take_off(command.altitude_m or CLIMB_TO_M, stop),
            CommandKind.BEGIN_FLIGHT: self._begin,
            CommandKind.PAUSE: lambda _, stop: moves.pause(stop),
            CommandKind.HOLD: lambda _, stop: moves.hold(stop),
            CommandKind.RESUME: lambda _, stop: self._resume(stop),
            CommandKind.ADJUST_ROUTE: self._adjust,
            CommandKind.SET_LIMITS: lambda command, _: self._change_limits(command),
            CommandKind.RETURN_HOME: lambda _, stop: self._come_home(stop),
            CommandKind.LAND: lambda _, stop: moves.leave("LAND", stop),
        }

    @property
    def limits(self) -> Limits:
        """Return what the owner allows now."""
        return self._allowances.limits

    def itinerary(self) -> Itinerary | None:
        """Return the mission of the active flight."""
        return itinerary_for(self._flights.active(), self._autopilot.look().home)

    def check(self, command: Command) -> None:
        """Refuse what cannot be flown in the present state, before it is accepted.

        Raises:
            PlatformError: A subclass that says why.

        """
        aircraft, flight = self._autopilot.look(), self._flights.active()
        now = Situation(aircraft_state(aircraft, self.itinerary()), flight, self.latched)
        require_legal(command.kind, now)
        require_free(command.kind, aircraft)
        require_expected(command, now)
        match command.kind:
            case CommandKind.TAKE_OFF:
                self._check_take_off(aircraft)
            case CommandKind.BEGIN_FLIGHT:
                self._check_flight(command, aircraft)
            case CommandKind.ADJUST_ROUTE:
                self._check_adjustment(command, aircraft, flight)
            case CommandKind.RESUME if flight is not None:
                check_rejoining(flight.route, flight.reached + 1, aircraft, self.limits)
            case _:
                return

    def lowers_margins(self, command: Command) -> list[str]:
        """Return in which ways a command lowers a safety margin: each needs two approvers."""
        if command.limits is not None:
            return loosened(self.limits, command.limits)
        flight = self._flights.active()
        if command.kind is CommandKind.ADJUST_ROUTE and command.route is not None and flight is not None:
            return lowered_margins(flight.route, command.route)
        return []

    def fly(self, command: Command, stop: threading.Event) -> Outcome:
        """Carry a command out; ``stop`` makes it give up.

        Raises:
            PlatformError: What failed, and the autopilot's own reasons.

        """
        return self._moves[command.kind](command, stop) or Outcome.DONE

    def act(self, action: Action) -> None:
        """Do what a safety rule says; a report needs no move.

        Raises:
            PlatformError: It did not work; try again.

        """
        stop = threading.Event()
        match action:
            case Action.RETURN:
                self._come_home(stop)
            case Action.LAND:
                self._procedures.leave("LAND", stop)
            case Action.HOLD:
                self._procedures.hold(stop)
            case Action.REPORT:
                return

    def know_ways_home(self, flight: Flight) -> None:
        """Work out from where on a flight's route the autopilot's own return is clear; it takes a moment."""
        aircraft = self._autopilot.look()
        if aircraft.home is not None:
            self.retreat = retreat_of(flight.route, aircraft.home, habit_seen(aircraft))

    def _come_home(self, stop: threading.Event) -> None:
        """Have the autopilot return; where that leads into something, fly back along the route first.

        Raises:
            ReturnBlocked: No way home is known to be clear; it holds.
            PlatformError: The autopilot does not do it.

        """
        aircraft, flight = self._autopilot.look(), self._flights.active()
        if flight is not None and (self.retreat is None or self.retreat.route is not flight.route):
            self.know_ways_home(flight)
        retreat = self.retreat
        if flight is None or retreat is None or not aircraft.connected or not aircraft.knows_place:
            self._procedures.leave("RTL", stop)
        elif not (flight.homeward and on_mission(aircraft)):
            trouble = retreat.trouble_of(aircraft)
            if trouble is None or aircraft.on_ground or aircraft.mode in LAND_MODES:
                self._procedures.leave("RTL", stop)
                # A failsafe on the way home would turn it round, to come back along all of its route.
                self._loan.due = trouble is None
            else:
                self._fly_back(flight, retreat, stop)

    def _fly_back(self, flight: Flight, retreat: Retreat, stop: threading.Event) -> None:
        aircraft = self._procedures.stand_still(stop)
        way = retreat.back_of(aircraft, flight.reached)
        if way is None:
            raise ReturnBlocked(
                f"No way home is known to be clear: the autopilot's own {retreat.trouble_of(aircraft)}. It holds.",
                hint="Fly it clear with the transmitter, or land it.",
            )
        if not way:
            self._procedures.leave("RTL", stop)
            return
        logbook.note("flies_back", flight_id=flight.flight_id, corners=len(way))
        self._flights.change(flight.flight_id, stored=False, homeward=True)
        back = flight.route.model_copy(update={"waypoints": way})
        self._procedures.fly_back(itinerary_of(back, require_position(aircraft)).items, stop)

    def _check_take_off(self, aircraft: Aircraft) -> None:
        require_position(aircraft)
        if (held := require_charge(aircraft)) < self.limits.battery_reserve_percent + 5:
            raise NotReady(f"The battery holds {held:.0f} %.", hint="Charge it.")

    def _check_flight(self, command: Command, aircraft: Aircraft) -> None:
        if (known := self._flights.get(command.flight_id or "")) is not None and known.phase is Phase.ENDED:
            raise NotReady(f"Flight {known.flight_id} has been flown already.", hint="Plan a new flight.")
        self._check_path(command, aircraft)
        self._enough_disk()

    def _check_adjustment(self, command: Command, aircraft: Aircraft, flight: Flight | None) -> None:
        route = _route_of(command)
        if flight is None or flight.flight_id != command.flight_id:
            raise NotReady(f"Flight {command.flight_id} is not under way.")
        if (route.asset_id, route.plan_id) != (flight.route.asset_id, flight.route.plan_id):
            raise NotReady("A changed route stays with its plan and asset.", hint="End this flight and begin another.")
        self._check_path(command, aircraft)

    def _check_path(self, command: Command, aircraft: Aircraft) -> None:
        """Check from where the aircraft is, or will be after its take-off, over every leg to the return."""
        route, home = _route_of(command), require_position(aircraft)
        start = Start(_place_after_take_off(aircraft, home), command.resume_at, airborne=not aircraft.on_ground)
        check_route(route, home, start, self.limits)
        retreat = retreat_of(route, home, habit_seen(aircraft))
        retreat.check(start, asked=aircraft.habit is not None)  # it is, before a flight begins
        check_energy(route, home, start, aircraft, self.limits, retreat.percent)
        itinerary_of(route, home, command.resume_at)

    def _begin(self, command: Command, stop: threading.Event) -> Outcome:
        """Store, take off, start. What is broken off before the take-off has failed; after it there is a flight."""
        self._autopilot.learn_habit()
        aircraft = self._autopilot.look()
        home, route = require_position(aircraft), _route_of(command)
        if aircraft.on_ground:
            self._check_path(command, aircraft)
        flight = self._flights.save(
            Flight(
                flight_id=command.flight_id or "",
                command_id=command.command_id,
                route=route,
                started_us=aircraft.fix.t_us if aircraft.fix else now_us(),
                joined_at=command.resume_at,
                reached=command.resume_at - 1,
                stored=False,
            )
        )
        in_air, ours = not standing(aircraft), TAKE_OFF_MODES
        try:
            if in_air:
                ours = self._stop_and_check(command, stop)
            self._procedures.store_fence(route, stop)
            self._store(flight, home, stop)
            if not in_air:
                self._procedures.get_armed(stop)
                in_air = True
                self._procedures.climb(CLIMB_TO_M, stop)
                self._follow_home(flight, home, stop)
            self._procedures.start_mission(stop, ours)
        except PlatformError as error:
            self._close_beginning(flight, error, stop, in_air=in_air)
        return Outcome.FLYING

    def _close_beginning(self, flight: Flight, error: PlatformError, stop: threading.Event, *, in_air: bool) -> None:
        """Keep the flight where it has begun all the same; else abandon it and raise why."""
        verdict = VERDICTS[in_air, end_of(error)]
        stands = verdict is Verdict.HAS_BEGUN
        if self._flights.close_beginning(flight.flight_id, stands=stands, t_us=now_us()).active:
            logbook.note("flight_begun", flight_id=flight.flight_id, broken_off_by=error.code, why=error.message)
            return
        if verdict is Verdict.GIVEN_UP:
            self._hold_after_failure(stop)
        elif isinstance(error, Preempted):
            raise Preempted(f"{error.message} Nothing has taken off yet.", hint="Begin the flight anew.") from error
        raise error

    def _follow_home(self, flight: Flight, stored_for: GeoPoint, stop: threading.Event) -> None:
        """Store the mission again where arming has set home anew: on the ground a barometer drifts by metres."""
        home = require_position(self._autopilot.look())
        if abs(home.alt_m - stored_for.alt_m) > _HOME_MOVED_M:
            logbook.note("home_moved", by_m=round(home.alt_m - stored_for.alt_m, 2))
            self._store(flight, home, stop)
        self._procedures.require_control()

    def _stop_and_check(self, command: Command, stop: threading.Event) -> frozenset[str]:
        """Stop, and check the path from there: since it was checked the aircraft flew on. Return the mode it holds in.

        Raises:
            PlatformError: It holds; with what the path breaks.

        """
        aircraft = self._procedures.stand_still(stop)
        try:
            self._check_path(command, aircraft)
        except UnsafeRoute as error:
            raise UnsafeRoute(error.message, hint="It holds where it stopped. Plan from there.") from error
        return frozenset({aircraft.mode})

    def _adjust(self, command: Command, stop: threading.Event) -> None:
        """Leave the mission, store the changed one, go on.

        The flight is on the changed route once that is stored whole and flown. Where this breaks off it stays on the
        one before, as the acknowledgement says, and `resume` stores that again.
        """
        home, flight = require_position(self._autopilot.look()), self._flights.known(command.flight_id or "")
        ours = self._stop_and_check(command, stop)
        flight = self._flights.change(flight.flight_id, stored=False)
        route = _route_of(command)
        changed = {"route": route, "joined_at": command.resume_at, "reached": command.resume_at - 1}
        before = {"route": flight.route, "joined_at": flight.joined_at, "reached": flight.reached}
        try:
            if route.fence != flight.route.fence:
                self._procedures.store_fence(route, stop)
            self._store(flight.model_copy(update=changed), home, stop, **changed)
            self._procedures.start_mission(stop, ours)
        except PlatformError:
            self._flights.change(flight.flight_id, stored=False, **before)
            self._hold_after_failure(stop)
            raise

    def _resume(self, stop: threading.Event) -> None:
        """Go on. What left its mission gets the rest of it anew, with the speed and the camera of the leg.

        ArduCopter forgets both when it leaves AUTO (mode_auto.cpp: ``exit`` sets the mount to its default, ``init`` the
        speed to WPNAV_SPEED), and would fly on at the speed of a transit, looking ahead.
        """
        flight, aircraft = self._flights.active(), self._autopilot.look()
        if flight is None or (flight.stored and (aircraft.mode == "AUTO" or not _legs_left(flight))):
            self._procedures.go_on(stop)
            return
        if aircraft.mode == "AUTO":
            self._procedures.hold(stop)
        ours = frozenset({self._autopilot.look().mode})
        if not flight.stored:
            self._procedures.store_fence(flight.route, stop)
        flight = self._flights.change(flight.flight_id, stored=False, joined_at=flight.reached + 1)
        self._store(flight, require_position(aircraft), stop)
        self._procedures.start_mission(stop, ours)

    def _store(self, flight: Flight, home: GeoPoint, stop: threading.Event, **changes: object) -> None:
        """Store a flight's mission; its record says so, with what else changes then, once it reads back whole."""
        self._flights.change(flight.flight_id, stored=False)
        self._procedures.store_route(flight.route, home, flight.joined_at, stop)
        self._flights.change(flight.flight_id, stored=True, stored_home=home, homeward=False, **changes)
        self.know_ways_home(flight)
        self._set_failsafes()

    def may_give_back(self) -> bool:
        """Tell whether the autopilot's failsafes may be as they were: it stands, or is on a way home that is clear."""
        aircraft, flight = self._autopilot.look(), self._flights.active()
        if flight is None:
            return aircraft.on_ground
        ends = aircraft.mode == "AUTO" and not flight.homeward  # behind the last waypoint the return is clear
        return self._loan.due or (ends and aircraft_state(aircraft, self.itinerary()) is AircraftState.RETURNING)

    def _set_failsafes(self) -> None:
        """Have the autopilot's own failsafes come back the way it came, where the straight way is blocked.

        Raises:
            PlatformError: One does not hold; the flight does not begin.

        """
        if self.retreat is None or self.retreat.blocked is None:
            return
        lent = {name: put for name, (_, put) in self._loan.held.items()}
        wanted = lent | self.retreat.failsafes(self.limits.battery_reserve_percent)
        self._loan.take(wanted)
        logbook.note("failsafes_come_back", put=[f"{name}={value:g}" for name, value in wanted.items()])

    def _change_limits(self, command: Command) -> None:
        if command.limits is None:
            raise NotReady("The command carries no limits.")
        self._allowances.change(command.limits)

    def _hold_after_failure(self, stop: threading.Event) -> None:
        """After a failure nothing may fly on by itself; a safety command that took over decides instead."""
        aircraft = self._autopilot.look()
        if stop.is_set() or aircraft.on_ground or aircraft.mode != "AUTO":
            return
        try:
            self._procedures.hold(stop)
        except PlatformError as error:
            logbook.warn("hold_failed", error=error.message)


def _legs_left(flight: Flight) -> bool:
    return flight.reached + 1 < len(flight.route.waypoints)


def _place_after_take_off(aircraft: Aircraft, home: GeoPoint) -> Enu:
    if aircraft.on_ground or aircraft.fix is None:
        return Enu(0.0, 0.0, CLIMB_TO_M)
    return place_of(aircraft.fix.point, LocalFrame(home))


def _route_of(command: Command) -> Route:
    if command.route is None:
        raise NotReady("The command carries no route.")
    return command.route
