"""The loop every daemon of the agent runs: step, rest, back off."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import NamedTuple

from contracts.errors import PlatformError
from edge import logbook

Step = Callable[[], bool | None]
_SHORTEST_BACKOFF_S = 0.05


class Loop(NamedTuple):
    """A daemon: ``step`` returns None (nothing to do), True (did something) or False (failed: back off)."""

    name: str
    step: Step
    rest_s: float
    max_backoff_s: float = 10.0

    def run(self, stop: threading.Event) -> None:
        """Call ``step`` until ``stop`` is set; rest when idle, back off with jitter on failure."""
        shortest_s = max(self.rest_s, _SHORTEST_BACKOFF_S)
        backoff_s = shortest_s
        trouble = _Trouble(self.name)
        while not stop.is_set():
            outcome = trouble.watch(self.step)
            if outcome is False:
                stop.wait(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(self.max_backoff_s, backoff_s * 2)
                continue
            backoff_s = shortest_s
            if outcome is None:
                stop.wait(self.rest_s)

    def start(self, stop: threading.Event) -> threading.Thread:
        """Run in a named thread."""
        thread = threading.Thread(target=self.run, args=(stop,), name=f"kestrel-{self.name}", daemon=True)
        thread.start()
        return thread


class _Trouble:
    """Says once that a loop's step fails, and once that it works again."""

    def __init__(self, loop: str) -> None:
        self._loop = loop
        self._told = ""

    def watch(self, step: Step) -> bool | None:
        """Return the step's outcome; False for one that raised."""
        try:
            outcome = step()
        except PlatformError as error:
            self._tell(f"{error.code} {type(error)}", error)
            return False
        except Exception as error:  # noqa: BLE001 - one broken step must not end the agent in flight
            self._tell(repr(error), error)
            return False
        if self._told and outcome is not False:
            self._told = ""
            logbook.note("step_works_again", loop=self._loop)
        return outcome

    def _tell(self, what: str, error: Exception) -> None:
        if what == self._told:
            return
        self._told = what
        if isinstance(error, PlatformError):
            fields = {"code": error.code, "error": error.message, "hint": error.hint}
            logbook.warn("step_failed", loop=self._loop, **fields)
        else:
            logbook.fail("step_crashed", error, loop=self._loop)
