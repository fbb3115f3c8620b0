"""State changes as JSON lines on stderr: {"at", "event", ...fields}."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_LOGGER = logging.getLogger("kestrel")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure() -> None:
    """Send the agent's events to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    _LOGGER.handlers = [handler]
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False


def note(event: str, **fields: object) -> None:
    """Record that something changed."""
    _LOGGER.info(event, extra={"fields": fields})


def warn(event: str, **fields: object) -> None:
    """Record that something is wrong and the agent carries on."""
    _LOGGER.warning(event, extra={"fields": fields})


def fail(event: str, error: BaseException, **fields: object) -> None:
    """Record an unexpected error with its trace."""
    _LOGGER.error(event, extra={"fields": {"error": str(error), **fields}}, exc_info=error)
