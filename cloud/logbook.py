"""Logs as JSON lines on stderr: ``{"at", "event", ...fields}``."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER = logging.getLogger("kestrel")


def log(event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Write one named event with its fields."""
    LOGGER.log(level, event, extra={"fields": fields})


def log_failure(event: str, error: BaseException, /, **fields: object) -> None:
    """Write an event about an exception, with its traceback."""
    LOGGER.error(event, exc_info=error, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"at": at, "event": record.getMessage(), "level": record.levelname.lower()}
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start_logging() -> None:
    """Send every logger of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn.access", "botocore", "urllib3", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
