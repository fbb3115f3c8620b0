"""A field acceptance flight: nothing but an autopilot, every step a row with what the autopilot said.

No cloud, no certificates, no configuration: it shows that this aircraft does what the agent will ask of it. It flies
a small square at a stated height beside its home, so it needs a free sky of about 40 m around it and a person who
watches. A step that fails ends the flight: the aircraft is brought home, and the rest is reported as not flown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from contracts.errors import PlatformError
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Fence, Route, Waypoint, WaypointAction
from edge.aircraft import RALLY_CAPABILITY, Aircraft
from edge.enclosure import rally_item
from edge.itinerary import Item, itinerary_of
from edge.procedures import Autopilot, Procedures, on_mission
from edge.refusals import AutopilotRefused, AutopilotSilent, NoEffect, NotReady
from edge.safety import Limits, Start, check_route

_CONTACT_S = 30.0
_READY_S = 120.0
_LEG_S = 120.0
_DOWN_S = 240.0
_FENCE_RADIUS_M = 120.0
_ROOM_ABOVE_M = 30.0
_LIMITS = Limits(20.0, None, 0.0, 200.0)
_CORNERS = ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
DETOUR = (28.0, 10.0)
"""East and north of home, metres."""


class FieldAutopilot(Autopilot, Protocol):
    """What the exercise asks of an autopilot beyond what a flight does."""

    def readiness(self) -> list[str]:
        """Return the reasons against arming."""

    def said(self, since: float) -> list[str]:
        """Return the autopilot's texts since a monotonic instant."""

    def store_rally(self, items: tuple[Item, ...]) -> None:
        """Store rally points and read them back."""

    def clear_rally(self) -> None:
        """Remove all rally points."""

    def set_link_loss(self) -> list[str]:
        """Set the autopilot's own action on a lost ground station."""


class Row(NamedTuple):
    """One step."""

    step: str
    passed: bool
    detail: str
    said: tuple[str, ...]
    """The autopilot's own words during it."""
    seconds: float


Step = tuple[str, Callable[[], str]]


