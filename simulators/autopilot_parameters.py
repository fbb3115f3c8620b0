"""The parameter protocol: read one or all, set one; unknown names get no answer, as on the real thing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_mission import Send
from simulators.autopilot_params import name_of
from simulators.autopilot_stack import PX4_PARAMS, Stack, as_bytes, as_number
from simulators.autopilot_state import State

_AS_OURS: Final[dict[str, Callable[[float], float]]] = {
    "same": lambda value: value,
    "on": lambda value: float(value > 1),
    "metres": lambda value: 100.0 * value,
}


class Parameters:
    """Answers PARAM messages out of ``state.params``."""

    def __init__(self, state: State, stack: Stack, send: Send) -> None:
        self._params = state.params
        self._stack = stack
        self._send = send

    def handle(self, message: Any) -> bool:
        """Take one message; return whether a value changed."""
        kind = message.get_type()
        if kind == "PARAM_REQUEST_LIST":
            for name in self._names():
                self._report(name)
        elif kind == "PARAM_REQUEST_READ":
            names, index = self._names(), message.param_index
            self._report(names[index] if 0 <= index < len(names) else name_of(message.param_id))
        elif kind == "PARAM_SET" and name_of(message.param_id) in self._names():
            return self._set(name_of(message.param_id), message.param_value)
        return False

    def _names(self) -> list[str]:
        if self._stack.px4:
            return list(PX4_PARAMS)
        return [name for name in self._params if name not in PX4_PARAMS or name == "SYSID_THISMAV"]

    def _type(self, name: str) -> int:
        return PX4_PARAMS[name][0] if self._stack.px4 else int(mav.MAV_PARAM_TYPE_REAL32)

    def _set(self, name: str, raw: float) -> bool:
        value = as_number(raw, self._type(name)) if self._stack.px4 else raw
        if not math.isfinite(value):
            return False
        self._params[name] = value
        if self._stack.px4:
            for ours, how in PX4_PARAMS[name][1].items():
                self._params[ours] = _AS_OURS[how](value)
        self._report(name)
        return True

    def _report(self, name: str) -> None:
        names = self._names()
        if name not in names:
            return
        value, kind = self._params[name], self._type(name)
        sent = as_bytes(value, kind) if self._stack.px4 else value
        self._send(mav.MAVLink_param_value_message(name.encode("ascii"), sent, kind, len(names), names.index(name)))
