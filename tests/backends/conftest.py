"""What most tests of the cloud stand on: its services over a database of the module, and the API over them.

A module with other services has a ``built`` of its own; ``server`` and the clients are over that one then.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cloud.services import Services
from contracts.vocabulary import Role
from infra.local.instance import free_port
from tests import platform
from tests.clean_database import empty
from tests.platform import Server
from tests.sap_server import SapServer


@pytest.fixture(scope="module")
def built(database_url: str) -> Iterator[Services]:
    services = platform.build(database_url)
    yield services
    services.database.close()


@pytest.fixture(scope="module")
def sap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SapServer]:
    with SapServer(tmp_path_factory.mktemp("sap"), free_port(set())) as server:
        yield server


@pytest.fixture(scope="module")
def server(built: Services) -> Iterator[Server]:
    with Server(built) as running:
        yield running


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.OPERATOR) as http:
        yield http


@pytest.fixture
def services(built: Services) -> Services:
    """Return them with every table empty."""
    empty(built.database)
    return built
