"""The camera's memory card: one-second groups of pictures as MPEG-TS files, each there whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

import av

from simulators import misp


class Gop(NamedTuple):
    """A stored group of pictures."""

    t_us: int
    """When its first frame was taken, UTC microseconds."""
    last_us: int
    frames: int
    size_bytes: int


class Card:
    """Groups of pictures by the time of their first frame. Safe to read from other threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for torn in folder.glob("*.part"):
            torn.unlink()
        self._gops = sorted(_scanned(path) for path in folder.glob("*.ts"))
        self.changed = threading.Condition()

    def store(self, times_us: list[int], data: bytes) -> None:
        """Keep a group of pictures; after a crash it is there whole or not at all."""
        path = self._path(times_us[0])
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        with self.changed:
            self._gops.append(Gop(times_us[0], times_us[-1], len(times_us), len(data)))
            self.changed.notify_all()

    def since(self, t_us: int) -> list[Gop]:
        """Return the groups that start at ``t_us`` or later, in time order."""
        with self.changed:
            return [g for g in self._gops if g.t_us >= t_us]

    def data(self, gop: Gop) -> bytes:
        """Return a group's MPEG-TS bytes."""
        return self._path(gop.t_us).read_bytes()

    def last(self) -> Gop | None:
        """Return the newest group."""
        with self.changed:
            return self._gops[-1] if self._gops else None

    def _path(self, t_us: int) -> Path:
        return self._folder / f"{t_us}.ts"


def _scanned(path: Path) -> Gop:
    with av.open(str(path), format="mpegts") as opened:
        stamps = [t for p in opened.demux(video=0) if p.size and (t := misp.read(bytes(p))) is not None]
    return Gop(stamps[0], stamps[-1], len(stamps), path.stat().st_size)
