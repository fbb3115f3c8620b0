"""How fast bulk may go: in the air at most four fifths of what the link gives, so that commands and telemetry get by.

The allowance doubles until the link no longer follows it; what the link then gave is its goodput, and bulk gets four
fifths of it. Once a minute a short probe asks whether the link has become better. When the broker's answers become
slow, the allowance falls at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHARE = 0.8
_FIRST_BPS = 250_000.0
_SLOWEST_BPS = 32_000.0
_FOLLOWS = 0.9
"""A link that gives less than this part of the allowance is at its limit."""
_BACK_OFF = 0.7
_SLOW_ANSWER_S = 1.5
_WINDOW_S = 1.0
_PROBE_EVERY_S = 60.0


class Pacer:
    """Hands out bytes to all parts in flight together. Thread-safe. Rates are bytes per second."""

    def __init__(
        self,
        ceiling_bps: float = 0.0,
        shares_link: Callable[[], bool] = lambda: False,
        answer_s: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ceiling_bps = ceiling_bps or float("inf")
        self._shares_link = shares_link
        self._answer_s = answer_s
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._allowed_bps = _FIRST_BPS
        self._probing = True
        self._free_at = self._window_from = self._probed_at = clock()
        self._window_bytes = 0

    def limit(self, ceiling_bps: float) -> None:
        """Set the ceiling; 0 is none."""
        with self._lock:
            self._ceiling_bps = ceiling_bps or float("inf")

    @property
    def rate_bps(self) -> float:
        """Return what bulk may take now; on the ground the ceiling only."""
        return min(self._ceiling_bps, self._allowed_bps) if self._shares_link() else self._ceiling_bps

    def spend(self, size: int) -> None:
        """Wait until ``size`` more bytes may go."""
        with self._lock:
            now = self._clock()
            self._learn(now, size)
            starts_at = max(self._free_at, now)
            self._free_at = starts_at + size / self.rate_bps
        if starts_at > now:
            self._sleep(starts_at - now)

    def _learn(self, now: float, size: int) -> None:
        elapsed_s = now - self._window_from
        if elapsed_s >= _WINDOW_S:
            if elapsed_s < 2 * _WINDOW_S:  # a longer one was a pause, and says nothing of the link
                self._conclude(now, self._window_bytes / elapsed_s)
            self._window_from, self._window_bytes = now, 0
        self._window_bytes += size

    def _conclude(self, now: float, given_bps: float) -> None:
        if self._answer_s() > _SLOW_ANSWER_S:
            self._settle(now, _BACK_OFF * self._allowed_bps)
        elif self._probing and given_bps < _FOLLOWS * self._allowed_bps:
            self._settle(now, SHARE * given_bps)
        elif self._probing and self._allowed_bps < self._ceiling_bps:
            self._allowed_bps *= 2
        elif now - self._probed_at > _PROBE_EVERY_S:
            self._probing = True
            self._allowed_bps /= SHARE

    def _settle(self, now: float, allowed_bps: float) -> None:
        self._allowed_bps = max(_SLOWEST_BPS, allowed_bps)
        self._probing, self._probed_at = False, now
