"""A new version proves itself in service: its loops turn and the broker knows it; else its next start is counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from contracts.events import DroneEventKind
from edge import logbook
from edge.life.slots import Slots, runs_from

PROVED_AFTER_S, PROVED_WITHIN_S = 30.0, 300.0
"""How long a new version must have run, and how long it may take, until it counts as proved."""


class Signs(NamedTuple):
    """What the proof looks at, and what it can do."""

    healthy: Callable[[], bool]
    flying: Callable[[], bool]
    announce: Callable[[DroneEventKind, dict[str, object]], Future[int]]
    stop: Callable[[], None]


class Proof:
    """Ends the trial of the running version, or the program, so that the launcher counts and goes back."""

    def __init__(
        self,
        slots: Slots,
        signs: Signs,
        clock: Callable[[], float] = time.monotonic,
        prefix: str = sys.prefix,
    ) -> None:
        self._slots, self._signs, self._clock, self._prefix = slots, signs, clock, prefix
        self._born_at = clock()

    def step(self) -> None:
        """Look once. In flight nothing ends: an agent that flies is worth more than one that is proved."""
        slots, signs = self._slots, self._signs
        if (version := slots.rolled_back()) is not None:
            detail = f"Version {version} did not prove itself; the one before is in use again."
            signs.announce(DroneEventKind.SAFETY, {"code": "update_rolled_back", "detail": detail}).result(10.0)
            slots.told()
        if slots.trial() is None or not runs_from(slots, self._prefix):
            return
        up_s = self._clock() - self._born_at
        if up_s > PROVED_AFTER_S and signs.healthy():
            logbook.note("update_proved", version=slots.current())
            slots.confirm()
        elif up_s > PROVED_WITHIN_S and not signs.flying():
            logbook.warn("update_not_proved", version=slots.current())
            signs.stop()
