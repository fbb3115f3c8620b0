"""Time as the agent sees it: aware UTC, microseconds, and milliseconds since start."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present, aware UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """Return microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def from_us(t_us: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970."""
    return datetime.fromtimestamp(t_us / 1_000_000, UTC)
