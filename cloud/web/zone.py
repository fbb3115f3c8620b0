"""The reader's time zone, for what only the server can lay out by local days: a calendar, bars per month.

The browser says it in a cookie (``shell.js``). Moments are none of its business: pages carry UTC, and `<local-time>`
shows it as the reader's.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fastapi import Request

COOKIE = "kestrel_zone"
UTC = ZoneInfo("UTC")


def of_reader(request: Request) -> ZoneInfo:
    """Return the zone the browser said; UTC when it said none, or none there is."""
    return _named(unquote(request.cookies.get(COOKIE, ""))[:60])


@lru_cache(maxsize=64)
def _named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, one that leads out of the zones, or a folder of them
        return UTC
