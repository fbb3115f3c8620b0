"""Is this drone fit to fly? One line per thing, each with what to mend. Reads and connects; changes nothing."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from contracts.errors import PlatformError
from edge.life import checks as life
from edge.life import der
from edge.settings import Settings

OPEN_TO_OTHERS = 0o077
_OLDEST_SANE = datetime(2026, 1, 1, tzinfo=UTC)
_CONNECT_S = 3.0


class Check(NamedTuple):
    """One line of the table."""

    name: str
    passed: bool
    detail: str
    hint: str = ""


Probe = Callable[[], str]
"""Return what was found, or raise PlatformError or OSError saying why it is not fit."""


def run_checks(settings: Settings, probes: dict[str, Probe]) -> list[Check]:
    """Check files, clock and disk here, and what the composition root passes in as ``probes``."""
    return [*_local(settings), *run_probes(probes)]


def run_probes(probes: dict[str, Probe]) -> list[Check]:
    """Check only what is passed in."""
    return [_probed(name, probe) for name, probe in probes.items()]


def private_key(path: Path) -> Check:
    """The key file may be read by its owner only."""
    if not path.is_file():
        return Check("key", False, f"{path} is missing.", "Set EDGE_KEY_FILE to the drone's private key.")
    mode = path.stat().st_mode & 0o777
    return Check("key", not mode & OPEN_TO_OTHERS, f"{path} has mode {mode:o}.", f"chmod 600 {path}")


def certificate(path: Path, drone_id: str, now: datetime) -> Check:
    """The certificate is valid now and names this drone."""
    try:
        cert = der.certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Check("certificate", False, f"{path}: {error}.", "Set EDGE_CERT_FILE to the drone's certificate.")
    if cert.common_names != (drone_id,):
        return Check(
            "certificate",
            False,
            f"It names {list(cert.common_names)}, this is {drone_id}.",
            "Issue one for this drone.",
        )
    if not cert.not_before <= now <= cert.not_after:
        valid = f"{cert.not_before:%Y-%m-%d} to {cert.not_after:%Y-%m-%d}"
        return Check("certificate", False, f"It is valid from {valid}.", "Renew it, or set the clock.")
    days = (cert.not_after - now).days
    return Check("certificate", True, f"Names {drone_id}, {days} days left.")


def broker(url: str) -> Check:
    """Something listens where the broker should be."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 8883)
    try:
        socket.create_connection(address, timeout=_CONNECT_S).close()
    except OSError as error:
        return Check("broker", False, f"{url}: {error}.", "Is the broker up and EDGE_MQTT_URL right?")
    return Check("broker", True, f"{url} answers.")


def _local(settings: Settings) -> Iterator[Check]:
    yield Check("settings", True, f"Drone {settings.drone_id}.")
    now = datetime.now(UTC)
    if settings.key_file and settings.cert_file:
        yield private_key(settings.key_file)
        yield certificate(settings.cert_file, settings.drone_id, now)
    yield from (Check(*row) for row in life.rows(settings.state_dir, settings.key_file))
    keys = sorted(p.stem for p in settings.command_keys_dir.glob("*.pem"))
    yield Check("commands", bool(keys), f"Trusted keys: {', '.join(keys) or 'none'}.", "Fill EDGE_COMMAND_KEYS_DIR.")
    yield broker(settings.mqtt_url)
    place = settings.state_dir if settings.state_dir.exists() else settings.state_dir.parent
    free = shutil.disk_usage(place).free
    floor = settings.disk_floor_bytes
    yield Check("disk", free >= floor, f"{free / 1e9:.1f} GB free, {floor / 1e9:.1f} GB needed.", "Free some space.")
    yield Check("clock", now > _OLDEST_SANE, f"It says {now:%Y-%m-%d %H:%M:%S} UTC.", "Set the clock (NTP or GPS).")


def _probed(name: str, probe: Probe) -> Check:
    try:
        return Check(name, True, probe())
    except PlatformError as error:
        return Check(name, False, error.message, error.hint)
    except OSError as error:
        return Check(name, False, f"{error}.", "Is another program using it?")


def wait_for(ready: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until ``ready`` or the time is up; return which."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
