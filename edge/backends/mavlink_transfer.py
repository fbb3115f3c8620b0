"""The mission protocol for missions, fences and rally points: stored item by item, read back and compared.

An interrupted upload leaves a mix of old and new (ArduPilot stores while it receives), so nothing counts as stored
before it was read back.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from edge.backends import mavlink_dialect as mav
from edge.backends.mavlink_connection import Connection, Message, next_of
from edge.itinerary import Item
from edge.refusals import AutopilotRefused, AutopilotSilent, Preempted, ReadsBackDifferently

MISSION, FENCE, RALLY = 0, 1, 2
NAMES = {MISSION: "mission", FENCE: "fence", RALLY: "rally points"}
_ASK_AGAIN_S = 2.2
_ANSWER_S = 0.6
_HEED_S = 0.1
_TRIES = 12
"""Many short tries: on a link that loses three of ten packets each way, one exchange in 3,000 fails."""
Goal = Callable[[], tuple[int, int]]


class Transfer:
    """Moves item lists of one kind to and from the autopilot that ``goal`` names."""

    def __init__(self, connection: Connection, goal: Goal, kind: int, stop: threading.Event | None = None) -> None:
        """``stop`` breaks an exchange off within ``_HEED_S``: whoever sets it needs the autopilot now."""
        self._connection = connection
        self._goal = goal
        self._kind = kind
        self._stop = stop or threading.Event()

    def store(self, items: tuple[Item, ...]) -> None:
        """Send items; the autopilot asks for each, by MISSION_REQUEST or MISSION_REQUEST_INT.

        Raises:
            AutopilotRefused: With the autopilot's result.
            AutopilotSilent: The exchange broke off.
            Preempted: ``stop`` was set.

        """
        deadline = time.monotonic() + 20.0 + 0.1 * len(items)
        with self._connection.hear("MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK") as answers:
            asked: set[int] = set()
            while time.monotonic() < deadline:
                if not asked:
                    self._connection.send("mission_count_encode", *self._goal(), len(items), self._kind)
                answer = self._next(answers, _ASK_AGAIN_S)
                if answer is None and len(asked) == len(items):
                    return  # the acknowledgement was lost; what is read back decides
                if answer is None:  # it asks every second while it waits: this silence means that it gave up
                    asked.clear()
                elif self._hear(answer, items, asked):
                    return
        raise AutopilotSilent(f"The upload of the {NAMES[self._kind]} broke off.", hint="Send the command anew.")

    def _hear(self, answer: Message, items: tuple[Item, ...], asked: set[int]) -> bool:
        """Give what is asked for; return whether the upload has ended well."""
        if answer.mission_type != self._kind:
            return False
        if answer.get_type() != "MISSION_ACK":
            if answer.seq < len(items):
                asked.add(answer.seq)
                self._send_item(answer.seq, items[answer.seq])
            return False
        if answer.type == mav.MAV_MISSION_OPERATION_CANCELLED:  # it lost patience with us: start over
            asked.clear()
            return False
        return self._ends(answer.type, complete=len(asked) == len(items))

    def read_back(self) -> list[Item]:
        """Return what the autopilot holds.

        Raises:
            AutopilotSilent: It does not answer.
            Preempted: ``stop`` was set.

        """
        with self._connection.hear("MISSION_COUNT", "MISSION_ITEM_INT") as answers:
            listed = self._ask(answers, "MISSION_COUNT", None, "mission_request_list_encode", *self._goal(), self._kind)
            items = []
            for seq in range(listed.count):
                values = (*self._goal(), seq, self._kind)
                answer = self._ask(answers, "MISSION_ITEM_INT", seq, "mission_request_int_encode", *values)
                items.append(_item_of(answer))
        self._connection.send("mission_ack_encode", *self._goal(), mav.MAV_MISSION_ACCEPTED, self._kind)
        return items

    def clear(self) -> None:
        """Remove everything of this kind.

        Raises:
            AutopilotRefused: With the autopilot's result.
            AutopilotSilent: It does not answer.

        """
        with self._connection.hear("MISSION_ACK") as answers:
            for _ in range(_TRIES):
                self._connection.send("mission_clear_all_encode", *self._goal(), self._kind)
                answer = next_of(answers, _ANSWER_S)
                if answer is not None and answer.mission_type == self._kind:
                    self._ends(answer.type, complete=True)
                    return
        raise AutopilotSilent(f"Clearing the {NAMES[self._kind]} was not acknowledged.")

    def _ends(self, result: int, *, complete: bool) -> bool:
        """Return whether an acknowledgement ends the exchange well; INVALID_SEQUENCE only asks for patience."""
        if result == mav.MAV_MISSION_ACCEPTED:
            return complete
        if result == mav.MAV_MISSION_INVALID_SEQUENCE:
            return False
        entry = mav.enums["MAV_MISSION_RESULT"].get(result)
        raise AutopilotRefused(f"The {NAMES[self._kind]} were refused: {entry.name if entry else result}.")

    def _ask(self, answers: queue.Queue[Message], kind: str, seq: int | None, encode: str, *values: Any) -> Message:
        for _ in range(_TRIES):
            self._connection.send(encode, *values)
            deadline = time.monotonic() + _ANSWER_S
            while (answer := self._next(answers, deadline - time.monotonic())) is not None:
                fits = answer.get_type() == kind and answer.mission_type == self._kind
                if fits and (seq is None or answer.seq == seq):
                    return answer
        raise AutopilotSilent(f"The {NAMES[self._kind]} could not be read back.", hint="Send the command anew.")

    def _next(self, answers: queue.Queue[Message], timeout_s: float) -> Message | None:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if self._stop.is_set():
                raise Preempted(f"The exchange of the {NAMES[self._kind]} was broken off: a safety command took over.")
            if (answer := next_of(answers, min(left_s, _HEED_S))) is not None:
                return answer
        return None

    def _send_item(self, seq: int, item: Item) -> None:
        head = (*self._goal(), seq, item.frame, item.command, 0, 1)
        self._connection.send("mission_item_int_encode", *head, *item.params, item.x, item.y, item.z, self._kind)


def require_same(kind: int, sent: tuple[Item, ...], stored: list[Item], first: int) -> None:
    """Compare what was sent with what was read back, from item ``first`` on.

    Raises:
        ReadsBackDifferently: With the item that differs.

    """
    if len(stored) != len(sent):
        raise ReadsBackDifferently(f"The autopilot stored {len(stored)} of {len(sent)} items of the {NAMES[kind]}.")
    for seq, (ours, theirs) in enumerate(zip(sent, stored, strict=True)):
        if seq >= first and not ours.same(theirs):
            raise ReadsBackDifferently(f"Item {seq} of the {NAMES[kind]} reads back as {theirs}, sent was {ours}.")


def _item_of(m: Message) -> Item:
    return Item(m.command, m.frame, (m.param1, m.param2, m.param3, m.param4), m.x, m.y, m.z)
