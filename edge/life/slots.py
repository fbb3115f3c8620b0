"""Versions of the agent side by side, and which one is in use: a link that is replaced in one step.

``slots/<version>/`` are whole environments; ``update/`` in the state directory holds the link ``current``, and
``trial.json`` while a new version has not proved itself. ``edge/deploy/kestrel-launch`` counts starts and goes back.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from contracts.errors import Conflict
from edge.files import rename_durably, sync, write_durably
from edge.life.rights import rights_of

_WHOLE = "kestrel-slot.json"


class Trial(NamedTuple):
    """A new version on trial, and the one to go back to."""

    version: str
    back_to: str


class Slots:
    """The environments in ``folder`` and the link to the one in use in ``state_dir``."""

    def __init__(self, folder: Path, state_dir: Path) -> None:
        self._folder = folder
        self.update_dir = state_dir / "update"
        self._current, self._trial = self.update_dir / "current", self.update_dir / "trial.json"
        self._rolled_back = self.update_dir / "rolled-back.json"

    def place(self, version: str) -> Path:
        """Return where a version lies; environments cannot be moved, so they are made there."""
        return self._folder / version

    def current(self) -> str | None:
        """Return the version in use."""
        return self._current.readlink().name if self._current.is_symlink() else None

    def whole(self, version: str) -> bool:
        """Tell whether a version was made to its end."""
        return (self.place(version) / _WHOLE).exists()

    def make(self, version: str, build: Callable[[Path], None]) -> None:
        """Make a version unless it is whole; what an earlier try left behind is thrown away first."""
        place = self.place(version)
        if self.whole(version):
            return
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        build(place)
        write_durably(place / _WHOLE, json.dumps({"version": version}).encode())

    def use(self, version: str) -> None:
        """Put a version into use, on trial where there is one to go back to.

        Raises:
            Conflict: It is not whole.

        """
        if not self.whole(version):
            raise Conflict(f"Version {version} is not whole.", hint="Install it again.")
        before = self.current()
        if before == version:
            return
        state_dir = self.update_dir.parent
        state_dir.mkdir(parents=True, exist_ok=True)
        with rights_of(state_dir):  # the agent's own user ends the trial here
            self.update_dir.mkdir(exist_ok=True)
            if before is not None:
                trial = {"version": version, "back_to": str(self.place(before)), "starts": 0}
                write_durably(self._trial, json.dumps(trial).encode())
            self._point(self.place(version))

    def _point(self, place: Path) -> None:
        beside = self.update_dir / "current.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(place)
        rename_durably(beside, self._current)

    def trial(self) -> Trial | None:
        """Return the trial of the version in use; None when it has proved itself."""
        try:
            said = json.loads(self._trial.read_text(encoding="utf-8"))
            found = Trial(str(said["version"]), Path(said["back_to"]).name)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.version == self.current() else None

    def confirm(self) -> None:
        """End the trial: the version in use has proved itself."""
        self._trial.unlink(missing_ok=True)
        sync(self.update_dir)

    def rolled_back(self) -> str | None:
        """Return the version that did not prove itself, where that has not been told yet."""
        try:
            return str(json.loads(self._rolled_back.read_text(encoding="utf-8"))["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def told(self) -> None:
        """The return to the version before has been told."""
        self._rolled_back.unlink(missing_ok=True)
        sync(self.update_dir)


def runs_from(slots: Slots, prefix: str) -> bool:
    """Tell whether the program with this ``sys.prefix`` is the version in use."""
    current = slots.current()
    return current is not None and os.path.realpath(prefix) == os.path.realpath(slots.place(current))
