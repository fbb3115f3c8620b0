"""The rows that a drone's own life adds to `kestrel-edge check`: private files, identity, the computer's health."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from edge.life import der, health
from edge.life.identity import Wallet, open_to_others

RENEW_DAYS = 30


class Row(NamedTuple):
    """One line of the table."""

    name: str
    passed: bool
    detail: str
    hint: str = ""


def rows(state_dir: Path, key_file: Path | None) -> list[Row]:
    """Return what this part of the drone is fit for; a folder that is not there yet is made by the first run."""
    if not state_dir.is_dir():
        return [Row("private", True, f"{state_dir} is made at the first start.")]
    return [_private(state_dir, key_file), _health(state_dir)]


def _private(state_dir: Path, key_file: Path | None) -> Row:
    identity = state_dir / "identity"
    keys = tuple(identity.glob("*/key.pem"))
    wrong = open_to_others((state_dir, identity, *keys, *((key_file,) if key_file else ())))
    detail = "; ".join(line.partition(": ")[0] for line in wrong)
    hint = " && ".join(line.partition(": ")[2] for line in wrong)
    return Row("private", not wrong, detail or "Keys and state are readable by their owner only.", hint)


def _health(state_dir: Path) -> Row:
    found = health.read(state_dir)
    complaints = found.complaints()
    heat = f", {found.temperature_c:.0f} °C" if found.temperature_c is not None else ""
    said = f"Load {found.load_per_core:.1f} per core, {found.storage_free_percent:.0f} % storage free{heat}."
    return Row("computer", not complaints, " ".join(complaints) or said, "See docs/edge-life.md, health.")


def days_left(cert_file: Path, now: datetime) -> int:
    """Return how long a certificate is still valid, whole days."""
    return (der.certificate(cert_file.read_bytes()).not_after - now).days


def rotation_due(wallet: Wallet, asked_for: str | None = None) -> bool:
    """Tell whether the certificate in use ends soon, or is the one that is asked to be replaced."""
    if not wallet.current.whole:
        return False
    ends_soon = days_left(wallet.current.cert_file, datetime.now(UTC)) < RENEW_DAYS
    return ends_soon or wallet.current.identity().certificate_id == asked_for
