"""How a running agent is, in a file beside its state: `kestrel-edge status` and `check` read it."""

from __future__ import annotations

import json
from pathlib import Path


def status_file(state_dir: Path) -> Path:
    """Return where a running agent says how it is."""
    return state_dir / "status.json"


def write_status(state_dir: Path, status: dict[str, object]) -> None:
    """Replace the status file; readers never see half of it."""
    path = status_file(state_dir)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(status, default=str), encoding="utf-8")
    beside.replace(path)
