"""The mission runner: flies stored items one after the other, as ArduCopter's AUTO mode does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_items import ACTIONS, PLACES, act, place
from simulators.autopilot_orbit import circle, join_circle
from simulators.autopilot_pilot import SETTLE_MS, Pilot
from simulators.autopilot_state import Item, Run

Message = Any
"""A pymavlink message: the library has no types."""
Send = Callable[[Message], None]


class Mission:
    """Runs ``state.mission``; item 0 is home and is never flown."""

    def __init__(self, pilot: Pilot, send: Send, geoid_m: float) -> None:
        self._pilot = pilot
        self._send = send
        self._geoid_m = geoid_m
        self.items = pilot.state.mission
        self.state = pilot.state.sequencer

    @property
    def running(self) -> bool:
        """Return whether items are being flown."""
        return self.state.run is Run.RUNNING

    @property
    def starts_with_take_off(self) -> bool:
        """Return whether the first place to go is a take-off."""
        first = next((item for item in self.items[1:] if item.command not in ACTIONS), None)
        return first is not None and first.command == mav.MAV_CMD_NAV_TAKEOFF

    @property
    def mavlink_state(self) -> int:
        """Return MISSION_STATE: 1 none, 2 not started, 3 active, 4 paused, 5 complete."""
        if self.state.run is Run.COMPLETE:
            return int(mav.MISSION_STATE_COMPLETE)
        if len(self.items) < 2:
            return int(mav.MISSION_STATE_NO_MISSION)
        if self.running:
            paused = self._pilot.state.controls.paused
            return int(mav.MISSION_STATE_PAUSED if paused else mav.MISSION_STATE_ACTIVE)
        return int(mav.MISSION_STATE_NOT_STARTED if self.state.seq == 0 else mav.MISSION_STATE_PAUSED)

    def current(self) -> Message:
        """Return MISSION_CURRENT."""
        return mav.MAVLink_mission_current_message(
            self.state.seq, max(0, len(self.items) - 1), self.mavlink_state, int(self.running)
        )

    def start(self) -> None:
        """Begin, or resume at the item that was being flown; a complete mission begins again."""
        restart = self.state.run is Run.COMPLETE or self._pilot.state.params["MIS_RESTART"] == 1
        self.state.run = Run.RUNNING
        self._go(1 if restart or self.state.seq == 0 else self.state.seq)

    def stop(self) -> None:
        """Leave the mission; its place is kept."""
        if self.running:
            self.state.run = Run.STOPPED

    def reset(self) -> None:
        """Forget the place reached; a mission that was completed stays so."""
        self.stop()
        self.state.seq = 0

    def forget(self) -> None:
        """Start over: the list was cleared."""
        self.state.run, self.state.seq = Run.STOPPED, 0

    def jump(self, seq: int) -> bool:
        """Make ``seq`` the current item."""
        if not 0 <= seq < max(1, len(self.items)):
            return False
        if self.running:
            self._go(max(1, seq))
        else:
            self.state.seq, self.state.run = seq, Run.STOPPED
        self._send(self.current())
        return True

    def restart_item(self) -> None:
        """Fly the current item anew: the list has changed under it."""
        if self.running:
            self._go(self.state.seq)

    def tick(self) -> None:
        """Go on to the next item when the current one is done."""
        if not self.running or self._pilot.state.controls.paused:
            return
        if self.state.seq >= len(self.items):
            self._finish()
        elif self._done(self.items[self.state.seq]):
            if self.items[self.state.seq].command != mav.MAV_CMD_NAV_TAKEOFF:
                self._send(mav.MAVLink_mission_item_reached_message(self.state.seq))
            self._go(self.state.seq + 1)

    def _done(self, item: Item) -> bool:
        if item.command in {mav.MAV_CMD_NAV_RETURN_TO_LAUNCH, mav.MAV_CMD_NAV_LAND}:
            return self._pilot.on_ground
        if item.command == mav.MAV_CMD_NAV_TAKEOFF:
            return self._pilot.arrived(0)
        if item.command == mav.MAV_CMD_NAV_LOITER_UNLIM:
            return False
        if item.command == mav.MAV_CMD_NAV_LOITER_TURNS:
            return circle(item, self._pilot, place(item, self._pilot, self._geoid_m))
        return self._pilot.arrived(SETTLE_MS + int(item.p1 * 1000))

    def _go(self, seq: int) -> None:
        """Carry out actions from ``seq`` on, up to the next place to go, and set off to it."""
        while seq < len(self.items) and self.items[seq].command in ACTIONS:
            act(self.items[seq], self._pilot)
            seq += 1
        if seq >= len(self.items):
            self._finish()
            return
        self.state.seq = seq
        self._set_off(self.items[seq])
        self._send(self.current())

    def _set_off(self, item: Item) -> None:
        if item.command == mav.MAV_CMD_NAV_TAKEOFF:
            self._pilot.take_off(place(item, self._pilot, self._geoid_m).up)
        elif item.command == mav.MAV_CMD_NAV_RETURN_TO_LAUNCH:
            self._pilot.return_home()
        elif item.command == mav.MAV_CMD_NAV_LAND:
            self._pilot.land()
        elif item.command == mav.MAV_CMD_NAV_LOITER_TURNS:
            join_circle(item, self._pilot, place(item, self._pilot, self._geoid_m))
        elif item.command in PLACES:
            self._pilot.fly_to(place(item, self._pilot, self._geoid_m))
        else:
            self._pilot.hold()

    def _finish(self) -> None:
        self.state.run, self.state.seq = Run.COMPLETE, 0
        if not self._pilot.on_ground:
            self._pilot.hold()
        self._send(self.current())
