"""Whether a program can do its work now: what it needs is asked each time, what it does is watched as it does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from contracts.errors import PlatformError
from instruments import metrics

Check = Callable[[], object]
"""Returns when a dependency is there; raises a PlatformError that says why it is not."""
Step = Callable[[], bool | None]
_FRESH_S = 1.0


class Readiness:
    """The named dependencies of a program. Answers are kept for a second, so that probes cost nothing."""

    def __init__(self, checks: Mapping[str, Check], clock: Callable[[], float] = time.monotonic) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        self._looked_s = float("-inf")

    def look(self) -> dict[str, str]:
        """Return what is not there, each with the reason; empty when the program is ready."""
        with self._lock:
            if self._clock() - self._looked_s >= _FRESH_S:
                self._reasons = {name: why for name, check in self._checks.items() if (why := _reason(check))}
                self._looked_s = self._clock()
                for name in self._checks:
                    metrics.READY.labels(dependency=name).set(name not in self._reasons)
            return dict(self._reasons)


def _reason(check: Check) -> str:
    try:
        check()
    except PlatformError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the answer is "not there"
        return f"no answer ({type(error).__name__})"
    return ""


class NotStepping(PlatformError):
    """A daemon's step fails or has not returned."""

    code = "not_stepping"
    retryable = True


class Pulse:
    """Wraps a daemon's step and knows how it went: called like the step, asked as a check.

    ``silent_after_s`` is how long one step may take; a step whose failures say nothing about the program itself
    (``failures_count`` off) is only watched for that.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        silent_after_s: float = 60.0,
        failures_count: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._step = step
        self._silent_after_s = silent_after_s
        self._failures_count = failures_count
        self._clock = clock
        self._at_s: float | None = None
        self._failure = ""

    def __call__(self) -> bool | None:
        """Step once."""
        return self.step()

    def step(self) -> bool | None:
        """Step once."""
        try:
            done = self._step()
        except Exception as error:
            self._note(str(error) or type(error).__name__)
            raise
        self._note("" if done is not False else "the last step failed and is tried again")
        return done

    def touch(self) -> None:
        """Say that a long step goes on."""
        self._at_s = self._clock()

    def check(self) -> None:
        """Let pass a daemon that steps.

        Raises:
            NotStepping: It does not.

        """
        if self._at_s is None:
            raise NotStepping("The first step has not returned yet.")
        silent_s = self._clock() - self._at_s
        if silent_s > self._silent_after_s:
            raise NotStepping(f"No step has returned for {silent_s:.0f} s.")
        if self._failure and self._failures_count:
            raise NotStepping(self._failure)

    def _note(self, failure: str) -> None:
        if failure:
            metrics.STEPS_FAILED.labels(step=self.name).inc()
        self._failure = failure
        self.touch()


def pulses(*watched: Pulse) -> dict[str, Check]:
    """Return the pulses as checks, by their names."""
    return {pulse.name: pulse.check for pulse in watched}
