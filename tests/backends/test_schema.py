"""The database's schema: one migration path, the same as the tables in the code, safe to run twice and side by side."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from cloud import schema
from cloud.db import Database
from cloud.telemetry_store import minutes
from infra.local.postgres import program
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


_SAMPLE = text(
    "INSERT INTO telemetry SELECT (jsonb_populate_record(NULL::telemetry, jsonb_build_object("
    "'seq', CAST(:seq AS bigint), 'battery_percent', CAST(:percent AS float), 'battery_v', CAST(:volts AS float),"
    "'drone_id', 'kite-01', 'boot_id', 'boot-1', 'captured_at', '2026-11-20T12:00:00Z', 'clock', 'gps', 'state',"
    "'on_route', 'received_at', '2026-11-20T12:00:01Z', 'satellites', 20) || CAST(:zeros AS jsonb))).*"
)
_ZEROS = dict.fromkeys(
    (
        "lat_deg",
        "lon_deg",
        "alt_m",
        "alt_rel_m",
        "yaw_deg",
        "pitch_deg",
        "roll_deg",
        "gimbal_yaw_deg",
        "gimbal_pitch_deg",
        "vel_east_mps",
        "vel_north_mps",
        "vel_up_mps",
        "gps_fix",
        "monotonic_ms",
    ),
    0,
)


def _back_to(database: Database, version: str) -> None:
    with database.engine.begin() as connection:
        command.downgrade(schema._config(connection), version)


def test_charges_not_told_go_back_as_the_older_release_stores_them(database: Database) -> None:
    schema.migrate(database)
    with database.session() as session:
        for seq, percent, volts in ((1, 80.0, 22.2), (2, None, None)):
            values = {"seq": seq, "percent": percent, "volts": volts, "zeros": json.dumps(_ZEROS)}
            session.execute(_SAMPLE, values)
        minutes.roll(session)
    _back_to(database, "0036")
    with database.session() as session:
        charges = session.execute(text("SELECT battery_percent, battery_v FROM telemetry ORDER BY seq")).all()
        minute = session.execute(text("SELECT min_battery_percent, sum_battery_percent FROM telemetry_minutes")).one()
    assert ([tuple(row) for row in charges], tuple(minute)) == ([(80.0, 22.2), (0.0, 0.0)], (0.0, 80.0))
    schema.migrate(database)
    assert schema.differences(database) == []


STATES = sorted((Path(__file__).parent / "states").glob("*.dump"))
"""Small databases as earlier releases left them, written by those releases themselves."""


@pytest.mark.parametrize("state", STATES, ids=lambda path: path.stem)
def test_an_earlier_releases_database_is_brought_here_with_its_rows(database: Database, state: Path) -> None:
    _load(database, state)
    before = _rows(database)
    assert schema.present_version(database) == state.stem < schema.newest_version()
    assert min(before[name] for name in ("telemetry", "findings", "evidence", "tickets", "plans")) > 0
    schema.migrate(database)
    assert schema.differences(database) == []
    after = _rows(database)
    assert {name: after[name] for name in before if name != "alembic_version"} == {
        name: count for name, count in before.items() if name != "alembic_version"
    }


def _load(database: Database, state: Path) -> None:
    with database.session() as session:  # a role belongs to the server, not to a database
        session.execute(
            text("DO $$ BEGIN CREATE ROLE kestrel_asker; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        )
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [str(program("pg_restore")), "--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={url}"]
    subprocess.run([*command, str(state)], check=True, capture_output=True)


def _rows(database: Database) -> dict[str, int]:
    with database.session() as session:
        names = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {name: session.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0 for name in names}  # noqa: S608
