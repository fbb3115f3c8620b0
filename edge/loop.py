"""The loop every daemon of the agent runs: step, rest, back off."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import NamedTuple

from contracts.errors import PlatformError
from edge import logbook

Step = Callable[[], bool | None]


class Loop(NamedTuple):
    """A daemon: ``step`` returns None (nothing to do), True (did something) or False (failed: back off)."""

    name: str
    step: Step
    rest_s: float
    max_backoff_s: float = 10.0

    def run(self, stop: threading.Event) -> None:
        """Call ``step`` until ``stop`` is set; rest when idle, back off with jitter on failure."""
        backoff_s = self.rest_s
        while not stop.is_set():
            outcome = self._guarded()
            if outcome is False:
                stop.wait(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(self.max_backoff_s, backoff_s * 2)
                continue
            backoff_s = self.rest_s
            if outcome is None:
                stop.wait(self.rest_s)

    def start(self, stop: threading.Event) -> threading.Thread:
        """Run in a named thread."""
        thread = threading.Thread(target=self.run, args=(stop,), name=f"kestrel-{self.name}", daemon=True)
        thread.start()
        return thread

    def _guarded(self) -> bool | None:
        try:
            return self.step()
        except PlatformError as error:
            logbook.warn("step_failed", loop=self.name, code=error.code, error=error.message, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - one broken step must not end the agent in flight
            logbook.fail("step_crashed", error, loop=self.name)
        return False
