"""Ten times a second: follow the flight, tell what changed, and bring the aircraft home when a safety rule says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import NamedTuple, Protocol

from contracts.commands import AckState
from contracts.errors import PlatformError
from contracts.events import DroneEventKind
from contracts.geo import GeoPoint
from contracts.routes import Route
from contracts.vocabulary import AircraftState
from edge import logbook
from edge.aftermath import aftermath
from edge.aircraft import FIX_3D, Aircraft
from edge.bodies import Body, bodies_of
from edge.breaches import Sight
from edge.clock import now_us
from edge.flights import Flight, Flights, Phase
from edge.journal import Entry
from edge.latch import InForce
from edge.legality import Refusal
from edge.mission import Conclude, Effect, Picture, advance, itinerary_for
from edge.pilot import Pilot
from edge.refusals import ReturnBlocked
from edge.rules import Action, Breach, broken_rules
from edge.safety import wind_of

_GOING_HOME = frozenset({AircraftState.RETURNING, AircraftState.LANDING, AircraftState.ON_GROUND})
_SETTLED = {
    Action.RETURN: _GOING_HOME,
    Action.LAND: frozenset({AircraftState.LANDING, AircraftState.ON_GROUND}),
    Action.HOLD: _GOING_HOME | {AircraftState.PAUSED, AircraftState.HOLDING},
}
"""In which states a rule's action is under way."""
_GRAVITY = (Action.REPORT, Action.HOLD, Action.RETURN, Action.LAND)
HOLD_GRACE_S = 20.0
"""How long a person may hold an aircraft that a rule brings home: something may be in its way. Then it goes on."""
_FIRST_CONTACT_S = 5.0
"""How long a starting agent waits for the autopilot before it says that there is none."""

_DURABLE_S = 0.5
"""How long to wait for told events and for the latch to be on disk; a disk in trouble must not keep rules waiting."""

Announce = Callable[[DroneEventKind, dict[str, object]], Future[int] | None]
"""Tells an event; the future is done when it would survive a power cut."""


class Desk(Protocol):
    """Where commands are kept."""

    def conclude(self, command_id: str, state: AckState, code: str = "", detail: str = "", hint: str = "") -> None:
        """Record how a command ended."""

    def recover(self, ended: Callable[[Entry], Conclude | None]) -> None:
        """Settle what an earlier process left behind."""

    def preempt(self, why: str) -> None:
        """Stop what runs, unless it increases safety."""


class Surroundings(NamedTuple):
    """What the rules ask of the rest of the drone."""

    offline_s: Callable[[], float]
    """Seconds since the broker was last heard."""
    storage_full: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic


