"""How the companion computer is: load, memory, heat, storage, versions, clock. Read from the kernel's own files."""

from __future__ import annotations

import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

from contracts.health import FirstLookHealth, Health
from edge import VERSION

_PROC, _THERMAL, _CLOCK = Path("/proc"), Path("/sys/class/thermal"), Path("/run/systemd/timesync/synchronized")


def read(
    state_dir: Path,
    proc: Path = _PROC,
    thermal: Path = _THERMAL,
    clock: Path = _CLOCK,
    *,
    first_look: FirstLookHealth | None = None,
) -> Health:
    """Read how the computer is now; how the detector on board does comes with it."""
    disk = shutil.disk_usage(state_dir)
    memory = _memory(proc / "meminfo")
    return Health(
        at=datetime.now(UTC),
        agent_version=VERSION,
        python_version=platform.python_version(),
        kernel=platform.release(),
        load_per_core=os.getloadavg()[0] / (os.cpu_count() or 1),
        memory_free_percent=memory,
        agent_memory_bytes=_resident(proc / "self" / "statm"),
        temperature_c=_hottest(thermal),
        storage_free_bytes=disk.free,
        storage_free_percent=100.0 * disk.free / disk.total,
        uptime_s=_uptime(proc / "uptime"),
        clock_synchronised=clock.exists() if clock.parent.exists() else None,
        first_look=first_look,
    )


def _memory(meminfo: Path) -> float | None:
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        total, free = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError):
        return None
    return 100.0 * free / total if total else None


def _resident(statm: Path) -> int | None:
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _hottest(thermal: Path) -> float | None:
    found = []
    for zone in thermal.glob("thermal_zone*/temp"):
        try:
            found.append(int(zone.read_text()) / 1000)
        except (OSError, ValueError):
            continue
    return max(found, default=None)


def _uptime(uptime: Path) -> float | None:
    try:
        return float(uptime.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
