"""Real services for any test that asks: Postgres, Mosquitto, MiniStack, moto, each on its own port and folder.

They start when a test first asks and end with the session; a session run by several workers has one set per worker.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import boto3
import httpx
import pytest
from httpx._transports import default as httpx_transport
from hypothesis import settings
from moto.server import ThreadedMotoServer

from infra.local import resources
from tests.services import AwsServer, Broker, DatabaseServer, MiniStack, Moto

# The suite tries the same examples every time: what it says is about the change, not about luck.
# KESTREL_EXAMPLES=2000 (make properties) searches at random, where a test does not say how many it wants.
_SEARCH = os.environ.get("KESTREL_EXAMPLES")
# No deadline: how long an example takes is the machine's.
settings.register_profile("suite", max_examples=int(_SEARCH or "50"), derandomize=_SEARCH is None, deadline=None)
settings.load_profile("suite")

# Every client reads the file of authorities, 47 ms of processor time, and the suite makes thousands: once is enough.
httpx_transport.create_ssl_context = cache(httpx.create_ssl_context)  # type: ignore[attr-defined]

# Nothing that is imported and collected goes away before the end, and each of the three workers holds 800,000 objects
# of it: to go through them in search of garbage took a fifth of the collection and a twelfth of the tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Search for garbage among what the tests make, and there alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


_MEMORY = Path("/dev/shm")  # noqa: S108 - for the services of the tests alone
_MEMORY_BYTES = 2 * 1024**3


@pytest.fixture(scope="session")
def services_dir() -> Iterator[Path]:
    """Yield a short folder (Unix sockets must fit into 107 bytes), in memory where there is room.

    A database for a test is a copy of some 300 files: 0.1 s in memory, a second on a busy disk.
    """
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
    for left in _MEMORY.glob("kt*-*") if roomy else ():
        if not Path("/proc", left.name[2:].partition("-")[0]).exists():  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
    where = str(_MEMORY) if roomy else None
    with tempfile.TemporaryDirectory(prefix=f"kt{os.getpid()}-", dir=where, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(services_dir: Path) -> Iterator[DatabaseServer]:
    """Yield a running Postgres."""
    with DatabaseServer(services_dir / "pg") as server:
        yield server


@pytest.fixture(scope="module")
def database_url(postgres_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    with postgres_server.database(migrated=True) as url:
        yield url


@pytest.fixture(scope="module")
def empty_database_url(postgres_server: DatabaseServer) -> Iterator[str]:
    """Yield the URL of a fresh database without any table."""
    with postgres_server.database(migrated=False) as url:
        yield url


@pytest.fixture(scope="session")
def broker(services_dir: Path) -> Iterator[Broker]:
    """Yield a running Mosquitto with mutual TLS and the generated rights."""
    with Broker(services_dir / "mq") as server:
        yield server


@pytest.fixture(scope="session")
def ministack(services_dir: Path) -> Iterator[MiniStack]:
    """Yield a running MiniStack."""
    with MiniStack(services_dir / "aws") as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """Yield a running moto server."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield Moto(server.get_host_and_port()[1])
    finally:
        server.stop()


@pytest.fixture(scope="module")
def aws_ministack(ministack: MiniStack) -> Iterator[MiniStack]:
    """Yield MiniStack, emptied, with every declared resource; AWS_* variables lead to it."""
    with _aws_variables(ministack):
        yield ministack


@pytest.fixture(scope="module", params=["ministack", "moto"])
def aws(request: pytest.FixtureRequest) -> Iterator[AwsServer]:
    """Yield each AWS stand-in in turn, emptied, with every declared resource; AWS_* variables lead to it."""
    server: AwsServer = request.getfixturevalue(request.param)
    with _aws_variables(server):
        yield server


@contextmanager
def _aws_variables(server: AwsServer) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in server.env.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        server.reset()
        resources.ensure()
        yield
