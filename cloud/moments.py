"""Times in requests: written as RFC 3339 with a zone, never as a bare number (pydantic takes those for seconds).

They go on in UTC: Postgres takes no zone that is sixteen hours or more off, and RFC 3339 allows one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_BARE = re.compile(r"\s*[-+]?[\d.]+([eE][-+]?\d+)?\s*")


def _written(value: Any) -> Any:
    if isinstance(value, int | float) or (isinstance(value, str) and _BARE.fullmatch(value)):
        raise ValueError("a time is written like 2026-11-20T04:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time lies within the years 1 to 9999 in UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
