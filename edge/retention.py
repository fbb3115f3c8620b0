"""The room that recordings take. What the cloud has not confirmed is never freed; when room runs out, that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from contracts.events import DroneEventKind

_SIDECARS = (".klv", ".srt")
_NEARLY = 0.8

Announce = Callable[[DroneEventKind, dict[str, object]], object]


class Room(NamedTuple):
    """Bytes on disk below the folders of recordings and captures."""

    used: int
    budget: int

    @property
    def level(self) -> str:
        """Return ``ok``, ``nearly_full`` or ``full``."""
        if self.used >= self.budget:
            return "full"
        return "nearly_full" if self.used >= _NEARLY * self.budget else "ok"


class Retention:
    """Looks at the room now and then.

    A segment's video goes when the cloud has vouched for its hash (the uploader does that, on the cloud's word alone);
    its manifest stays, as the record of what was filmed. Here only what can be made again from that manifest goes.
    """

    def __init__(self, folders: tuple[Path, ...], budget_bytes: int, announce: Announce) -> None:
        self._folders = folders
        self._budget_bytes = budget_bytes
        self._announce = announce
        self._told = "ok"

    def step(self) -> bool | None:
        """Free what may go, and say when the room's level has changed."""
        freed = sum(self._free(path) for folder in self._folders for path in _sidecars(folder))
        room = self.room()
        if room.level != self._told:
            self._told = room.level
            detail = f"{room.used / 1e9:.1f} of {room.budget / 1e9:.1f} GB wait for the cloud."
            self._announce(DroneEventKind.SAFETY, {"code": f"storage_{room.level}", "detail": detail})
        return True if freed else None

    def limit(self, budget_bytes: int) -> None:
        """Set the budget."""
        self._budget_bytes = budget_bytes

    def room(self) -> Room:
        """Return how much is used."""
        files = (path for folder in self._folders for path in folder.rglob("*"))
        return Room(sum(_size(path) for path in files), self._budget_bytes)

    def _free(self, sidecar: Path) -> bool:
        """Delete a sidecar whose video was confirmed and freed."""
        if sidecar.with_suffix(".mp4").exists() or not sidecar.with_suffix(".json").exists():
            return False
        sidecar.unlink(missing_ok=True)
        return True


def _sidecars(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*/*") if path.suffix in _SIDECARS)


def _size(path: Path) -> int:
    """Return a file's size; 0 for one that has just gone."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
