"""Times in requests: written as RFC 3339 with a zone, never as a bare number (pydantic takes those for seconds)."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

_BARE = re.compile(r"\s*[-+]?[\d.]+([eE][-+]?\d+)?\s*")


def _written(value: Any) -> Any:
    if isinstance(value, int | float) or (isinstance(value, str) and _BARE.fullmatch(value)):
        raise ValueError("a time is written like 2026-11-20T04:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
