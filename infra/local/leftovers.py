"""Processes that outlived their supervisor: found by their pid files, ended, never adopted half-known."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

import psutil

from infra.local.child import kill_group
from infra.local.processes import read_mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.local.layout import Layout
    from infra.local.processes import Mark, ProcessSpec

_GRACE_S = 10.0
_POLL_S = 0.02


def end_leftovers(layout: Layout, known: Iterable[ProcessSpec]) -> dict[str, int]:
    """End every process a dead supervisor left behind; return their pids by name.

    All are asked at once: they are about to start anew, and each survives a kill.
    """
    signals = {spec.name: spec.stop_signal for spec in known}
    left: dict[str, Mark] = {}
    for path in sorted(layout.run.glob("*.pid")):
        mark = read_mark(path)
        path.unlink()
        if mark is not None and (process := mark.process()) is not None:
            left[path.stem] = mark
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signals.get(path.stem, signal.SIGTERM))
    deadline = time.monotonic() + _GRACE_S
    while any(mark.process() for mark in left.values()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    for mark in left.values():
        kill_group(mark.pid)
    return {name: mark.pid for name, mark in left.items()}
