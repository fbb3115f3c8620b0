"""Ten million samples for the load: written into months of their own before those become partitions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks._big_platform import ASSETS, LIVE, VISITS
from cloud.db import Database
from cloud.tables import Telemetry
from cloud.telemetry_store import months

_MONTHS = 3
_STEP_MS = 100
_FLIGHTS = ASSETS * VISITS
_CHANGED = {
    "drone_id": "'live-' || 1 + f % :live",
    "boot_id": "'boot-' || f",
    "flight_id": "'big-' || f",
    "seq": "s",
    "monotonic_ms": "s * :step_ms",
    "captured_at": "CAST(:first AS timestamptz) + (f / :months) * interval '1 hour' + s * :step_ms * interval '1 ms'",
    "received_at": "CAST(:first AS timestamptz) + (f / :months) * interval '1 hour' + s * :step_ms * interval '1 ms'",
    "lat_deg": "t.lat_deg + f * 1e-5 + s * 1e-8",
    "lon_deg": "t.lon_deg + s * 1e-8",
    "alt_m": "t.alt_m + s % 400 * 0.01",
    "yaw_deg": "(s * 3 + f) % 360",
    "battery_percent": "100 - s * 80 / :samples",
}
"""What is different in each copy of one sample; flight ``f`` of the stocked platform, its sample ``s``."""


def fill(database: Database, rows: int, now: datetime) -> int:
    """Write about ``rows`` samples of the past three months, shared by all flights; return how many.

    Each month is a table of its own until it is full: rows first, indexes after, as Postgres likes it best.
    """
    samples = rows // _FLIGHTS
    for number in range(_MONTHS):
        with database.session() as session:
            session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
            for statement in _month(session, _first(now, number), number, samples):
                session.execute(text(statement), {"live": LIVE, "step_ms": _STEP_MS, "months": _MONTHS,
                                                  "samples": samples, "first": _first(now, number)})  # fmt: skip
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE telemetry"))
    return samples * _FLIGHTS


def _first(now: datetime, number: int) -> datetime:
    return months.begins(now, number - _MONTHS)


def _month(session: Session, first: datetime, number: int, samples: int) -> Iterator[str]:
    name = months.name_of(first)
    table = f"{months.SCHEMA}.{name}"
    if name in months.made(session):
        yield f"ALTER TABLE telemetry DETACH PARTITION {table}"
        yield f"DROP TABLE {table}"
    names = [column.name for column in Telemetry.__table__.columns]
    values = ", ".join(_CHANGED.get(column, f"t.{column}") for column in names)
    yield f"CREATE TABLE {table} (LIKE telemetry INCLUDING DEFAULTS)"
    yield (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values}"  # noqa: S608 - own names
        " FROM (SELECT * FROM telemetry WHERE drone_id = 'merlin-1' ORDER BY seq LIMIT 1) t,"
        f" generate_series({number + 1}, {_FLIGHTS}, :months) f, generate_series(1, {samples}) s"
    )
    end = months.begins(first, 1).isoformat()
    yield f"ALTER TABLE telemetry ATTACH PARTITION {table} FOR VALUES FROM ('{first.isoformat()}') TO ('{end}')"