class Exercise:
    """The flight, step by step."""

    def __init__(self, autopilot: FieldAutopilot, altitude_m: float) -> None:
        self._autopilot = autopilot
        self._moves = Procedures(autopilot)
        self._altitude_m = altitude_m
        self._stop = threading.Event()
        self._plan: tuple[Route, GeoPoint] | None = None

    def run(self, tell: Callable[[Row], None]) -> list[Row]:
        """Fly; every row is told when it is known."""
        rows: list[Row] = []
        failed = False
        for name, step in self._steps():
            row = Row(name, False, "not flown: an earlier step failed", (), 0.0) if failed else self._try(name, step)
            if not row.passed and not failed:
                failed = True
                tell(row)
                rows.append(row)
                row = self._try("come home", self._come_home)
            tell(row)
            rows.append(row)
        return rows

    def _steps(self) -> Iterator[Step]:
        yield "handshake", self._handshake
        yield "readiness", self._ready
        yield "link loss", lambda: ", ".join(self._autopilot.set_link_loss())
        yield "fence", self._fence
        yield "rally point", self._rally
        yield "mission", self._mission
        yield "arm and take off", self._take_off
        yield "start", self._start
        yield "pause", self._pause
        yield "resume", self._resume
        yield "adjust", self._adjust
        yield "return", self._return
        yield "land", self._land

    def _try(self, name: str, step: Callable[[], str]) -> Row:
        started = time.monotonic()
        try:
            detail, passed = step(), True
        except PlatformError as error:
            detail, passed = str(error), False
        said = tuple(self._autopilot.said(started))
        return Row(name, passed, detail, said, round(time.monotonic() - started, 1))

    def _handshake(self) -> str:
        self._wait(lambda a: a.connected, _CONTACT_S, "heartbeat")
        aircraft = self._autopilot.look()
        if not aircraft.on_ground:
            raise NotReady(f"The aircraft is in the air or armed, in mode {aircraft.mode}.", hint="Land and disarm it.")
        self._patiently(lambda a: a.version != "", 3.0)
        version = self._autopilot.look().version or "of unknown version"
        return f"{aircraft.autopilot} {version}, mode {aircraft.mode}, battery {aircraft.battery_percent} %"

    def _ready(self) -> str:
        """Wait like a person would: a cold start takes 40 s and more."""
        deadline, reasons = time.monotonic() + _READY_S, ["no answer"]
        while reasons:
            reasons = self._reasons()
            if reasons and time.monotonic() > deadline:
                raise NotReady(" ".join(reasons), hint="Mend what the autopilot names.")
            if reasons:
                self._stop.wait(1.0)
        self._wait(lambda a: a.home is not None and a.fix is not None, 20.0, "position and home")
        aircraft = self._autopilot.look()
        return f"GPS fix {aircraft.gps_fix}, {aircraft.satellites} satellites, estimator flags {aircraft.ekf_flags}"

    def _reasons(self) -> list[str]:
        """Ask in the mode from which it will be armed: what is ready in another mode need not be in this one."""
        try:
            self._autopilot.set_mode("GUIDED")
        except AutopilotRefused as error:  # it is still starting
            return [error.message]
        return self._autopilot.readiness()

    def _route(self) -> tuple[Route, GeoPoint]:
        if self._plan is None:
            home = self._autopilot.look().home
            if home is None:
                raise NotReady("The autopilot has no home.")
            self._plan = square_at(home, self._altitude_m), home
        return self._plan

    def _fence(self) -> str:
        route, home = self._route()
        check_route(route, home, Start(Enu(0.0, 0.0, self._altitude_m)), _LIMITS)
        self._moves.store_fence(route, self._stop)
        return (
            f"circle of {route.fence.radius_m:.0f} m, ceiling {route.fence.max_alt_rel_m:.0f} m: read back, switched on"
        )

    def _rally(self) -> str:
        capabilities = self._autopilot.look().capabilities
        if capabilities is not None and not capabilities & RALLY_CAPABILITY:
            return "the autopilot keeps no rally points: nothing to do"
        self._autopilot.store_rally((rally_item(self._route()[1], round(self._altitude_m)),))
        self._autopilot.clear_rally()
        return "1 stored, read back and removed"

    def _mission(self) -> str:
        route, home = self._route()
        self._moves.store_route(route, home, 0, self._stop)
        return f"{len(itinerary_of(route, home).items)} items stored and read back"

    def _take_off(self) -> str:
        self._moves.take_off(self._altitude_m, self._stop)
        return f"{self._altitude_m:.0f} m above home"

    def _start(self) -> str:
        self._moves.start_mission(self._stop)
        self._until_waypoint(0)
        return "first waypoint reached"

    def _pause(self) -> str:
        self._patiently(_flies_along, 10.0)
        self._moves.pause(self._stop)
        self._wait(_stands_still, 20.0, "standstill")
        return f"standing, mode {self._autopilot.look().mode}"

    def _resume(self) -> str:
        self._moves.go_on(self._stop)
        self._wait(lambda a: on_mission(a) and not _stands_still(a), 20.0, "motion")
        return "going on"

    def _adjust(self) -> str:
        """A detour behind the first waypoint, stored in flight and flown to its end."""
        route, home = self._route()
        looks = waypoint_at(home, 0, DETOUR, self._altitude_m)
        changed = route.with_detour(0, (looks,))
        place = self._autopilot.look()
        here = Enu(0.0, 0.0, self._altitude_m) if place.fix is None else LocalFrame(home).to_enu(place.fix.point)
        check_route(changed, home, Start(here, 1), _LIMITS)
        self._moves.hold(self._stop)
        self._moves.store_route(changed, home, 1, self._stop)
        self._plan = changed, home
        self._moves.start_mission(self._stop)
        self._until_waypoint(1, first=1)
        return f"changed route of {len(changed.waypoints)} waypoints stored and read back; its detour is flown"

    def _return(self) -> str:
        self._moves.leave("RTL", self._stop)
        self._wait(lambda a: a.on_ground or _near_home(a), _DOWN_S, "arrival above home")
        return "above home"

    def _land(self) -> str:
        self._moves.leave("LAND", self._stop)
        self._wait(lambda a: a.on_ground, _DOWN_S, "landing and disarming")
        return "on the ground, motors off"

    def _come_home(self) -> str:
        """After a failed step: nothing may stay in the air."""
        if self._autopilot.look().on_ground:
            return "it stands on the ground"
        self._moves.leave("RTL", self._stop)
        self._wait(lambda a: a.on_ground, _DOWN_S, "landing")
        return "returned and landed"

    def _until_waypoint(self, index: int, first: int = 0) -> None:
        route, home = self._route()
        item = itinerary_of(route, home, first).item_of_waypoint[index - first]
        self._wait(lambda a: a.reached_seq >= item or a.mission_seq > item, _LEG_S, f"waypoint {index}")

    def _patiently(self, reached: Callable[[Aircraft], bool], timeout_s: float) -> None:
        """Wait for what is welcome and not needed."""
        deadline = time.monotonic() + timeout_s
        while not reached(self._autopilot.look()) and time.monotonic() < deadline:
            self._stop.wait(0.05)

    def _wait(self, reached: Callable[[Aircraft], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached(aircraft := self._autopilot.look()):
            if aircraft.heard and not aircraft.connected:
                raise AutopilotSilent(f"The autopilot fell silent while waiting for {what}.", hint="Check its power.")
            if time.monotonic() > deadline:
                if not aircraft.connected:
                    raise AutopilotSilent(f"No {what} within {timeout_s:.0f} s.", hint="Check address, link and power.")
                raise NoEffect(f"No {what} within {timeout_s:.0f} s; mode {aircraft.mode}, armed {aircraft.armed}.")
            self._stop.wait(0.05)


def square_at(home: GeoPoint, altitude_m: float, side_m: float = 20.0, speed_mps: float = 4.0) -> Route:
    """Return three sides of a square beside home, filmed on its middle side."""
    actions = (WaypointAction.START_VIDEO, WaypointAction.STOP_VIDEO, WaypointAction.NONE)
    waypoints = tuple(
        waypoint_at(home, seq, (east * side_m, north * side_m), altitude_m, action, speed_mps)
        for seq, ((east, north), action) in enumerate(zip(_CORNERS, actions, strict=True))
    )
    return Route(
        plan_id="exercise",
        version=1,
        asset_id="exercise",
        pattern="exercise",
        home=home,
        standoff_m=10.0,
        fence=Fence(centre=home, radius_m=_FENCE_RADIUS_M, max_alt_rel_m=altitude_m + _ROOM_ABOVE_M),
        waypoints=waypoints,
    )


def waypoint_at(
    home: GeoPoint,
    seq: int,
    place: tuple[float, float],
    altitude_m: float,
    action: WaypointAction = WaypointAction.NONE,
    speed_mps: float = 4.0,
) -> Waypoint:
    """Return a waypoint metres east and north of home that looks north."""
    point = LocalFrame(home).to_geo(Enu(*place, altitude_m))
    return Waypoint(
        seq=seq, point=point, speed_mps=speed_mps, camera_yaw_deg=0.0, camera_pitch_deg=-20.0, action=action
    )


def _stands_still(aircraft: Aircraft) -> bool:
    fix = aircraft.fix
    return fix is not None and max(abs(fix.vel_east_mps), abs(fix.vel_north_mps), abs(fix.vel_up_mps)) < 0.6


def _flies_along(aircraft: Aircraft) -> bool:
    fix = aircraft.fix
    return fix is not None and max(abs(fix.vel_east_mps), abs(fix.vel_north_mps)) > 1.5


def _near_home(aircraft: Aircraft) -> bool:
    if aircraft.fix is None or aircraft.home is None:
        return False
    east, north, _ = LocalFrame(aircraft.home).to_enu(aircraft.fix.point)
    return max(abs(east), abs(north)) < 3.0
