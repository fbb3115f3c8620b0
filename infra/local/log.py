"""Log lines of this program: one JSON object per state change, to stderr."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def report(event: str, **fields: object) -> None:
    """Write one line ``{"at", "event", ...fields}``."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    sys.stderr.write(json.dumps({"at": at, "event": event} | fields, default=str) + "\n")
    sys.stderr.flush()
