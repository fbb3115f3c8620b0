"""One supervised process: started, probed, started again with backoff, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psutil

from infra.local.files import write_private
from infra.local.layout import REPOSITORY, Layout
from infra.local.processes import Mark, ProcessSpec, State, Status

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 10.0
HEALTHY_AFTER_S = 30.0
_PROBE_EVERY_S = 0.1

Report = Callable[..., None]


class Child:
    """Drives one process; ``step`` never blocks longer than one probe."""

    def __init__(self, spec: ProcessSpec, layout: Layout, report: Report) -> None:
        self.spec = spec
        self.state = State.WAITING
        self._layout = layout
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._probed_s = 0.0
        self._not_before_s = 0.0
        self._backoff_s = FIRST_BACKOFF_S
        self._signalled_s = 0.0
        self._restarts = 0
        self._last_exit = ""
        self._since = datetime.now(UTC)

    @property
    def well(self) -> bool:
        """Return whether others that need it may start."""
        return self.state in {State.READY, State.DONE}

    @property
    def alive(self) -> bool:
        """Return whether its process exists."""
        return self._process is not None

    def status(self) -> Status:
        """Return how it is."""
        return Status(
            name=self.spec.name,
            state=self.state,
            pid=self._process.pid if self._process else None,
            since=self._since.isoformat(timespec="milliseconds"),
            restarts=self._restarts,
            last_exit=self._last_exit,
        )

    def step(self, *, may_start: bool) -> None:
        """Notice an exit, start when due, or probe."""
        now = time.monotonic()
        if self._process is not None:
            self._watch(self._process, now)
        elif self.state is State.WAITING or (self.state is State.BACKOFF and now >= self._not_before_s):
            if may_start:
                self._start(now)
            else:
                self._enter(State.WAITING)

    def ask_to_stop(self) -> None:
        """Send the stop signal once; after the grace time, kill."""
        if self._process is None:
            self._enter(State.STOPPED)
            return
        now = time.monotonic()
        if self.state is not State.STOPPING:
            self._enter(State.STOPPING)
            self._signalled_s = now
            self._signal(self._process, self.spec.stop_signal)
        elif now - self._signalled_s > self.spec.grace_s:
            self._report("process_killed", process=self.spec.name, reason=f"did not stop in {self.spec.grace_s:.0f} s")
            kill_group(self._process.pid)
            self._signalled_s = now

    def _start(self, now: float) -> None:
        spec = self.spec
        self._layout.ready(spec.name).unlink(missing_ok=True)
        with self._layout.log(spec.name).open("ab") as log:
            try:
                process = subprocess.Popen(
                    spec.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=spec.env,
                    cwd=REPOSITORY,
                    start_new_session=True,
                )
            except OSError as error:
                self._fall_back(now, f"cannot start {spec.command[0]}: {error.strerror}")
                return
        with contextlib.suppress(psutil.NoSuchProcess):
            mark = Mark(pid=process.pid, created=psutil.Process(process.pid).create_time())
            write_private(self._layout.pid(spec.name), mark.model_dump_json())
        self._process, self._started_s = process, now
        self._enter(State.STARTING)

    def _watch(self, process: subprocess.Popen[bytes], now: float) -> None:
        code = process.poll()
        age_s = now - self._started_s
        if code is not None:
            self._ended(process, code, now)
        elif self.state is State.STARTING and now - self._probed_s >= _PROBE_EVERY_S:
            self._probed_s = now
            if self.spec.probe.holds(age_s):
                self._enter(State.READY)
        elif self.state is State.READY and age_s > HEALTHY_AFTER_S:
            self._backoff_s = FIRST_BACKOFF_S

    def _ended(self, process: subprocess.Popen[bytes], code: int, now: float) -> None:
        # A killed parent leaves its own children behind in its session.
        kill_group(process.pid)
        self._process = None
        self._layout.pid(self.spec.name).unlink(missing_ok=True)
        said = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        if self.state is State.STOPPING:
            self._last_exit = said
            self._enter(State.STOPPED)
        elif self.spec.once and code == 0:
            self._last_exit = said
            self._enter(State.DONE)
        else:
            self._fall_back(now, said)

    def _fall_back(self, now: float, said: str) -> None:
        self._last_exit = said
        self._restarts += 1
        self._not_before_s = now + self._backoff_s
        self._report("process_ended", process=self.spec.name, exit=said, again_in_s=self._backoff_s)
        self._backoff_s = min(LONGEST_BACKOFF_S, self._backoff_s * 2)
        self._enter(State.BACKOFF)

    def _enter(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._since = datetime.now(UTC)
            pid = self._process.pid if self._process else None
            self._report("process_state", process=self.spec.name, state=state, pid=pid)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def kill_group(pid: int) -> None:
    """Kill what is left of a process and its children in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
