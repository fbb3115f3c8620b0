"""How much one asker may ask: a bucket of requests each, refilled steadily, in memory of one process.

Commands to aircraft are counted and never refused: a busy script must not stand between an operator and `land`.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import MutableHeaders

from contracts.errors import TooManyRequests

DEFAULT_PER_MINUTE = 6000
ASKS_PER_MINUTE = 60
_REMEMBERED = 20_000
_NEVER_REFUSED = re.compile(r"^/v1/(flights|drones)/[^/]+/commands$")


class Allowance(NamedTuple):
    """What is left after a request. ``reset_s``: until the bucket is full again."""

    limit: int
    remaining: int
    reset_s: int
    refused: bool

    def show(self, headers: MutableHeaders) -> None:
        """Write the RateLimit headers, and the X- ones that older clients read."""
        for prefix in ("RateLimit-", "X-RateLimit-"):
            headers[f"{prefix}Limit"] = str(self.limit)
            headers[f"{prefix}Remaining"] = str(self.remaining)
            headers[f"{prefix}Reset"] = str(self.reset_s)


class Rates:
    """Token buckets by asker; a full bucket is ``per_minute`` requests."""

    def __init__(self, per_minute: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_minute
        self._per_s = per_minute / 60.0
        self._now_s = now_s
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, asker: str) -> Allowance:
        """Take one request from the asker's bucket."""
        now_s = self._now_s()
        with self._lock:
            left, at_s = self._buckets.pop(asker, (float(self._limit), now_s))
            left = min(float(self._limit), left + (now_s - at_s) * self._per_s)
            refused = left < 1.0
            left = left if refused else left - 1.0
            self._buckets[asker] = (left, now_s)
            if len(self._buckets) > _REMEMBERED:
                self._buckets.pop(next(iter(self._buckets)))
        return Allowance(self._limit, int(left), math.ceil((self._limit - left) / self._per_s), refused)


def check(allowance: Allowance, method: str, path: str) -> None:
    """Let a request pass unless its asker's bucket is empty.

    Raises:
        TooManyRequests: It is, and this is no command to an aircraft.

    """
    if allowance.refused and not (method == "POST" and _NEVER_REFUSED.match(path)):
        wait_s = max(1, math.ceil(60.0 / allowance.limit))
        raise TooManyRequests(
            f"More than {allowance.limit} requests a minute.", hint=f"Wait {wait_s} s.", retry_after_s=wait_s
        )
