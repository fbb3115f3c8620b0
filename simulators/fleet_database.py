"""The fleet's oracle: what the platform's database holds, asked of the database itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extras import execute_values

from contracts.errors import Unavailable

SITE = "sim-fleet"


class Counted(NamedTuple):
    """Samples that were made and are not stored, and samples stored that nobody made."""

    missing: int
    unknown: int


def register(url: str, drone_ids: Sequence[str]) -> None:
    """Make the fleet's site and drones known, as an operator would; harmless when they are."""
    rows = [(name, SITE, name, "simulated", "{}", False, "", 0) for name in drone_ids]
    with _connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sites (site_id, name, home_lat_deg, home_lon_deg, home_alt_m)"
            " VALUES (%s, 'Simulated fleet', 54.9, 8.3, 45.0) ON CONFLICT DO NOTHING",
            (SITE,),
        )
        execute_values(
            cursor,
            "INSERT INTO drones (drone_id, site_id, name, model, camera, online, agent_version, command_seq) VALUES %s"
            " ON CONFLICT DO NOTHING",
            rows,
        )


def count(url: str, made: Mapping[tuple[str, str], int]) -> Counted:
    """Compare the stored samples of the boots in ``made`` (drone, boot -> how many, from 1 without gaps)."""
    query = (
        "SELECT drone_id, boot_id, count(*) FILTER (WHERE seq BETWEEN 1 AND made), count(*) FROM telemetry"
        " JOIN (VALUES %s) AS m(drone, boot, made) ON drone_id = drone AND boot_id = boot GROUP BY 1, 2"
    )
    rows = [(drone_id, boot_id, number) for (drone_id, boot_id), number in made.items()]
    with _connected(url) as connection, connection.cursor() as cursor:
        found: list[tuple[Any, ...]] = execute_values(cursor, query, rows, page_size=len(rows) or 1, fetch=True)
    expected = sum(row[2] for row in found)
    return Counted(missing=sum(made.values()) - expected, unknown=sum(row[3] for row in found) - expected)


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    try:
        connection = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        raise Unavailable("The platform's database does not answer.", hint="See `kestrel status`.") from error
    with closing(connection), connection:
        yield connection