class Monitor:
    """Turns pictures of the aircraft into events and flight records."""

    def __init__(
        self,
        look: Callable[[], Aircraft],
        pilot: Pilot,
        desk: Desk,
        flights: Flights,
        announce: Announce,
        around: Surroundings,
    ) -> None:
        self._look = look
        self._pilot = pilot
        self._desk = desk
        self._flights = flights
        self._announce = announce
        self._around = around
        self._state: AircraftState | None = None
        self._patient_until = around.clock() + _FIRST_CONTACT_S
        self._adopted = self._recovered = False
        held = pilot.latch.held
        self._left = held is not None
        """A rule is in force that an earlier process may have been killed too early to act upon."""
        self._breaches: set[str] = set(held.told) if held else set()
        self._standing: Breach | None = held.standing if held else None
        """The gravest broken rule whose action is in force until the landing."""
        self._taken = False
        """A pilot flies it since that rule was broken."""
        self._acted_at = self._seen_at = self._heard_at = self._placed_at = self._charged_at = around.clock()
        self._place_us = 0
        self._broken_since: dict[str, float] = {}
        self._noted: set[str] = set()
        """What was told without a move of its own, as what the aircraft does already is no less."""
        self._acting = threading.Thread()
        self._bodies: tuple[Route, GeoPoint, tuple[Body, ...]] | None = None

    def situation(self) -> tuple[AircraftState, str | None, int | None]:
        """Return (state, flight id, waypoint flown to) for telemetry."""
        flight, state = self._flights.active(), self._state or AircraftState.NOT_HEARD
        if flight is None:
            return state, None, None
        return state, flight.flight_id, min(flight.reached + 1, len(flight.route.waypoints) - 1)

    def step(self) -> bool | None:
        """Look once."""
        flight = self._flights.active()  # before the aircraft: what it shows then is never older than the record
        aircraft = self._look()
        if self._state is None and not aircraft.connected and self._around.clock() < self._patient_until:
            return None
        if aircraft.connected and not self._adopted:
            self._adopted = True
            flight = self._adopt(aircraft)
        if not self._recovered:
            self._recovered = True
            self._recover(flight, heard=aircraft.connected)
        picture, effects = self._advance(aircraft, flight)
        self._state = picture.state
        told = [self._tell(effect, picture) for effect in effects]
        if flight is not None and picture.flight is not None and picture.flight != flight:
            # First told, then counted: a kill between the two tells it twice, the other way round never.
            wait([future for future in told if future is not None], _DURABLE_S)
            self._flights.follow(flight, picture.flight)
        self._guard(aircraft, picture.flight)
        return None

    def _advance(self, aircraft: Aircraft, flight: Flight | None) -> tuple[Picture, list[Effect]]:
        if aircraft.connected:
            self._heard_at = self._around.clock()
        t_us = aircraft.fix.t_us if aircraft.fix else now_us()
        silent_s = self._around.clock() - self._heard_at
        itinerary = itinerary_for(flight, aircraft.home)
        return advance(Picture(self._state, flight), aircraft, itinerary, t_us, silent_s)

    def _adopt(self, aircraft: Aircraft) -> Flight | None:
        """After a restart: go on with the flight the aircraft is on."""
        flight = self._flights.active()
        if flight is not None and flight.phase is Phase.PREPARING:
            on_its_mission = flight.stored and aircraft.mode == "AUTO" and not aircraft.on_ground
            flight = self._flights.close_beginning(flight.flight_id, stands=on_its_mission, t_us=now_us())
            flight = flight if flight.active else None
        if flight is not None:
            self._pilot.know_ways_home(flight)
            logbook.note("flight_adopted", flight_id=flight.flight_id, phase=flight.phase, reached=flight.reached)
        return flight

    def _recover(self, flight: Flight | None, *, heard: bool) -> None:
        """After a restart, once, also where no autopilot answers: end every command that an earlier process left."""
        self._desk.recover(lambda entry: aftermath(entry, flight, heard=heard))

    def _tell(self, effect: Effect, picture: Picture) -> Future[int] | None:
        flight = picture.flight
        if isinstance(effect, Conclude):
            if flight is not None:
                self._desk.conclude(flight.command_id, *effect)
            return None
        fields: dict[str, object] = {"state": picture.state, "detail": effect.detail, "waypoint": effect.waypoint}
        if flight is not None:
            fields["flight_id"] = flight.flight_id
        logbook.note(effect.kind, **{k: v for k, v in fields.items() if v not in (None, "")})
        return self._announce(effect.kind, fields)

    def _guard(self, aircraft: Aircraft, flight: Flight | None) -> None:
        now = self._around.clock()
        self._note_place(aircraft, now)
        if not aircraft.heard and flight is None:
            self._seen_at = now  # nothing flies that anybody knows of, and nothing can be asked yet
            return
        if aircraft.on_ground:
            self._pilot.latched = self._standing = None
            self._left = False
            self._breaches.clear()
            self._noted.clear()
            self._seen_at = now
            self._keep()
            return
        if self._standing is not None and self._standing.code not in self._breaches:
            self._announce_once(self._standing, flight)  # an earlier process was killed before it did
        broken = broken_rules(self._sight(aircraft, flight, now))
        self._broken_since = {breach.code: self._broken_since.get(breach.code, now) for breach in broken}
        for breach in broken:
            if breach.code not in self._breaches and now - self._broken_since[breach.code] >= breach.patience_s:
                self._weigh(breach, aircraft, flight)
        if aircraft.connected:
            self._breaches.discard("autopilot_silent")
            self._go_on(now, aircraft)
        self._keep()

    def _keep(self, patience_s: float = 0.0) -> None:
        """Have what is in force on disk."""
        latched = self._pilot.latched
        held = None if latched is None else InForce(latched, self._standing, frozenset(self._breaches))
        self._pilot.latch.keep(held, patience_s)

    def _note_place(self, aircraft: Aircraft, now: float) -> None:
        """Note when a new place and a charge were told last, and when the aircraft last knew where it is."""
        place_us = aircraft.fix.t_us if aircraft.fix is not None else 0
        if place_us != self._place_us or aircraft.on_ground or not aircraft.connected:
            self._place_us, self._placed_at = place_us, now
        if aircraft.battery_percent is not None or aircraft.on_ground or not aircraft.connected:
            self._charged_at = now
        knows = aircraft.fix is not None and aircraft.gps_fix >= FIX_3D and aircraft.position_good
        if knows or not aircraft.connected:  # heard again, or for the first time, it needs a moment to say where it is
            self._seen_at = now

    def _sight(self, aircraft: Aircraft, flight: Flight | None, now: float) -> Sight:
        route = flight.route if flight is not None else None
        return Sight(
            aircraft,
            route,
            offline_s=self._around.offline_s(),
            blind_s=now - self._seen_at,
            storage_full=self._around.storage_full(),
            limits=self._pilot.limits,
            bodies=self._bodies_of(route, aircraft.home),
            stale_s=now - self._placed_at,
            uncharged_s=now - self._charged_at,
            stored_home=flight.stored_home if flight is not None else None,
            percent_home=self._percent_home(aircraft, flight),
        )

    def _percent_home(self, aircraft: Aircraft, flight: Flight | None) -> float | None:
        """Return what the battery needs home where the way back may be longer than straight; None: straight."""
        retreat = self._pilot.retreat
        if retreat is None or flight is None or flight.homeward or retreat.route is not flight.route:
            return None
        return retreat.percent_of(aircraft, flight.reached, wind_of(aircraft))

    def _weigh(self, breach: Breach, aircraft: Aircraft, flight: Flight | None) -> None:
        """Act upon a broken rule, unless the aircraft does as much already; that it is near the asset is told then too.

        It drifts while it holds, or a pilot steers it.
        """
        if self._state not in _SETTLED.get(breach.action, ()):
            self._answer(breach, aircraft, flight)
        elif breach.action is Action.HOLD and breach.code not in self._noted:
            self._noted.add(breach.code)
            self._announce_breach(breach, flight)

    def _bodies_of(self, route: Route | None, home: GeoPoint | None) -> tuple[Body, ...]:
        """Return the route's solids in metres from home; worked out once, not ten times a second."""
        if route is None or home is None:
            return ()
        known = self._bodies
        if known is None or known[0] is not route or known[1] != home:
            known = self._bodies = route, home, bodies_of(route, home)
        return known[2]

    def _answer(self, breach: Breach, aircraft: Aircraft, flight: Flight | None) -> None:
        if aircraft.by_hand and breach.action is not Action.REPORT:
            words = f"A pilot flies it in mode {aircraft.mode}: nothing is done while they do."
            breach = breach._replace(detail=f"{breach.detail} {words}")
        if breach.action is Action.REPORT:
            self._announce_once(breach, flight)
            return
        if self._pilot.latched is None:
            self._pilot.latched = Refusal(breach.code, breach.detail)
        graver = self._standing is None or _GRAVITY.index(breach.action) > _GRAVITY.index(self._standing.action)
        self._standing = breach if graver else self._standing
        self._keep(_DURABLE_S)  # before it is told or acted upon: a kill in between leaves it to the next process
        self._announce_once(breach, flight)
        self._desk.preempt(f"{breach.code}: {breach.detail}")
        if graver:
            self._act()

    def _announce_once(self, breach: Breach, flight: Flight | None) -> None:
        self._announce_breach(breach, flight)
        self._breaches.add(breach.code)

    def _announce_breach(self, breach: Breach, flight: Flight | None) -> None:
        logbook.warn("safety", code=breach.code, detail=breach.detail, action=breach.action)
        fields: dict[str, object] = {"code": breach.code, "detail": breach.detail, "state": self._state}
        if flight is not None:
            fields["flight_id"] = flight.flight_id
        self._announce(DroneEventKind.SAFETY, fields)

    def _go_on(self, now: float, aircraft: Aircraft) -> None:
        """A hold asked for during a return is a pause of it, not its end; a held aircraft stays held.

        From a pilot nothing is taken, however long they fly it. What they give back is acted upon at once.
        """
        standing = self._standing
        if standing is None or self._state in _SETTLED[standing.action]:
            self._acted_at, self._taken, self._left = now, False, False
        elif aircraft.by_hand:
            self._taken = True
        elif self._taken or self._is_due(standing, now):
            self._taken = self._left = False
            self._act()

    def _is_due(self, standing: Breach, now: float) -> bool:
        """Tell whether a person has held it long enough, or an earlier process was killed before it obeyed."""
        if self._left and self._state not in _SETTLED[Action.HOLD]:
            return True
        return standing.action is not Action.HOLD and now - self._acted_at > HOLD_GRACE_S

    def _act(self) -> None:
        self._acted_at = self._around.clock()
        if self._acting.is_alive() or self._look().by_hand:
            return
        self._acting = threading.Thread(target=self._insist, name="kestrel-safety", daemon=True)
        self._acting.start()

    def _insist(self) -> None:
        """Repeat the action until the autopilot has taken it, or a pilot the aircraft."""
        while (standing := self._standing) is not None and (seen := self._look()).connected and not seen.by_hand:
            if self._state in _SETTLED[standing.action]:
                return
            try:
                self._pilot.act(standing.action)
            except ReturnBlocked as error:  # it holds, and is asked again later
                self._announce_breach(standing._replace(code=error.code, detail=error.message), self._flights.active())
                return
            except PlatformError as error:
                logbook.warn("safety_action_failed", action=standing.action, error=error.message)
                time.sleep(0.5)
            else:
                if standing is self._standing:
                    return
