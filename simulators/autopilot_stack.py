"""What the simulated autopilot calls itself: ArduCopter as observed, or PX4 as its documentation describes it.

Inside, modes and item numbers are ArduCopter's; messages are put into PX4's terms where they leave, and taken back
where they come in.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_state import Phase

_GUIDED, _MANUAL = 4, 1 << 16
_PX4_MODES: Final = {0: 1, 3: 4 | 4 << 8, 4: 4 | 3 << 8, 5: 4 | 3 << 8, 6: 4 | 5 << 8, 9: 4 | 6 << 8, 17: 4 | 3 << 8}
"""Main and sub mode (8 bits each) of each of our modes; AUTO.LOITER is what PX4 holds in."""
_PX4_TAKE_OFF: Final = 4 | 2 << 8
_OURS: Final = {4 | 4 << 8: 3, 4 | 3 << 8: _GUIDED, 4 | 5 << 8: 6, 4 | 6 << 8: 9, 1: 0}
_NUMBERED: Final = frozenset({"MISSION_CURRENT", "MISSION_ITEM_REACHED", "MISSION_ITEM_INT", "MISSION_ITEM"})
_ASKING: Final = frozenset({"MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_SET_CURRENT"})
PX4_PARAMS: Final[dict[str, tuple[int, dict[str, str]]]] = {
    "NAV_DLL_ACT": (mav.MAV_PARAM_TYPE_INT32, {"FS_GCS_ENABLE": "on"}),
    "COM_DL_LOSS_T": (mav.MAV_PARAM_TYPE_INT32, {"FS_GCS_TIMEOUT": "same"}),
    "GF_ACTION": (mav.MAV_PARAM_TYPE_INT32, {"FENCE_ENABLE": "on"}),
    "GF_MAX_VER_DIST": (mav.MAV_PARAM_TYPE_REAL32, {"FENCE_ALT_MAX": "same"}),
    "RTL_RETURN_ALT": (mav.MAV_PARAM_TYPE_REAL32, {"RTL_ALT": "metres"}),
    "RTL_CONE_ANG": (mav.MAV_PARAM_TYPE_INT32, {}),
    "RTL_MIN_DIST": (mav.MAV_PARAM_TYPE_REAL32, {}),
    "RTL_TYPE": (mav.MAV_PARAM_TYPE_INT32, {}),
    "SYSID_THISMAV": (mav.MAV_PARAM_TYPE_INT32, {}),
}
"""PX4's parameters we know, their types, and which of ours each one drives."""


class Stack(NamedTuple):
    """One autopilot's manners."""

    name: str
    autopilot: int
    px4: bool

    def custom_mode(self, mode: int, phase: Phase) -> int:
        """Return HEARTBEAT.custom_mode."""
        if not self.px4:
            return mode
        packed = _PX4_TAKE_OFF if mode == _GUIDED and phase is Phase.TAKE_OFF else _PX4_MODES.get(mode, 1)
        return (packed & 0xFF) << 16 | (packed >> 8) << 24

    def asked_mode(self, p2: float, p3: float) -> int:
        """Return our mode of DO_SET_MODE's parameters; -1 for one that is not known."""
        return _OURS.get(int(p2) | int(p3) << 8, -1) if self.px4 else int(p2)

    def outwards(self, message: Any) -> Any:
        """Put a message into this stack's terms: PX4 counts items without home, and asks by MISSION_REQUEST_INT."""
        kind = message.get_type()
        if not self.px4 or getattr(message, "mission_type", mav.MAV_MISSION_TYPE_MISSION) != 0:
            return message
        if kind in _NUMBERED:
            message.seq = max(0, message.seq - 1)
        elif kind == "MISSION_COUNT":
            message.count = max(0, message.count - 1)
        elif kind == "MISSION_REQUEST":
            peer = message.target_system, message.target_component
            return mav.MAVLink_mission_request_int_message(*peer, message.seq - 1, message.mission_type)
        return message

    def inwards(self, message: Any) -> Any:
        """Take a message back into our terms."""
        kind = message.get_type()
        if not self.px4 or getattr(message, "mission_type", mav.MAV_MISSION_TYPE_MISSION) != 0:
            return message
        if kind in _ASKING or kind in {"MISSION_ITEM_INT", "MISSION_ITEM"}:
            message.seq += 1
        elif kind == "MISSION_COUNT":
            message.count += 1
        return message


ARDUPILOT: Final = Stack("ardupilot", int(mav.MAV_AUTOPILOT_ARDUPILOTMEGA), px4=False)
PX4: Final = Stack("px4", int(mav.MAV_AUTOPILOT_PX4), px4=True)
STACKS: Final = {stack.name: stack for stack in (ARDUPILOT, PX4)}


def as_number(raw: float, param_type: int) -> float:
    """Return an integer parameter that came as its bytes in the float field."""
    return float(struct.unpack("<i", struct.pack("<f", raw))[0]) if param_type == mav.MAV_PARAM_TYPE_INT32 else raw


def as_bytes(value: float, param_type: int) -> float:
    """Return the float whose bytes are an integer parameter."""
    if param_type != mav.MAV_PARAM_TYPE_INT32:
        return value
    return float(struct.unpack("<f", struct.pack("<i", round(value)))[0])
