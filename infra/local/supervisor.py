"""The daemon of ``kestrel up``: starts what is wanted in order of need, keeps it up, stops it in reverse.

It is steered by files only (wanted names, extra specs), so that its own death loses no wish: the next one
ends what was left over and starts the same again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from contracts.errors import Conflict
from infra.local.child import Child, Report
from infra.local.files import write_private
from infra.local.leftovers import end_leftovers
from infra.local.processes import ProcessSpec, State, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.layout import Layout

TICK_S = 0.05
LOG_LIMIT_BYTES = 20_000_000
_ROTATE_EVERY_S = 10.0
_LOCK_PATIENCE_S = 1.0
_STATUSES = TypeAdapter(list[Status])


class Supervisor:
    """Owns every child of one state directory; tests drive ``step``."""

    def __init__(self, layout: Layout, table: Callable[[], list[ProcessSpec]], report: Report) -> None:
        self._layout = layout
        self._table = table
        self._report = report
        self._children: dict[str, Child] = {}
        self._leaving: list[Child] = []
        self._stamp: list[tuple[str, int]] | None = None
        self._published: list[Status] = []
        self._rotated_s = 0.0

    def step(self) -> None:
        """Read the wishes, move every child one step, publish what changed."""
        self._read_wishes()
        for child in self._children.values():
            child.step(may_start=self._may_start(child.spec))
        self._step_leaving()
        self._publish()
        self._rotate_logs()

    def stop(self) -> None:
        """Stop everything, what nothing else needs first; returns when all have ended."""
        children = [*self._children.values(), *self._leaving]
        while living := [child for child in children if child.state is not State.STOPPED]:
            needed = {name for child in living for name in child.spec.needs}
            for child in living:
                if child.alive:
                    child.step(may_start=False)
                if child.spec.name not in needed:
                    child.ask_to_stop()
            self._publish()
            time.sleep(TICK_S)
        self._publish()

    def clear_leftovers(self) -> None:
        """End processes of a supervisor that died."""
        for name, pid in end_leftovers(self._layout, self._table()).items():
            self._report("leftover_ended", process=name, pid=pid)

    def _may_start(self, spec: ProcessSpec) -> bool:
        if any(old.spec.name == spec.name for old in self._leaving):
            return False
        needed = (self._children.get(name) for name in spec.needs)
        return all(child is None or child.well for child in needed)

    def _wish_stamp(self) -> list[tuple[str, int]]:
        files = (self._layout.wanted_file, *sorted(self._layout.extra.glob("*.json")))
        return [(path.name, path.stat().st_mtime_ns) for path in files if path.exists()]

    def _read_wishes(self) -> None:
        stamp = self._wish_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        wanted = {spec.name: spec for spec in [*self._table(), *extra_specs(self._layout)]}
        for name in [n for n, child in self._children.items() if wanted.get(n) != child.spec]:
            self._leaving.append(self._children.pop(name))
        for name, spec in wanted.items():
            if name not in self._children:
                self._children[name] = Child(spec, self._layout, self._report)
        self._children = {name: self._children[name] for name in wanted}

    def _step_leaving(self) -> None:
        for child in self._leaving:
            child.step(may_start=False)
            child.ask_to_stop()
        self._leaving = [child for child in self._leaving if child.state is not State.STOPPED]

    def _publish(self) -> None:
        statuses = [child.status() for child in (*self._children.values(), *self._leaving)]
        if statuses != self._published:
            self._published = statuses
            write_private(self._layout.status_file, _STATUSES.dump_json(statuses))

    def _rotate_logs(self) -> None:
        now = time.monotonic()
        if now - self._rotated_s < _ROTATE_EVERY_S:
            return
        self._rotated_s = now
        for path in self._layout.logs.glob("*.log"):
            if path.stat().st_size > LOG_LIMIT_BYTES:
                # Writers hold the file open for appending: copy, then cut it in place.
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)


def extra_specs(layout: Layout) -> list[ProcessSpec]:
    """Return the processes asked for at run time, oldest first."""
    files = sorted(layout.extra.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [ProcessSpec.model_validate_json(path.read_bytes()) for path in files]


def statuses(layout: Layout) -> list[Status]:
    """Return how each process was when the supervisor last looked; empty when it never ran."""
    try:
        return _STATUSES.validate_json(layout.status_file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return []


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold a state directory for one supervisor.

    Raises:
        Conflict: Another supervisor holds it.

    """
    with layout.lock_file.open("a+") as file:
        # ``holder`` takes the lock for an instant to look: try for a while before believing it.
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while not _take(file):
            if time.monotonic() > deadline:
                raise Conflict(f"A supervisor already runs for {layout.state_dir}.", hint="See `kestrel status`.")
            time.sleep(TICK_S / 5)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(layout: Layout) -> int | None:
    """Return the pid of the living supervisor of a state directory, or None."""
    try:
        with layout.lock_file.open("r+") as file:
            return None if _take(file) else int(file.read() or 0) or None
    except FileNotFoundError:
        return None


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run(supervisor: Supervisor) -> None:
    """Supervise until SIGTERM or SIGINT, then stop everything."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: asked.append(received))
    supervisor.clear_leftovers()
    while not asked:
        supervisor.step()
        time.sleep(TICK_S)
    supervisor.stop()
