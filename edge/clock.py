"""Time as the agent sees it: aware UTC, microseconds, and milliseconds since start."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_OLDEST_SANE_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Before this program was written: a clock without a battery starts in 1970."""
STEP_S = 2.0
BACKWARDS_S = 5.0
GPS_AGREES_S = 30.0
"""Wider than any honest difference, narrower than what makes an expired command valid for long."""


def utc_now() -> datetime:
    """Return the present, aware UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """Return microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def from_us(t_us: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970."""
    return datetime.fromtimestamp(t_us / 1_000_000, UTC)


class Clock(Protocol):
    """The time, and whether to believe it."""

    def now(self) -> datetime:
        """Return the present, aware UTC."""

    def trusted(self) -> bool:
        """Tell whether ``now`` may decide that a command is still valid."""

    def elapsed_s(self) -> float:
        """Return seconds on a clock that nobody sets."""


class WatchedClock:
    """The system's clock, believed until something speaks against it.

    Against it speak: a date before this program was written or before what the journal already knows, a step against
    the monotonic clock, and the autopilot's GPS time. After a step it is believed again once GPS time agrees.
    """

    def __init__(self, gps_offset_s: Callable[[], float | None], known_us: Callable[[], int]) -> None:
        self._gps_offset_s = gps_offset_s
        self._known_us = known_us
        self._started = (time.time(), time.monotonic())

    def now(self) -> datetime:
        """Return the present, aware UTC; by GPS where the system's clock says a time far from it."""
        return by_gps(utc_now(), self._gps_offset_s())

    def elapsed_s(self) -> float:
        """Return seconds on a clock that nobody sets."""
        return time.monotonic()

    def trusted(self) -> bool:
        """Tell whether the present may decide that a command is still valid."""
        stepped_s = (time.time() - self._started[0]) - (time.monotonic() - self._started[1])
        return believable(time.time(), self._known_us() / 1e6, stepped_s, self._gps_offset_s())


def by_gps(now: datetime, gps_offset_s: float | None) -> datetime:
    """Return the present by GPS where it is told and ``now`` is too far from it to be right.

    What an agent writes while its clock waits for the network must not lie in another year than its telemetry, and
    must not seem later than all that is told once the clock is set back.
    """
    if gps_offset_s is None or abs(gps_offset_s) <= GPS_AGREES_S:
        return now
    return now + timedelta(seconds=gps_offset_s)


def believable(now_s: float, known_s: float, stepped_s: float, gps_offset_s: float | None) -> bool:
    """Judge a clock.

    Args:
        now_s: What it says, seconds since 1970.
        known_s: The latest time that is certain to have passed.
        stepped_s: How far it ran away from the monotonic clock since the program started.
        gps_offset_s: GPS time minus this clock; None where the autopilot has told none.

    """
    if now_s < _OLDEST_SANE_S:
        return False
    if gps_offset_s is not None:
        return abs(gps_offset_s) <= GPS_AGREES_S
    return now_s >= known_s - BACKWARDS_S and abs(stepped_s) <= STEP_S
