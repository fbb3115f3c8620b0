"""Parameters of the autopilot: read one, set one and see that it holds."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable

from edge.backends import mavlink_dialect as mav
from edge.backends.mavlink_connection import Connection, Message, next_of
from edge.refusals import AutopilotRefused

_ANSWER_S = 0.5
_TRIES = 8
_ROUNDS = 4
_INTEGERS = {mav.MAV_PARAM_TYPE_INT32: "<i", mav.MAV_PARAM_TYPE_UINT32: "<I"}
_SMALL_INTEGERS = frozenset(
    {mav.MAV_PARAM_TYPE_INT8, mav.MAV_PARAM_TYPE_UINT8, mav.MAV_PARAM_TYPE_INT16, mav.MAV_PARAM_TYPE_UINT16}
)


class Parameters:
    """Reads and writes; ``bytewise`` says whether integers travel as bytes (PX4) or as numbers (ArduPilot)."""

    def __init__(
        self, connection: Connection, goal: Callable[[], tuple[int, int]], bytewise: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._goal = goal
        self._bytewise = bytewise

    def get(self, name: str) -> float | None:
        """Return a value; None where the autopilot knows no such parameter (it does not answer then)."""
        found = self._ask(name)
        return None if found is None else self._value(found)

    def several(self, groups: tuple[tuple[str, ...], ...]) -> dict[str, float]:
        """Return values, of each group the one name that this autopilot knows; what it does not tell is left out."""
        found: dict[str, float] = {}
        with self._connection.hear("PARAM_VALUE") as answers:
            for _ in range(_ROUNDS):
                wanted = {name for group in groups if not found.keys() & set(group) for name in group}
                for name in sorted(wanted):
                    self._connection.send("param_request_read_encode", *self._goal(), name.encode(), -1)
                deadline = time.monotonic() + _ANSWER_S
                while not all(found.keys() & set(group) for group in groups):
                    if (answer := next_of(answers, deadline - time.monotonic())) is None:
                        break
                    if answer.param_id in wanted:
                        found[answer.param_id] = self._value(answer)
        return found

    def put(self, name: str, value: float) -> bool:
        """Set a value and see it come back; False where there is no such parameter.

        Raises:
            AutopilotRefused: It stays at another value.

        """
        known = self._ask(name)
        if known is None:
            return False
        if math.isclose(self._value(known), value, rel_tol=1e-5, abs_tol=1e-6):
            return True
        with self._connection.hear("PARAM_VALUE") as answers:
            for _ in range(_TRIES):
                sent = self._raw(value, known.param_type)
                self._connection.send("param_set_encode", *self._goal(), name.encode(), sent, known.param_type)
                deadline = time.monotonic() + _ANSWER_S
                while (answer := next_of(answers, deadline - time.monotonic())) is not None:
                    if answer.param_id == name and math.isclose(self._value(answer), value, rel_tol=1e-5, abs_tol=1e-6):
                        return True
        raise AutopilotRefused(f"{name} does not take {value:g}; it stays {self._value(known):g}.")

    def _ask(self, name: str) -> Message | None:
        with self._connection.hear("PARAM_VALUE") as answers:
            for _ in range(_TRIES):
                self._connection.send("param_request_read_encode", *self._goal(), name.encode(), -1)
                deadline = time.monotonic() + _ANSWER_S
                while (answer := next_of(answers, deadline - time.monotonic())) is not None:
                    if answer.param_id == name:
                        return answer
        return None

    def _value(self, message: Message) -> float:
        if not self._bytewise():
            return float(message.param_value)
        raw = struct.pack("<f", message.param_value)
        if message.param_type in _INTEGERS:
            return float(struct.unpack(_INTEGERS[message.param_type], raw)[0])
        if message.param_type in _SMALL_INTEGERS:
            return float(struct.unpack("<i", raw)[0])
        return float(message.param_value)

    def _raw(self, value: float, param_type: int) -> float:
        if not self._bytewise() or param_type not in {*_INTEGERS, *_SMALL_INTEGERS}:
            return value
        return float(struct.unpack("<f", struct.pack(_INTEGERS.get(param_type, "<i"), round(value)))[0])
