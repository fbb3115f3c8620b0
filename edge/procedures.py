"""The moves a flight is made of, each on the autopilot with its effect seen; given up at once when ``stop`` is set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from contracts.errors import PlatformError
from contracts.geo import GeoPoint
from contracts.routes import Route
from edge import logbook
from edge.aircraft import (
    FENCE_CAPABILITY,
    HOLDING_MODES,
    READY_MODES,
    STILL_MODES,
    TAKE_OFF_MODES,
    Aircraft,
    MissionState,
)
from edge.enclosure import fence_items
from edge.itinerary import Item, itinerary_of
from edge.refusals import AutopilotSilent, NoEffect, Preempted
from edge.returns import Habit

ARM, MISSION_START, PAUSE_CONTINUE = 400, 300, 193
ARM_PATIENCE_S = 60.0
_MODE_S = 5.0
_STILL_S = 4.0
"""Longer than braking from the fastest leg takes; in a gale it sways on."""
_REACH_S = 10.0
"""How long a safety command tries to reach a silent autopilot."""


class Autopilot(Protocol):
    """What flies the aircraft."""

    def look(self) -> Aircraft:
        """Return the latest picture."""

    def command(self, number: int, *params: float) -> None:
        """Send a COMMAND_LONG and wait for its acknowledgement; AutopilotRefused says why not."""

    def set_mode(self, mode: str) -> None:
        """Ask for a flight mode; the picture shows when it is in force."""

    def take_off(self, altitude_m: float) -> None:
        """Climb straight up to a height above home."""

    def upload(self, items: tuple[Item, ...], stop: threading.Event) -> None:
        """Store a mission to be flown from its start, and read it back; AutopilotRefused when it differs."""

    def store_fence(self, items: tuple[Item, ...], ceiling_m: float, stop: threading.Event) -> None:
        """Store a fence, read it back, switch it on."""

    def learn_habit(self) -> Habit:
        """Ask how it returns by itself; the picture shows it from then on."""


class Procedures:
    """Runs moves on one autopilot, in one thread at a time."""

    def __init__(self, autopilot: Autopilot) -> None:
        self._autopilot = autopilot

    def store_fence(self, route: Route, stop: threading.Event) -> None:
        """Give the autopilot the route's fence, where it can keep one: a second guard that needs no agent.

        Raises:
            PlatformError: Refused, or it reads back differently.

        """
        capabilities = self._autopilot.look().capabilities
        if capabilities is not None and not capabilities & FENCE_CAPABILITY:
            logbook.note("fence_not_stored", why="the autopilot keeps no fence")
            return
        heed(stop)
        self._autopilot.store_fence(fence_items(route.fence), route.fence.max_alt_rel_m, stop)

    def store_route(self, route: Route, home: GeoPoint, first: int, stop: threading.Event) -> None:
        """Store the mission from waypoint ``first`` on; a mission under way is left before it is overwritten.

        Raises:
            PlatformError: Refused, or it reads back differently: the stored mission is then a mix, fly none of it.

        """
        heed(stop)
        aircraft = self._autopilot.look()
        if aircraft.mode == "AUTO" and not aircraft.on_ground:
            self.hold(stop)
        self._autopilot.upload(itinerary_of(route, home, first, gimbal_turns=aircraft.gimbal_turns).items, stop)

    def fly_back(self, items: tuple[Item, ...], stop: threading.Event) -> None:
        """Fly another mission than the route's, from where it stands still: one that leads home.

        Raises:
            PlatformError: It was not stored whole, or does not begin.

        """
        ours = frozenset({self._autopilot.look().mode})
        self._autopilot.upload(items, stop)
        self.start_mission(stop, ours)

    def take_off(self, altitude_m: float, stop: threading.Event, arm_patience_s: float = ARM_PATIENCE_S) -> None:
        """Arm and climb.

        Raises:
            PlatformError: With the autopilot's reasons.

        """
        self.get_armed(stop, arm_patience_s)
        self.climb(altitude_m, stop)

    def get_armed(self, stop: threading.Event, patience_s: float = ARM_PATIENCE_S) -> None:
        """Arm in the mode that a take-off starts from.

        Raises:
            PlatformError: With the autopilot's reasons.

        """
        heed(stop)
        self._autopilot.set_mode("GUIDED")
        self.until(lambda a: a.mode in READY_MODES, _MODE_S, stop, "mode GUIDED")
        self.arm(stop, patience_s)
        heed(stop)

    def climb(self, altitude_m: float, stop: threading.Event) -> None:
        """Climb an armed aircraft; done when it climbs no more, so that the next command finds it holding.

        Raises:
            Preempted: ``stop`` was set, or it is in another mode than a take-off's: somebody else has it.
            PlatformError: With the autopilot's reasons.

        """
        self._autopilot.take_off(altitude_m)

        def up(aircraft: Aircraft) -> bool:
            self.require_control()
            return height_m(aircraft) >= 0.95 * altitude_m and not aircraft.climbing

        self.until(up, 20.0 + 2.0 * altitude_m, stop, f"{altitude_m:.0f} m")

    def require_control(self, ours: frozenset[str] = TAKE_OFF_MODES) -> None:
        """Let pass an aircraft in a mode that was asked for, those of a take-off where no other is said.

        Raises:
            Preempted: Its autopilot by itself, or a pilot with a transmitter, chose another: it is not taken from them.

        """
        if (mode := self._autopilot.look().mode) not in ours:
            raise Preempted(f"The aircraft is in mode {mode}, which was not asked for: somebody else has it.")

    def arm(self, stop: threading.Event, patience_s: float = ARM_PATIENCE_S) -> None:
        """Arm; the estimator needs up to a minute after power-on, so be patient and pass its reasons up.

        Raises:
            PlatformError: With the autopilot's reasons.

        """
        deadline = time.monotonic() + patience_s
        while not self._autopilot.look().armed:
            try:
                self._autopilot.command(ARM, 1)
                self.until(lambda a: a.armed, 3.0, stop, "arming")
            except (Preempted, AutopilotSilent):
                raise
            except PlatformError:
                if time.monotonic() > deadline:
                    raise
                if stop.wait(1.0):
                    raise Preempted("A safety command took over.") from None

    def start_mission(self, stop: threading.Event, ours: frozenset[str] | None = None) -> None:
        """Fly the stored mission, out of one of the modes ``ours`` where they are said.

        Raises:
            Preempted: ``stop`` was set, or it has come into another mode meanwhile: somebody else has it.
            PlatformError: It does not begin.

        """
        heed(stop)
        if ours is not None:
            self.require_control(ours)
        self._autopilot.set_mode("AUTO")
        self._autopilot.command(MISSION_START)
        self.until(on_mission, 10.0, stop, "start of the mission")

    def pause(self, stop: threading.Event) -> None:
        """Stop on the route, so that it can go on from there.

        Raises:
            PlatformError: It does not stop.

        """
        aircraft = self._autopilot.look()
        if aircraft.on_ground or aircraft.mode in HOLDING_MODES:
            return
        if aircraft.mode == "AUTO":
            try:
                self._autopilot.command(PAUSE_CONTINUE, 0)
                self.until(lambda a: a.mission_state is MissionState.PAUSED, 2.0, stop, "pause")
            except Preempted:
                raise
            except PlatformError as error:
                logbook.note("pause_by_mode", why=error.message)
            else:
                return
        self.hold(stop)

    def go_on(self, stop: threading.Event) -> None:
        """Go on with a paused mission.

        Raises:
            PlatformError: It does not go on.

        """
        if self._autopilot.look().mode != "AUTO":
            self._autopilot.set_mode("AUTO")
        else:
            self._autopilot.command(PAUSE_CONTINUE, 1)
        self.until(on_mission, _MODE_S, stop, "the mission going on")

    def hold(self, stop: threading.Event) -> None:
        """Stop where it is; on the ground nothing moves.

        Raises:
            PlatformError: It does not stop.

        """
        self._reach(stop)
        if self._autopilot.look().on_ground:
            return
        self._autopilot.set_mode("HOLD")
        self.until(lambda a: a.mode in HOLDING_MODES or a.on_ground, _MODE_S, stop, "a holding mode")

    def stand_still(self, stop: threading.Event) -> Aircraft:
        """Hold, and return what is seen once it moves no more: the next leg is flown, and checked, from there.

        Raises:
            PlatformError: It does not stop, or ``stop`` was set.

        """
        aircraft = self._autopilot.look()
        if aircraft.moving or aircraft.mode not in STILL_MODES:
            self.hold(stop)
        deadline = time.monotonic() + _STILL_S
        while self._autopilot.look().moving and time.monotonic() < deadline and not stop.wait(0.05):
            continue
        heed(stop)
        return self._autopilot.look()

    def leave(self, mode: str, stop: threading.Event) -> None:
        """Return or land; harmless on the ground, and again and again.

        Raises:
            PlatformError: The mode does not come into force.

        """
        self._reach(stop)
        if self._autopilot.look().on_ground:
            return
        self._autopilot.set_mode(mode)
        self.until(lambda a: a.mode == mode or a.on_ground, _MODE_S, stop, f"mode {mode}")

    def until(self, reached: Callable[[Aircraft], bool], timeout_s: float, stop: threading.Event, what: str) -> None:
        """Wait for an effect.

        Raises:
            Preempted: ``stop`` was set.
            AutopilotSilent: No heartbeat any more.
            NoEffect: The time is up.

        """
        deadline = time.monotonic() + timeout_s
        while True:
            aircraft = self._autopilot.look()
            heed(stop)
            if not aircraft.connected:
                raise AutopilotSilent(f"The autopilot fell silent while waiting for {what}.")
            if reached(aircraft):
                return
            if time.monotonic() > deadline:
                raise NoEffect(f"No {what} within {timeout_s:.0f} s.", hint="The autopilot accepted it; see its texts.")
            stop.wait(0.05)

    def _reach(self, stop: threading.Event) -> None:
        """Wait a while for a silent autopilot; the command that follows says so when it stays silent."""
        deadline = time.monotonic() + _REACH_S
        while not self._autopilot.look().connected and time.monotonic() < deadline and not stop.wait(0.1):
            continue


def heed(stop: threading.Event) -> None:
    """Give up where ``stop`` is set.

    Raises:
        Preempted: It is.

    """
    if stop.is_set():
        raise Preempted("A safety command took over.")


def on_mission(aircraft: Aircraft) -> bool:
    """Tell whether it flies its mission."""
    return aircraft.mode == "AUTO" and aircraft.mission_state is MissionState.ACTIVE


def height_m(aircraft: Aircraft) -> float:
    """Return the height above home."""
    return aircraft.fix.alt_rel_m if aircraft.fix else 0.0
