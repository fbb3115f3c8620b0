"""A short look at the live API with every check of Schemathesis; `make fuzz-api` is the long one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.services import Services
from tests import fuzz
from tests.services import DatabaseServer


@pytest.fixture(scope="module")
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = fuzz.services_on(url)
        fuzz.fill(built)
        yield built
        built.database.close()


def test_no_server_error_and_no_undocumented_answer(services: Services) -> None:
    found = fuzz.run(services, 10, seed=20261125)
    assert found.failures == [], found.text[-6000:]
    assert min(found.operations, found.requests) > 10, "as many as a busy machine manages in ten seconds"


def test_a_failure_would_be_seen() -> None:
    report = {
        "failures": [{"title": "Server error", "operations": ["GET /v1/sites"]}],
        "errors": [],
        "operations": {"tested": 3},
        "test_cases": {"generated": 9},
    }
    assert fuzz.read(report) == (9, 3, ["Server error: GET /v1/sites"])
