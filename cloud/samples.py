"""Telemetry into Postgres: COPY to a staging table, then into the real one, where duplicates change nothing."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg2 import DataError
from sqlalchemy.orm import Session

from contracts.errors import InvalidInput
from contracts.telemetry import TelemetryBatch, TelemetrySample

_OF_SAMPLE = (
    "captured_at",
    "flight_id",
    "state",
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
    "battery_percent",
    "battery_v",
    "gps_fix",
    "satellites",
    "link_percent",
    "wind_mps",
    "wind_from_deg",
    "waypoint",
    "monotonic_ms",
    "clock",
)
_COLUMNS = ", ".join(("drone_id", "boot_id", "seq", *_OF_SAMPLE))
_STAGING = "CREATE TEMP TABLE IF NOT EXISTS staging (LIKE telemetry INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
_INSERT = f"INSERT INTO telemetry ({_COLUMNS}) SELECT {_COLUMNS} FROM staging ON CONFLICT DO NOTHING"  # noqa: S608
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def store(session: Session, batches: Sequence[TelemetryBatch]) -> int:
    """Store samples in the session's transaction; return how many were new."""
    if not batches:
        return 0
    text = io.StringIO("".join(_lines(batches)))
    driver: Any = session.connection().connection.dbapi_connection
    with driver.cursor() as cursor:
        cursor.execute(_STAGING)
        try:
            cursor.copy_expert(f"COPY staging ({_COLUMNS}) FROM STDIN", text)
        except DataError as error:
            raise InvalidInput(f"A sample cannot be stored: {error}.") from error
        cursor.execute(_INSERT)
        new = int(cursor.rowcount)
        cursor.execute("TRUNCATE staging")
    return new


def _lines(batches: Iterable[TelemetryBatch]) -> Iterable[str]:
    for batch in batches:
        prefix = f"{_text(batch.drone_id)}\t{_text(batch.boot_id)}\t"
        for sample in batch.samples:
            yield prefix + _line(sample)


def _line(sample: TelemetrySample) -> str:
    values = "\t".join(_text(getattr(sample, name)) for name in _OF_SAMPLE)
    return f"{sample.seq}\t{values}\n"


def _text(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, float | int):
        return repr(value)
    return str(value).translate(_ESCAPES)
