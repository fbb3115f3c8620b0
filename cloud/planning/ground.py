"""The ground as this installation is configured to know it: its elevation files, read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cloud.planning.terrain import Datum, Terrain, open_folder
from cloud.settings import Settings


@cache
def _ground(folder: Path, datum: str) -> Terrain | None:
    return open_folder(folder, Datum(datum) if datum else None)


def terrain_of(settings: Settings) -> Terrain | None:
    """Return the ground of the configured elevation files; they are read anew when the program starts."""
    return _ground(settings.terrain_dir, settings.terrain_datum) if settings.terrain_dir else None
