"""Services that tests start for themselves, with the same modules that ``kestrel up`` uses."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import psycopg2
from psycopg2 import sql

from contracts.topics import PLATFORM_IDENTITY
from infra.local import broker, certificates, emulator
from infra.local.certificates import Identity, Keys
from infra.local.instance import free_port
from infra.local.layout import REPOSITORY
from infra.local.postgres import USER, Postgres, program
from infra.local.processes import Probe

_START_TIMEOUT_S = 30.0
_POLL_S = 0.02
_TEMPLATE = "template_migrated"


class Service:
    """A child process that is ready when its probe holds."""

    def __init__(self, command: list[str], env: dict[str, str], probe: Probe, log: Path, stop_signal: int) -> None:
        self._command = command
        self._env = env
        self._probe = probe
        self._log = log
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        began = time.monotonic()
        while not self._probe.holds(time.monotonic() - began):
            if self._process.poll() is not None or time.monotonic() - began > _START_TIMEOUT_S:
                raise RuntimeError(f"{self._command[0]} did not start: {self._log.read_text()[-2000:]}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it cleanly."""
        self._end(self._stop_signal)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


class DatabaseServer(Service):
    """An embedded Postgres."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        folder.mkdir()
        self._server = Postgres(folder, folder / "s", free_port(set()), "test")
        self._server.create()
        self._numbers = itertools.count(1)
        self._template_made = False
        ready = f"{program('pg_isready')}\n-q\n-h\n127.0.0.1\n-p\n{self._server.port}"
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        super().__init__(
            [*self._server.command(), *(() if durable else ("-c", "fsync=off", "-c", "synchronous_commit=off"))],
            env,
            Probe(kind="command", target=ready),
            folder / "log",
            signal.SIGINT,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, name: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return self._server.url(name)

    def _create_template(self) -> None:
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        done = subprocess.run(
            [sys.executable, "-m", "cloud", "migrate"],
            env={"PATH": os.environ["PATH"], "CLOUD_DATABASE_URL": self.url(_TEMPLATE)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"kestrel-cloud migrate failed: {done.stderr[-3000:]}")
        self._template_made = True

    @contextmanager
    def database(self, *, migrated: bool) -> Iterator[str]:
        """Yield the URL of a fresh database; it is dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        if migrated and not self._template_made:
            self._create_template()
        template = _TEMPLATE if migrated else "template0"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        self._run(create)
        try:
            yield self.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self._server.port, user=USER, password=self._server.password, dbname="postgres"
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


class Broker(Service):
    """A Mosquitto with mutual TLS."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.keys = Keys(folder / "certificates")
        self.keys.folder.mkdir()
        certificates.create(self.keys)
        self.port = free_port(set())
        self.folder = folder / "etc"
        configuration = broker.configure(self.folder, self.port, self.keys.identity("broker"))
        server = broker.executable()
        env = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": broker.library_path(server)}
        command = [str(server), "-c", str(configuration)]
        super().__init__(command, env, Probe(kind="tcp", target=str(self.port)), folder / "log", signal.SIGTERM)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the broker's address."""
        return f"mqtts://127.0.0.1:{self.port}"

    @property
    def platform(self) -> Identity:
        """Return the platform's certificate files."""
        return self.keys.identity(PLATFORM_IDENTITY)

    def identity(self, drone_id: str) -> Identity:
        """Return a drone's certificate files."""
        return certificates.issue_drone(self.keys, drone_id)


class AwsServer(Protocol):
    """A stand-in for AWS."""

    @property
    def url(self) -> str:
        """Return its endpoint."""

    @property
    def env(self) -> dict[str, str]:
        """Return the AWS_* variables that lead to it."""

    def reset(self) -> None:
        """Empty it."""


class MiniStack(Service):
    """MiniStack in its own process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._port = free_port(set())
        env = {"PATH": os.environ["PATH"], **emulator.environment(folder, self._port)}
        health = Probe(kind="http", target=f"{self.url}{emulator.HEALTH_PATH}")
        super().__init__(emulator.command(), env, health, folder / "log", signal.SIGTERM)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return its endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def env(self) -> dict[str, str]:
        """Return the AWS_* variables that lead to it."""
        return emulator.client_environment(self._port, "test")

    def reset(self) -> None:
        """Empty it."""
        _post(f"{self.url}/_ministack/reset")


class Moto:
    """A moto server in a thread of the tests."""

    def __init__(self, port: int) -> None:
        self._port = port

    @property
    def url(self) -> str:
        """Return its endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def env(self) -> dict[str, str]:
        """Return the AWS_* variables that lead to it."""
        return emulator.client_environment(self._port, "test")

    def reset(self) -> None:
        """Empty it."""
        _post(f"{self.url}/moto-api/reset")


def _post(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10) as response:
        response.read()
