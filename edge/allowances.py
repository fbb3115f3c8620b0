"""The owner's limits as they stand now: those of the settings, changed by signed commands, kept over a restart."""

from __future__ import annotations

import threading
from pathlib import Path

from pydantic import ValidationError

from contracts.commands import LimitsChange
from edge import logbook
from edge.files import write_durably
from edge.safety import Limits


class Allowances:
    """Thread-safe; a change is on disk when the call returns."""

    def __init__(self, path: Path, settled: Limits) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._limits = settled
        self._changes: dict[str, float] = {}
        if path.exists():
            self._take_up(path)

    @property
    def limits(self) -> Limits:
        """Return what is allowed now."""
        with self._lock:
            return self._limits

    def change(self, change: LimitsChange) -> None:
        """Allow something else from now on."""
        with self._lock:
            changes = self._changes | change.model_dump(exclude_none=True)
            write_durably(self._path, LimitsChange.model_validate(changes).model_dump_json().encode())
            self._changes, self._limits = changes, self._limits._replace(**changes)
        logbook.note("limits_changed", **change.model_dump(exclude_none=True))

    def _take_up(self, path: Path) -> None:
        """A damaged file is set aside: the settings' limits, set by hand, then hold."""
        try:
            self._changes = LimitsChange.model_validate_json(path.read_bytes()).model_dump(exclude_none=True)
        except ValidationError as error:
            path.replace(path.with_name(path.name + ".corrupt"))
            logbook.warn("limits_set_aside", path=str(path), error=str(error)[:300])
            return
        self._limits = self._limits._replace(**self._changes)


def loosened(limits: Limits, change: LimitsChange) -> list[str]:
    """Return which margins a change makes smaller."""
    ways = []
    for name, wanted in change.model_dump(exclude_none=True).items():
        now = getattr(limits, name)
        if _is_looser(name, now, wanted):
            ways.append(f"{name} {now:g} -> {wanted:g}")
    return ways


def _is_looser(name: str, now: float | None, wanted: float) -> bool:
    """Less battery is looser; so are more seconds offline and more metres, and no limit (0 s) is the loosest."""
    if name.startswith("battery_"):
        return now is not None and wanted < now
    return wanted > (now or float("inf"))
