"""A worker that takes up the version in force as it looks for work, and never stands without a detector."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from contracts.errors import PlatformError
from vision import school
from vision.detector import BoxFinder
from vision.logbook import log
from vision.worker import Worker

_EVERY_S = 60.0


class Following:
    """Steps a worker, and looks once a minute which version is in force."""

    def __init__(
        self,
        worker: Worker,
        store: school.Store,
        folder: Path,
        opened: Callable[[Path], BoxFinder],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker = worker
        self._store = store
        self._folder = folder
        self._open = opened
        self._clock = clock
        self._next_s = clock()
        self._seen = ""

    def step(self) -> bool | None:
        """Take up a new version where there is one, then handle one job."""
        if self._clock() >= self._next_s:
            self._next_s = self._clock() + _EVERY_S
            self._look()
        return self._worker.step()

    def _look(self) -> None:
        """Take the version in force up. One that cannot be opened is told once; the detector at hand stays."""
        try:
            known = school.current(self._store)
            if known is None or known.version == self._seen:
                return
            finder = self._open(school.fetched(self._store, known.version, self._folder / known.version))
        except PlatformError as error:
            log("version_not_taken_up", code=error.code, error=str(error))
            return
        self._seen = known.version
        if finder.card.sha256 != known.sha256:
            log("version_not_taken_up", code="other_weights", error=f"{known.version} has other weights than approved.")
            return
        self._worker.use(finder)
        log("version_taken_up", version=known.version, sha256=known.sha256)
