"""The database's schema: one migration path, the same as the tables in the code, safe to run twice and side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from cloud import schema
from cloud.db import Database
from tests.services import DatabaseServer


@pytest.fixture
def database(postgres_server: DatabaseServer) -> Iterator[Database]:
    with postgres_server.database(migrated=False) as url:
        made = Database(url)
        yield made
        made.close()


def test_migrations_lead_to_the_tables_in_the_code(database: Database) -> None:
    assert schema.present_version(database) is None
    schema.migrate(database)
    assert schema.present_version(database) == schema.newest_version()
    assert schema.differences(database) == []


def test_a_difference_would_be_seen(database: Database) -> None:
    schema.migrate(database)
    with database.session() as session:
        session.execute(text("ALTER TABLE drones DROP COLUMN model"))
    assert schema.differences(database)


def test_migrating_twice_and_side_by_side_is_harmless(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = set(pool.map(lambda _: schema.migrate(database), range(4)))
    assert versions == {schema.newest_version()}
    with database.session() as session:
        session.execute(text("INSERT INTO sites VALUES ('north', 'North', 54.9, 8.3, 45.0)"))
    schema.migrate(database)
    with database.session() as session:
        assert session.execute(text("SELECT count(*) FROM sites")).scalar() == 1
