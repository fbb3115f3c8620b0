"""What an asker's earlier tool calls found, so that a later one may say ``#E1``; bounded, in memory of one process."""

from __future__ import annotations

import threading
from collections import OrderedDict

from cloud.assistant.evidence import Row
from cloud.security import Principal

MAX_STEPS = 20
MAX_ASKERS = 500
Key = tuple[str, frozenset[str], frozenset[str] | None]


class Memory:
    """The last steps of each asker. Other rights are another asker: nothing is seen that these rights did not read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, OrderedDict[str, tuple[Row, ...]]] = OrderedDict()
        self._numbers: dict[Key, int] = {}

    def of(self, principal: Principal) -> dict[str, tuple[Row, ...]]:
        """Return the rows by step id."""
        with self._lock:
            return dict(self._kept.get(_key(principal), {}))

    def next_id(self, principal: Principal) -> str:
        """Return the id of the asker's next step, ``E1`` to ``E99`` and round again."""
        with self._lock:
            number = self._numbers.get(_key(principal), 0) % 99 + 1
            self._numbers[_key(principal)] = number
            return f"E{number}"

    def keep(self, principal: Principal, step: str, rows: tuple[Row, ...]) -> None:
        """Keep a step's rows; the oldest step, and the asker who was silent longest, make room."""
        with self._lock:
            steps = self._kept.setdefault(_key(principal), OrderedDict())
            self._kept.move_to_end(_key(principal))
            steps.pop(step, None)
            steps[step] = rows
            if len(steps) > MAX_STEPS:
                steps.popitem(last=False)
            if len(self._kept) > MAX_ASKERS:
                key, _ = self._kept.popitem(last=False)
                self._numbers.pop(key, None)


def _key(principal: Principal) -> Key:
    return principal.username, frozenset(role.value for role in principal.roles), principal.sites
