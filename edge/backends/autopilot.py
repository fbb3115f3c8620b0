"""ArduPilot or PX4 by MAVLink 2: commands with acknowledgement, lists read back, readiness with its own reasons."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from contracts.media import PoseSample
from edge import logbook
from edge.aircraft import Aircraft
from edge.backends import mavlink_dialect as mav
from edge.backends.mavlink_camera import CameraControl
from edge.backends.mavlink_connection import SYSTEM, Connection, Message, next_of
from edge.backends.mavlink_modes import ARDUPILOT, STACKS, Stack
from edge.backends.mavlink_parameters import Parameters
from edge.backends.mavlink_picture import PictureMaker
from edge.backends.mavlink_signing import Seal
from edge.backends.mavlink_streams import Streams
from edge.backends.mavlink_transfer import FENCE, MISSION, RALLY, Transfer, require_same
from edge.failsafes import actions_of_monitors
from edge.itinerary import Item
from edge.refusals import AutopilotRefused, AutopilotSilent, ReadsBackDifferently
from edge.returns import RETURN_PARAMETERS, Habit, habit_of

_ACK_TIMEOUT_S = 1.0
_START_S = 2.0
_NAV_LAST = 95
"""MAV_CMD_NAV_LAST: a mission's places to fly to have lower numbers, its other actions higher ones."""
_TRIES = 8
_UPLOADS = 3
"""How often a list that reads back differently (a lost packet at its end) is sent."""
_LISTEN_TO_REASONS_S = 0.7
"""How long the texts after a refusal are waited for, and how long for one more of them."""
_NEXT_REASON_S = 0.15
_CHOOSE_S = 2.0
"""How long a lower system id may still take the place of the first that was heard."""
_LOWEST = 1
"""No aircraft has a lower system id; 0 means everybody."""
_FROM_ANYBODY = frozenset({"CAMERA_INFORMATION", "GIMBAL_MANAGER_INFORMATION", "GIMBAL_DEVICE_ATTITUDE_STATUS"})
"""What a camera or gimbal of its own component says; everything else counts from the autopilot only."""
_PROMPT = "PreArm: "


