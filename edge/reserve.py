"""Room set aside on the disk, given back when the disk is full, so that commands and safety reports still find some."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from edge import logbook

_SHARE = 20
_LARGEST_BYTES = 32 * 1024 * 1024


class Reserve:
    """A file of nothing, one part in twenty of the outbox's cap."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        self._path = path
        self._size_bytes = min(_LARGEST_BYTES, cap_bytes // _SHARE)

    @property
    def held(self) -> bool:
        """Tell whether the room is still set aside."""
        return self._path.exists()

    def take(self) -> None:
        """Set the room aside, where the disk has at least twice as much; without it is a warning, not an end."""
        if self._is_whole() or shutil.disk_usage(self._path.parent).free < 2 * self._size_bytes:
            return
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            logbook.warn("reserve_not_taken", path=str(self._path), error=str(error))
            self.release()

    def _is_whole(self) -> bool:
        """Tell it from one that was being made when the agent died."""
        return self.held and self._path.stat().st_size >= self._size_bytes

    def release(self) -> bool:
        """Give the room back to the disk; tell whether there was any."""
        had = self.held
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        return had
