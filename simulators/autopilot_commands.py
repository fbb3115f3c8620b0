"""MAV_CMD commands: what each does, and the COMMAND_ACK it earns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_items import ACTIONS, act, place
from simulators.autopilot_modes import LAND, RTL, Commander
from simulators.autopilot_stack import ARDUPILOT, Stack
from simulators.autopilot_state import Item
from simulators.autopilot_streams import Streams

ACCEPTED: Final = int(mav.MAV_RESULT_ACCEPTED)
DENIED: Final = int(mav.MAV_RESULT_DENIED)
UNSUPPORTED: Final = int(mav.MAV_RESULT_UNSUPPORTED)
FAILED: Final = int(mav.MAV_RESULT_FAILED)
_FORCE: Final = 21196
_PICTURE_GAP_MS: Final = 100
_NOT_PX4: Final = frozenset({mav.MAV_CMD_DO_PAUSE_CONTINUE, mav.MAV_CMD_DO_SET_MISSION_CURRENT})


def item_of(message: Any) -> Item:
    """Return a COMMAND_LONG, COMMAND_INT or mission item message as an item; places in degrees times 1e7."""
    if message.get_type() == "COMMAND_LONG":
        x, y = _scaled(message.command, message.param5), _scaled(message.command, message.param6)
        z, frame = message.param7, mav.MAV_FRAME_GLOBAL_RELATIVE_ALT
    else:
        x, y, z, frame = message.x, message.y, message.z, message.frame
        if message.get_type() == "MISSION_ITEM":
            x, y = _scaled(message.command, x), _scaled(message.command, y)
    params = message.param1, message.param2, message.param3, message.param4
    return Item(message.command, frame, *params, x, y, z, getattr(message, "autocontinue", 1))


def _scaled(command: int, value: float) -> int:
    """Return parameter 5 or 6 as the integer form carries it: places times 1e7, others as they are."""
    if not math.isfinite(value):
        return 0
    return round(value if command in ACTIONS else value * 1e7)


class Commands:
    """Carries out one command and says how it went."""

    def __init__(self, commander: Commander, streams: Streams, geoid_m: float, stack: Stack = ARDUPILOT) -> None:
        self._commander = commander
        self._stack = stack
        self._streams = streams
        self._geoid_m = geoid_m
        self._picture_ms = -_PICTURE_GAP_MS
        self._table: dict[int, Callable[[Item], int]] = {
            mav.MAV_CMD_COMPONENT_ARM_DISARM: self._arm,
            mav.MAV_CMD_DO_SET_MODE: lambda item: _result(commander.set_mode(stack.asked_mode(item.p2, item.p3))),
            mav.MAV_CMD_NAV_TAKEOFF: self._take_off,
            mav.MAV_CMD_NAV_RETURN_TO_LAUNCH: lambda _: _result(commander.set_mode(RTL)),
            mav.MAV_CMD_NAV_LAND: lambda _: _result(commander.set_mode(LAND)),
            mav.MAV_CMD_MISSION_START: lambda _: _result(commander.start_mission()),
            mav.MAV_CMD_DO_PAUSE_CONTINUE: lambda item: _result(commander.pause(go_on=int(item.p1) == 1)),
            mav.MAV_CMD_DO_SET_MISSION_CURRENT: lambda item: _result(commander.mission.jump(int(item.p1))),
            mav.MAV_CMD_DO_REPOSITION: self._reposition,
            mav.MAV_CMD_DO_FENCE_ENABLE: self._enable_fence,
            mav.MAV_CMD_RUN_PREARM_CHECKS: self._prearm,
            mav.MAV_CMD_SET_MESSAGE_INTERVAL: self._interval,
            mav.MAV_CMD_REQUEST_MESSAGE: self._request,
            mav.MAV_CMD_GET_HOME_POSITION: lambda _: self._streams.send_now(mav.MAVLINK_MSG_ID_HOME_POSITION),
            mav.MAV_CMD_IMAGE_START_CAPTURE: self._picture,
        }

    def run(self, item: Item) -> int:
        """Return the MAV_RESULT of carrying out ``item``."""
        if item.command in ACTIONS:
            return _result(act(item, self._commander.pilot))
        action = self._table.get(item.command)
        if action is None or (self._stack.px4 and item.command in _NOT_PX4):
            return UNSUPPORTED
        return action(item)

    def _take_off(self, item: Item) -> int:
        """ArduCopter's height is above home, PX4's above the sea."""
        sea_m = self._commander.pilot.home.alt_m - self._geoid_m
        return _result(self._commander.take_off(item.z - sea_m if self._stack.px4 else item.z))

    def _arm(self, item: Item) -> int:
        force = int(item.p2) == _FORCE
        if int(item.p1) == 1:
            return _result(self._commander.arm(force=force))
        return _result(self._commander.disarm(force=force))

    def _reposition(self, item: Item) -> int:
        if abs(item.x) > 900_000_000 or abs(item.y) > 1_800_000_000 or not math.isfinite(item.z):
            return DENIED
        if item.p1 > 0:
            self._commander.pilot.set_speed(item.p1)
        frame = mav.MAV_FRAME_GLOBAL_RELATIVE_ALT if item.frame in {3, 6} else mav.MAV_FRAME_GLOBAL
        target = place(item._replace(frame=frame), self._commander.pilot, self._geoid_m)
        change_mode = bool(int(item.p2) & mav.MAV_DO_REPOSITION_FLAGS_CHANGE_MODE)
        return _result(self._commander.reposition(target, change_mode=change_mode))

    def _enable_fence(self, item: Item) -> int:
        if int(item.p1) not in {0, 1}:
            return FAILED
        self._commander.state.params["FENCE_ENABLE"] = int(item.p1)
        return ACCEPTED

    def _prearm(self, _: Item) -> int:
        for reason in self._commander.not_ready():
            self._commander.say(f"PreArm: {reason}", mav.MAV_SEVERITY_CRITICAL)
        return ACCEPTED

    def _interval(self, item: Item) -> int:
        known = self._streams.set_interval(int(item.p1), item.p2)
        return ACCEPTED if known else DENIED

    def _request(self, item: Item) -> int:
        return self._streams.send_now(int(item.p1))

    def _picture(self, _: Item) -> int:
        """Trigger the camera; again within 0.1 s it fails."""
        now_ms = self._commander.state.t_ms
        if now_ms - self._picture_ms < _PICTURE_GAP_MS:
            return FAILED
        self._picture_ms = now_ms
        self._commander.state.sequencer.images += 1
        return self._streams.send_now(mav.MAVLINK_MSG_ID_CAMERA_FEEDBACK)


def _result(done: bool) -> int:
    return ACCEPTED if done else FAILED