class MavlinkAutopilot:
    """The aircraft. Methods block; call them from one executor thread."""

    def __init__(
        self,
        url: str,
        on_pose: Callable[[PoseSample], None],
        geoid_m: float | None,
        seal: Seal | None = None,
        system: int | None = None,
    ) -> None:
        """``system`` is the aircraft's own; without it the lowest that is heard in the first two seconds is taken.

        Whose aircraft it is never changes afterwards: when ours falls silent, another on the link is not commanded.
        """
        self._maker = PictureMaker(on_pose, geoid_m)
        self._connection = Connection(url, self._take, self._idle, seal)
        self._streams = Streams(self._connection)
        self._target: tuple[int, int] | None = None
        self._system = system
        self._chosen_at = 0.0
        self._stack = STACKS[ARDUPILOT]
        self._lock = threading.RLock()
        self._parameters = Parameters(self._connection, self._goal, lambda: self._stack.bytewise_params)
        self.camera = CameraControl(self.command, self.look)

    def start(self) -> None:
        """Open the wire and listen.

        Raises:
            Unavailable: The port is taken.

        """
        self._connection.start()

    def stop(self) -> None:
        """Stop listening."""
        self._connection.stop()

    def look(self) -> Aircraft:
        """Return the latest picture."""
        return self._maker.picture

    def said(self, since: float, worst_severity: int = mav.MAV_SEVERITY_DEBUG) -> list[str]:
        """Return the autopilot's texts since a monotonic instant."""
        return self._connection.texts(since, worst_severity)

    def command(self, number: int, *params: float) -> None:
        """Send a COMMAND_LONG, repeat it on silence, and return when it was accepted.

        Raises:
            AutopilotSilent: No acknowledgement.
            AutopilotRefused: With the autopilot's own reasons.

        """
        values = (*params, *([0.0] * (7 - len(params))))
        asked_at = time.monotonic()
        with self._lock, self._connection.hear("COMMAND_ACK") as answers:
            for confirmation in range(_TRIES):
                target = self._goal()
                self._connection.send("command_long_encode", *target, number, confirmation, *values)
                result = self._ack_of(number, target[0], answers)
                if result == mav.MAV_RESULT_ACCEPTED:
                    return
                if result is None:
                    continue
                if result == mav.MAV_RESULT_TEMPORARILY_REJECTED and confirmation < _TRIES - 1:
                    self._connection.rest(0.3)
                    continue
                why = self._reasons(asked_at)
                raise AutopilotRefused(f"Command {number}: {_result_name(result)}. {why}".strip())
        raise AutopilotSilent(f"Command {number} was not acknowledged in {_TRIES} tries.", hint="Check the wire.")

    def set_mode(self, mode: str) -> None:
        """Ask for a flight mode by name (a word of ``edge.aircraft``, or the autopilot's own).

        Raises:
            AutopilotRefused: The mode is unknown or refused.

        """
        params = self._stack.params_of(mode)
        if params is None:
            raise AutopilotRefused(f"{self._stack.name} has no mode {mode}.")
        self.command(mav.MAV_CMD_DO_SET_MODE, mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, *params)

    def take_off(self, altitude_m: float) -> None:
        """Climb straight up to a height above home.

        Raises:
            AutopilotRefused: With the autopilot's own reasons.

        """
        if not self._stack.take_off_above_sea:
            self.command(mav.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, altitude_m)
            return
        aircraft = self.look()
        if aircraft.home_sea_level_m is None:
            raise AutopilotRefused("The autopilot has not said how high its home is above the sea.")
        here = math.nan
        self.command(mav.MAV_CMD_NAV_TAKEOFF, -1, 0, 0, here, here, here, aircraft.home_sea_level_m + altitude_m)

    def readiness(self) -> list[str]:
        """Return the reasons against arming: its own pre-arm texts, estimator, position. Empty when it is ready."""
        aircraft, asked_at = self.look(), time.monotonic()
        reasons = []
        if aircraft.gps_fix < 3:
            reasons.append(f"GPS fix {aircraft.gps_fix} of 3, {aircraft.satellites} satellites.")
        if not aircraft.position_good:
            reasons.append(f"The position estimate is not ready (estimator flags {aircraft.ekf_flags}).")
        try:
            self.command(mav.MAV_CMD_RUN_PREARM_CHECKS)
        except (
            AutopilotRefused
        ):  # PX4 before 1.14 and ArduPilot before 4.1 do not know it; the bit below is all there is
            reasons += [] if aircraft.prearm_ok is not False else ["The pre-arm checks fail."]
            return reasons
        self._connection.rest(_LISTEN_TO_REASONS_S)
        said = self.said(asked_at, mav.MAV_SEVERITY_WARNING)
        return reasons + [text for text in said if text.startswith(_PROMPT) or "reflight" in text]

    def upload(self, items: tuple[Item, ...], stop: threading.Event | None = None) -> None:
        """Store a mission whose item 0 is home, read it back and compare; ``stop`` makes it give up at once.

        Raises:
            Preempted: ``stop`` was set; what is stored now is a mix.
            AutopilotRefused: Refused, or what was read back differs.
            AutopilotSilent: The exchange broke off.

        """
        first = 1 if self._stack.home_is_item_0 else 0
        flown = items if first else items[1:]
        self._replace(MISSION, flown, first, stop)
        self._go_to_start(first, next(seq for seq in range(first, len(flown)) if flown[seq].command <= _NAV_LAST))
        self._maker.forget_progress()

    def store_fence(self, items: tuple[Item, ...], ceiling_m: float, stop: threading.Event | None = None) -> None:
        """Store the fence's shapes and height, read them back, switch it on with a return on breach.

        Raises:
            Preempted: ``stop`` was set.
            AutopilotRefused: Refused, differs when read back, or cannot be switched on.
            AutopilotSilent: The exchange broke off.

        """
        self._replace(FENCE, items, 0, stop)
        for name, value in {self._stack.fence_ceiling: ceiling_m, **self._stack.fence_on}.items():
            if not self._parameters.put(name, value):
                raise AutopilotRefused(f"{self._stack.name} has no parameter {name}; its fence cannot be switched on.")

    def store_rally(self, items: tuple[Item, ...]) -> None:
        """Store rally points and read them back.

        Raises:
            AutopilotRefused: Refused, or what was read back differs.

        """
        self._replace(RALLY, items, 0)

    def clear_rally(self) -> None:
        """Remove all rally points.

        Raises:
            AutopilotRefused: With the autopilot's result.

        """
        with self._lock:
            Transfer(self._connection, self._goal, RALLY).clear()

    def set_link_loss(self) -> list[str]:
        """Make the autopilot come home by itself when its ground station is lost; return what was set.

        Raises:
            AutopilotRefused: A parameter does not hold, or our heartbeats would count as the ground station's.

        """
        for name in self._stack.ground_station_id:
            station = self._parameters.get(name)
            if station is not None and station != SYSTEM:
                break
            if station == SYSTEM:
                raise AutopilotRefused(
                    f"{name} is {SYSTEM}, this agent's own id: it would hide the loss of the real ground station.",
                    hint=f"Set {name} to the ground station's id (255).",
                )
        wanted = {name: self._at_least(name, value) for name, value in self._stack.link_loss.items()}
        put = [f"{k}={v:g}" for k, v in wanted.items() if self._parameters.put(k, v)]
        if not put:
            raise AutopilotRefused(f"{self._stack.name} knows none of {', '.join(self._stack.link_loss)}.")
        for name, bit in self._stack.link_loss_bits.items():
            options = self._parameters.get(name)
            if options is not None and int(options) & bit:
                self._parameters.put(name, float(int(options) & ~bit))
                put.append(f"{name} without bit {bit}")
        return put

    def _at_least(self, name: str, value: float) -> float:
        """Return what a parameter is where that is no less than the value wanted: an owner's choice, or a flight's."""
        known = self._parameters.get(name)
        return value if known is None or known not in self._stack.as_good.get(name, ()) else known

    def learn_habit(self) -> Habit:
        """Ask how it returns by itself; the picture shows it from then on.

        Raises:
            AutopilotSilent: No heartbeat.

        """
        name = self._stack.name
        told = self._parameters.several(RETURN_PARAMETERS[name])
        told |= self._parameters.several(actions_of_monitors(told))
        habit = habit_of(name, told)
        self._maker.learn(habit)
        return habit

    def parameter(self, name: str) -> float | None:
        """Return a parameter; None where the autopilot has none of this name."""
        return self._parameters.get(name)

    def put_parameter(self, name: str, value: float) -> bool:
        """Set a parameter and see it hold; False where there is none of this name.

        Raises:
            AutopilotRefused: It stays at another value.

        """
        return self._parameters.put(name, value)

    def _go_to_start(self, first: int, leg: int) -> None:
        """Make the first item the current one: an earlier mission's number stays in force otherwise.

        ArduPilot names item ``leg`` then, the first that is a place to fly to. What it had said before the change may
        still come, so its word is waited for.
        """
        with self._lock, self._connection.hear("MISSION_CURRENT") as told:
            try:
                self.command(mav.MAV_CMD_DO_SET_MISSION_CURRENT, first, 1)
            except AutopilotRefused:  # autopilots before this command know the message only
                self._connection.send("mission_set_current_encode", *self._goal(), first)
            deadline = time.monotonic() + _START_S
            while (current := next_of(told, deadline - time.monotonic())) is not None:
                if current.get_srcSystem() == self._goal()[0] and current.seq <= leg:
                    return
        raise AutopilotSilent("The autopilot does not say that the mission's first item is the current one.")

    def _replace(self, kind: int, items: tuple[Item, ...], first: int, stop: threading.Event | None = None) -> None:
        with self._lock:
            transfer = Transfer(self._connection, self._goal, kind, stop)
            for left in reversed(range(_UPLOADS)):
                transfer.store(items)
                try:
                    require_same(kind, items, transfer.read_back(), first)
                except ReadsBackDifferently as error:
                    if not left:
                        raise
                    logbook.warn("upload_differs", kind=kind, error=error.message)
                else:
                    return

    def _ack_of(self, number: int, system: int, answers: queue.Queue[Message]) -> int | None:
        deadline = time.monotonic() + _ACK_TIMEOUT_S
        while (answer := next_of(answers, deadline - time.monotonic())) is not None:
            for_us = getattr(answer, "target_system", 0) in (0, SYSTEM)
            if answer.command != number or answer.get_srcSystem() != system or not for_us:
                continue
            if answer.result == mav.MAV_RESULT_IN_PROGRESS:
                deadline = time.monotonic() + 10.0
                continue
            return int(answer.result)
        return None

    def _goal(self) -> tuple[int, int]:
        if self._target is None or not self.look().connected:
            silent = "The autopilot is silent." if self.look().heard else "No autopilot has been heard yet."
            raise AutopilotSilent(silent, hint="Check its link and power.")
        return self._target

    def _reasons(self, since: float) -> str:
        """Return what it said since, with the texts that follow a refusal: ArduPilot answers first, then explains."""
        until, said = time.monotonic() + _LISTEN_TO_REASONS_S, self.said(since)
        while time.monotonic() < until:
            self._connection.rest(_NEXT_REASON_S)
            before, said = said, self.said(since)
            if said and said == before:
                break
        return " ".join(said)

    def _take(self, message: Any) -> None:
        sender = (message.get_srcSystem(), message.get_srcComponent())
        stack = _stack_of(message)
        if stack is not None and self._is_ours(sender):
            self._stack = stack
            if not self._maker.picture.connected:
                self._streams.ask_again()
        if not self._concerns_us(sender, message.get_type()):
            return
        self._streams.take(message)
        self._maker.take(message)

    def _is_ours(self, sender: tuple[int, int]) -> bool:
        """Tell whether an autopilot is our aircraft's; settle on one at first."""
        known, now = self._target, time.monotonic()
        if sender == known:
            return True
        if self._system not in (None, sender[0]):
            return False
        if known is not None and (self._is_settled(known[0]) or sender >= known):
            return False
        logbook.note("autopilot_found", system=sender[0], component=sender[1])
        self._chosen_at = now if known is None else self._chosen_at
        self._target = sender
        self._maker.forget()
        return True

    def _concerns_us(self, sender: tuple[int, int], kind: str) -> bool:
        """Tell whether a message is of our aircraft: other vehicles and their autopilots share a link."""
        if self._target is None or not self._is_settled(self._target[0]):
            return False
        return sender == self._target or (sender[0] == self._target[0] and kind in _FROM_ANYBODY)

    def _is_settled(self, system: int) -> bool:
        """Tell whether no lower aircraft can still come; until then ours counts as silent, so nothing is sent to it."""
        return system in (self._system, _LOWEST) or time.monotonic() > self._chosen_at + _CHOOSE_S

    def _idle(self) -> None:
        if self._target is not None and self._is_settled(self._target[0]):
            self._streams.keep_coming(self._target)


def _stack_of(message: Message) -> Stack | None:
    """Return the stack that a HEARTBEAT belongs to; None for other messages, ground stations, cameras, companions."""
    return STACKS.get(message.autopilot) if message.get_type() == "HEARTBEAT" else None


def _result_name(result: int) -> str:
    entry = mav.enums["MAV_RESULT"].get(result)
    return entry.name.removeprefix("MAV_RESULT_").lower() if entry else str(result)
