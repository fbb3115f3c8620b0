"""The ten-line loop of every daemon: step while there is work, rest while there is none, back off while it fails."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable

from cloud.logbook import log, log_failure
from contracts.errors import PlatformError

Step = Callable[[], bool | None]
_MAX_REST_S = 5.0


def run(step: Step, stop: threading.Event, rest_s: float) -> None:
    """Call ``step`` until ``stop``; a failure is logged once until it is over."""
    failures = 0
    while not stop.is_set():
        done = _guarded(step, first=failures == 0)
        failures = failures + 1 if done is False else 0
        if done is not True:
            longest_s = min(_MAX_REST_S, rest_s * 2.0 ** min(failures, 10))
            stop.wait(longest_s * random.uniform(0.5, 1.0) if failures else rest_s)


def _guarded(step: Step, *, first: bool) -> bool | None:
    try:
        return step()
    except PlatformError as error:
        if first:
            log("step_failed", reason=str(error))
    except Exception as error:  # noqa: BLE001 - one broken message must not end the daemon
        log_failure("step_crashed", error)
    return False


def until_signalled() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run_all(steps: list[tuple[Step, float]], stop: threading.Event) -> None:
    """Run several steps side by side, each with its rest in seconds, until ``stop``."""
    threads = [threading.Thread(target=run, args=(step, stop, rest_s), daemon=True) for step, rest_s in steps]
    for thread in threads:
        thread.start()
    while not stop.wait(0.5):
        pass
    for thread in threads:
        thread.join(timeout=10.0)
