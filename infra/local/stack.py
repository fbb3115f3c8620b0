"""One instance of the platform, as Python sees it.

``Stack(state_dir)`` names an instance; nothing runs until ``up``::

    stack = Stack(".kestrel/default")
    stack.up()                                   # start (or join) the supervisor, wait until all is ready
    stack.ports["api"]                           # fixed ports: postgres, mosquitto, emulator, api, sap
    stack.port("drone-1-autopilot")              # a further free port (TCP and UDP), kept in instance.json
    stack.start("sap")                           # a process of the table that ``up`` leaves out
    env = stack.drone_env("drone-1", EDGE_AUTOPILOT_URL="udpin:127.0.0.1:14550", EDGE_CAMERA_URL="http://…")
    stack.start_process(ProcessSpec(name="edge-drone-1", command=(stack.program("kestrel-edge"), "run"), env=env))
    stack.wait_ready(["edge-drone-1"])
    stack.kill("ingest")                         # SIGKILL, as a crash would; the supervisor starts it again
    stack.stop_process("edge-drone-1")           # end it and forget it
    stack.down()                                 # stop everything, in reverse order

Processes added with ``start_process`` are supervised like the others (log, backoff, pid file) and also come back
after the supervisor itself was killed; ``down`` forgets them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import TypeAdapter

from contracts.errors import InvalidInput, NotFound, Unavailable
from infra.local import broker, certificates, instance, supervisor, table
from infra.local.certificates import Identity, Keys
from infra.local.files import write_private
from infra.local.instance import Instance
from infra.local.layout import REPOSITORY, layout_of
from infra.local.leftovers import end_leftovers
from infra.local.processes import ProcessSpec, Status, read_mark

_WANTED = TypeAdapter(list[str])
_POLL_S = 0.05
_STOP_TIMEOUT_S = 60.0


class Stack:
    """An instance: its addresses, identities and processes."""

    def __init__(self, state_dir: Path | str) -> None:
        self.layout = layout_of(state_dir)
        self.keys = Keys(self.layout.certificates)

    @property
    def instance(self) -> Instance:
        """Return ports and passwords, chosen at the first call."""
        return instance.load_or_create(self.layout)

    @property
    def ports(self) -> dict[str, int]:
        """Return the port of each name."""
        return self.instance.ports

    @property
    def api_url(self) -> str:
        """Return where the API and the page answer."""
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def database_url(self) -> str:
        """Return the SQLAlchemy URL of the database."""
        return table.database_of(self.layout, self.instance).url()

    def port(self, name: str) -> int:
        """Return a free port kept under ``name``."""
        return instance.port(self.layout, name)

    def env(self, program: str) -> dict[str, str]:
        """Return the whole environment of ``cloud``, ``vision``, ``workflows``, ``aws`` (AWS only) or ``plain``."""
        return table.environment(self.layout, self.instance, program)

    def drone_env(self, drone_id: str, **more: str) -> dict[str, str]:
        """Return a drone agent's environment; issues its certificate. ``more`` adds or replaces variables."""
        identity = self.issue_drone(drone_id)
        return table.drone_environment(self.layout, self.instance, drone_id, identity) | more

    def issue_drone(self, drone_id: str) -> Identity:
        """Return the drone's certificate files, issued at the first call."""
        certificates.create(self.keys)
        return certificates.issue_drone(self.keys, drone_id)

    @staticmethod
    def program(name: str) -> str:
        """Return the full path of one of our programs, such as ``kestrel-edge``."""
        return str(Path(sys.executable).with_name(name))

    def prepare(self) -> None:
        """Create folders, certificates, broker rules and an empty database, where missing."""
        self.layout.create()
        chosen = self.instance
        for name in ("sap", *instance.VISION):
            self.layout.of(name).mkdir(exist_ok=True)
        certificates.create(self.keys)
        broker.configure(self.layout.of("mosquitto"), chosen.ports["mosquitto"], self.keys.identity("broker"))
        table.database_of(self.layout, chosen).create()

    def specs(self) -> list[ProcessSpec]:
        """Return the specs of the wanted processes of the table."""
        rows = table.table(self.layout, self.instance)
        try:
            wanted = _WANTED.validate_json(self.layout.wanted_file.read_bytes())
        except FileNotFoundError:
            wanted = table.default_names(list(rows))
        return [spec for name, spec in rows.items() if name in wanted]

    def want(self, names: Iterable[str] | None) -> list[str]:
        """Set which processes of the table run (None: the usual ones); a running supervisor follows at once.

        Raises:
            InvalidInput: A name is not in the table.

        """
        rows = list(table.table(self.layout, self.instance))
        chosen = table.default_names(rows) if names is None else list(dict.fromkeys(names))
        if unknown := [name for name in chosen if name not in rows]:
            raise InvalidInput(f"No process is called {', '.join(unknown)}.", hint=f"Known: {', '.join(rows)}.")
        write_private(self.layout.wanted_file, _WANTED.dump_json(chosen))
        return chosen

    def up(self, names: Iterable[str] | None = None, *, wait_s: float = 90.0) -> list[Status]:
        """Start what is wanted, or join what already runs; return once all is ready (``wait_s`` 0: at once)."""
        self.layout.create()
        running = supervisor.holder(self.layout) is not None
        if not running:
            self._end_leftovers()
            instance.move_taken_ports(self.layout, list(self.instance.ports))
            self.prepare()
        wanted = self.want(names)
        if not running:
            self.layout.status_file.unlink(missing_ok=True)
            self._spawn()
        return self.wait_ready(wanted, timeout_s=wait_s) if wait_s else self.status()

    def down(self) -> None:
        """Stop everything and forget added processes; also ends what a killed supervisor left behind."""
        for path in self.layout.extra.glob("*.json"):
            path.unlink(missing_ok=True)
        pid = supervisor.holder(self.layout)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._wait(lambda: supervisor.holder(self.layout) is None, _STOP_TIMEOUT_S, "The supervisor did not stop.")
        self._end_leftovers()

    def start(self, name: str) -> None:
        """Start one more process of the table."""
        self.want([*(spec.name for spec in self.specs()), name])

    def start_process(self, spec: ProcessSpec) -> None:
        """Have the supervisor run one more process (or run it anew with another spec)."""
        self.layout.create()
        write_private(self.layout.extra / f"{spec.name}.json", spec.model_dump_json())

    def stop_process(self, name: str, *, timeout_s: float = 30.0) -> None:
        """End a process and keep it ended."""
        extra = self.layout.extra / f"{name}.json"
        if extra.exists():
            extra.unlink()
        else:
            self.want([spec.name for spec in self.specs() if spec.name != name])
        gone = f"{name} did not stop in {timeout_s:.0f} s."
        self._wait(lambda: all(row.name != name for row in self.status()), timeout_s, gone)

    def kill(self, name: str) -> int:
        """Kill a process with SIGKILL, as a crash would; return the pid it had.

        Raises:
            NotFound: It does not run.

        """
        mark = read_mark(self.layout.pid(name))
        if mark is None or mark.process() is None:
            raise NotFound(f"{name} does not run in {self.layout.state_dir}.", hint="See `kestrel status`.")
        os.kill(mark.pid, signal.SIGKILL)
        return mark.pid

    def pid(self, name: str) -> int | None:
        """Return the pid of a process that runs, or None."""
        mark = read_mark(self.layout.pid(name))
        return mark.pid if mark is not None and mark.process() is not None else None

    def status(self) -> list[Status]:
        """Return how each process is; empty when no supervisor runs."""
        return supervisor.statuses(self.layout) if supervisor.holder(self.layout) is not None else []

    def wait_ready(self, names: Iterable[str], *, timeout_s: float = 90.0) -> list[Status]:
        """Return once the named processes are ready.

        Raises:
            Unavailable: Time is up; the message names what is not ready and why.

        """
        wanted = set(names)
        deadline = time.monotonic() + timeout_s
        while True:
            rows = {row.name: row for row in self.status()}
            missing = [name for name in sorted(wanted) if name not in rows or not rows[name].well]
            if not missing:
                return list(rows.values())
            if time.monotonic() > deadline:
                said = [f"{n} ({rows[n].state}, {rows[n].last_exit})" if n in rows else n for n in missing]
                raise Unavailable(
                    f"Not ready after {timeout_s:.0f} s: {', '.join(said)}.", hint=f"See `kestrel logs {missing[0]}`."
                )
            time.sleep(_POLL_S)

    def tail(self, name: str, lines: int = 40) -> str:
        """Return the last lines of a process's log."""
        path = self.layout.log(name)
        if not path.exists():
            raise NotFound(f"There is no log of {name}.", hint=f"Logs: {self._log_names()}.")
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 400 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def _log_names(self) -> str:
        return ", ".join(sorted(path.stem for path in self.layout.logs.glob("*.log")))

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "infra.local", "supervise", "--detach"]
        with self.layout.log("supervisor").open("ab") as log:
            subprocess.run(
                [*command, "--state-dir", str(self.layout.state_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
                check=True,
            )
        self._wait(lambda: supervisor.holder(self.layout) is not None, 20, "No supervisor came up.")

    def _end_leftovers(self) -> None:
        if supervisor.holder(self.layout) is None:
            end_leftovers(self.layout, table.table(self.layout, self.instance).values())

    @staticmethod
    def _wait(holds: Callable[[], bool], timeout_s: float, failure: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                raise Unavailable(failure, hint="See `kestrel logs supervisor`.")
            time.sleep(_POLL_S)
