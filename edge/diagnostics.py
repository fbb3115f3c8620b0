"""The agent's own warnings as events of the lowest rank: the cloud sees why, the disk gives them up first."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

from contracts.events import DroneEventKind

LOGGER = "kestrel"
_PER_MINUTE = 30
_TOLD_ANYWAY = {"records_lost", "safety", "storage_degraded"}
"""Events of their own."""


class Diagnostics(logging.Handler):
    """Announces warnings and failures, at most thirty a minute."""

    def __init__(self, announce: Callable[[DroneEventKind, dict[str, object]], object]) -> None:
        super().__init__(logging.WARNING)
        self._announce = announce
        self._minute = 0
        self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Announce one log line."""
        event = record.getMessage()
        if event in _TOLD_ANYWAY or not self._may_speak():
            return
        fields = getattr(record, "fields", {})
        self._announce(DroneEventKind.DIAGNOSTIC, {"code": event[:64], "detail": json.dumps(fields, default=str)})

    def _may_speak(self) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._told = minute, 0
        self._told += 1
        return self._told <= _PER_MINUTE
