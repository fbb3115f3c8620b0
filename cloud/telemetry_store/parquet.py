"""The form of archived samples: one Parquet file with the columns of ``telemetry``, oldest first.

polars takes a moment to load: import this module where a file is written or read, not at the top.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, Final

import polars as pl

from cloud.tables import Telemetry
from contracts.errors import CorruptMedia

CONTENT_TYPE: Final = "application/vnd.apache.parquet"
_KINDS: dict[type, pl.DataType] = {
    str: pl.String(),
    float: pl.Float64(),
    int: pl.Int64(),
    datetime: pl.Datetime("us", "UTC"),
}
SCHEMA: Final[dict[str, pl.DataType]] = {
    column.name: _KINDS[column.type.python_type] for column in Telemetry.__table__.columns
}
_MOMENTS: Final = [name for name, kind in SCHEMA.items() if isinstance(kind, pl.Datetime)]


def framed(copied: bytes) -> pl.DataFrame:
    """Return samples that Postgres copied out as CSV with a header; its moments are microseconds since 1970."""
    kinds = {name: pl.Int64() if name in _MOMENTS else kind for name, kind in SCHEMA.items()}
    frame = pl.read_csv(io.BytesIO(copied), schema=kinds)
    return frame.with_columns(pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in _MOMENTS)


def packed(frame: pl.DataFrame) -> bytes:
    """Return the file's bytes."""
    body = io.BytesIO()
    frame.write_parquet(body, compression="zstd", row_group_size=20_000)
    return body.getvalue()


def read(body: bytes, key: str) -> pl.DataFrame:
    """Return the samples of a file.

    Raises:
        CorruptMedia: The bytes are no such file.

    """
    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except pl.exceptions.PolarsError as error:
        raise CorruptMedia(f"The archived telemetry {key!r} cannot be read: {error}.") from error
    if dict(frame.schema) != SCHEMA:
        raise CorruptMedia(f"The archived telemetry {key!r} has other columns than telemetry.")
    return frame


def flights(frame: pl.DataFrame) -> dict[str, Any]:
    """Return how many of the samples each flight has."""
    counts = frame.drop_nulls("flight_id").group_by("flight_id").len().sort("flight_id")
    return dict(counts.iter_rows())


def of_flight(frame: pl.DataFrame, flight_id: str) -> pl.DataFrame:
    """Return a flight's samples."""
    return frame.filter(pl.col("flight_id") == flight_id)


def between(frame: pl.DataFrame, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """Return the samples taken in [since, until)."""
    if since is not None:
        frame = frame.filter(pl.col("captured_at") >= since)
    return frame if until is None else frame.filter(pl.col("captured_at") < until)
