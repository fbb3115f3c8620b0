"""How a running agent is, in a file beside its state: `kestrel-edge status` and `check` read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.errors import Conflict

_FRESH = timedelta(seconds=10)


def status_file(state_dir: Path) -> Path:
    """Return where a running agent says how it is."""
    return state_dir / "status.json"


def write_status(state_dir: Path, status: dict[str, object]) -> None:
    """Replace the status file; readers never see half of it."""
    path = status_file(state_dir)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(status, default=str), encoding="utf-8")
    beside.replace(path)


def running_state(status_file: Path, now: datetime) -> str | None:
    """Return what an agent that runs now says the aircraft is doing; None when none runs."""
    try:
        said = json.loads(status_file.read_text(encoding="utf-8"))
        fresh = now - datetime.fromisoformat(said["at"]) < _FRESH
        return str(said["state"]) if fresh and said["running"] else None
    except (OSError, ValueError, KeyError):
        return None


def require_landed(status_file: Path) -> None:
    """Refuse while a flight is under way.

    Raises:
        Conflict: The running agent is on a flight.

    """
    if running_state(status_file, datetime.now(UTC)) is None:
        return
    flight_id = json.loads(status_file.read_text(encoding="utf-8")).get("flight_id")
    if flight_id is not None:
        raise Conflict(f"The drone is on flight {flight_id}.", hint="Update it when it has landed.")
