"""What every long-running simulator does as a process: end cleanly on SIGTERM, log JSON lines to stderr."""

from __future__ import annotations

import json
import logging
import signal
import sys
from datetime import UTC, datetime
from types import FrameType

_LOGGER = logging.getLogger("kestrel")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = getattr(record, "fields", {})
        cause = {"error": repr(record.exc_info[1])} if record.exc_info else {}
        return json.dumps({"at": at, "event": record.getMessage().strip(), **fields, **cause}, default=str)


def log(event: str, **fields: object) -> None:
    """Log one change of state."""
    if not _LOGGER.handlers:
        _attach(_LOGGER, logging.INFO)
    _LOGGER.info(event, extra={"fields": fields})


def adopt(name: str) -> None:
    """Send a library's warnings the same way."""
    _attach(logging.getLogger(name), logging.WARNING)


def _attach(logger: logging.Logger, level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


class Shutdown:
    """Turns SIGTERM and SIGINT into a wish that a loop can look at."""

    def __init__(self) -> None:
        self.wanted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.wanted = True
