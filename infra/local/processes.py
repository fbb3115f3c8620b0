"""What a supervised process is, and how to tell that it is ready."""

from __future__ import annotations

import signal
import socket
import subprocess
import urllib.error
import urllib.request
from enum import StrEnum
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field

ALIVE_S = 2.0
"""A program that cannot work ends within its first two seconds."""
_PROBE_TIMEOUT_S = 0.5


class Probe(BaseModel):
    """How readiness shows.

    ``alive``: it has run for ``ALIVE_S``; ``exit``: it ended with 0 (a task, run once); ``file``: it touched
    ``target``; ``http``: a GET of ``target`` answers below 400; ``tcp``: loopback port ``target`` accepts;
    ``command``: the program and arguments in ``target`` (one per line) end with 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["alive", "exit", "file", "http", "tcp", "command"] = "alive"
    target: str = ""

    def holds(self, age_s: float) -> bool:
        """Return whether a process that has run for ``age_s`` is ready."""
        match self.kind:
            case "alive":
                return age_s >= ALIVE_S
            case "exit":
                return False
            case "file":
                return Path(self.target).exists()
            case "http":
                return _answers(self.target)
            case "tcp":
                return _accepts(int(self.target))
            case "command":
                return subprocess.run(self.target.split("\n"), capture_output=True, check=False).returncode == 0


class ProcessSpec(BaseModel):
    """One process: what to run, when, and how to stop it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,80}$")
    command: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    needs: tuple[str, ...] = ()
    """Names that must be ready before it starts, and that stop after it."""
    probe: Probe = Probe()
    stop_signal: int = signal.SIGTERM
    grace_s: float = 10.0
    """After this long without ending it is killed."""

    @property
    def once(self) -> bool:
        """Return whether this is a task that ends, not a daemon."""
        return self.probe.kind == "exit"


class State(StrEnum):
    """Where a process stands."""

    WAITING = "waiting"
    """For what it needs."""
    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    """It ended unasked and will be started again."""
    DONE = "done"
    """A task that ended well."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class Status(BaseModel):
    """How one process is, as the supervisor last saw it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: State
    pid: int | None = None
    since: str
    restarts: int = 0
    last_exit: str = ""

    @property
    def well(self) -> bool:
        """Return whether it is up, or a task that is done."""
        return self.state in {State.READY, State.DONE}


class Mark(BaseModel):
    """A process's pid with the time it was made, so that a reused pid is never taken for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """Return the living process, or None."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.created) < 0.05
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def read_mark(path: Path) -> Mark | None:
    """Return what a pid file holds, or None when there is none."""
    try:
        return Mark.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_TIMEOUT_S) as response:
            return bool(response.status < 400)
    except (urllib.error.URLError, OSError):
        return False


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_TIMEOUT_S):
            return True
    except OSError:
        return False
