"""Logs as JSON lines on stderr: ``{"at", "event", ...fields}``."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_LOGGER = logging.getLogger("kestrel")


class _JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"at": at, "event": record.getMessage(), "level": record.levelname.lower()}
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start() -> None:
    """Send this program's events to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    _LOGGER.handlers = [handler]
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False


def log(event: str, /, **fields: object) -> None:
    """Write one named event with its fields."""
    _LOGGER.info(event, extra={"fields": fields})


def log_failure(event: str, error: BaseException, /, **fields: object) -> None:
    """Write an event about an unexpected exception, with its traceback."""
    _LOGGER.error(event, exc_info=error, extra={"fields": fields})
