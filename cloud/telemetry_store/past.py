"""Samples that are in Parquet, read as if they were rows.

Ask Postgres for its rows first and for these after: what is moved between the two questions is then found twice, which
``merged`` undoes, and never not at all. Which objects may be read is said by ``telemetry_archives``, whose policy shows
an asker only those of their own sites' drones.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from cloud.tables import TelemetryArchive
from contracts.errors import CorruptMedia, NotFound

if TYPE_CHECKING:
    import polars as pl

_OF_FLIGHT = text("SELECT sum((flights ->> :flight_id)::bigint) FROM telemetry_archives WHERE flights ? :flight_id")


class Shelf(Protocol):
    """Where archived samples lie."""

    def get(self, key: str) -> bytes:
        """Return the whole object."""


def count_of_flight(session: Session, flight_id: str) -> int:
    """Return how many samples of a flight are in objects."""
    return int(session.scalar(_OF_FLIGHT, {"flight_id": flight_id}) or 0)


def of_flight(session: Session, shelf: Shelf, flight_id: str) -> list[Any]:
    """Return the archived samples of a flight, oldest first, with their columns as attributes."""
    found = []
    for key in _keys(session, TelemetryArchive.flights.has_key(flight_id)):
        from cloud.telemetry_store import parquet  # noqa: PLC0415 - polars is slow to load, and seldom needed

        found += _rows(parquet.of_flight(_read(shelf, key), flight_id))
    return merged(found, [])


def of_drone(session: Session, shelf: Shelf, drone_id: str, since: datetime, until: datetime) -> list[Any]:
    """Return a drone's archived samples taken in [since, until), oldest first."""
    found = []
    for key in _keys(session, *_of_period(drone_id, since, until)):
        from cloud.telemetry_store import parquet  # noqa: PLC0415 - see above

        found += _rows(parquet.between(_read(shelf, key), since, until))
    return merged(found, [])


def holds(session: Session, drone_id: str, since: datetime, until: datetime) -> bool:
    """Return whether an object may hold samples of a drone taken in [since, until)."""
    return bool(_keys(session, *_of_period(drone_id, since, until)))


def newest_before(
    session: Session, shelf: Shelf, drone_id: str, column: str, before: datetime | None, most: int
) -> list[Any]:
    """Return at most ``most`` of a drone's archived samples that have a value in ``column``, newest first."""
    query = select(TelemetryArchive.key).where(TelemetryArchive.drone_id == drone_id)
    if before is not None:
        query = query.where(TelemetryArchive.first_at < before)
    found: list[Any] = []
    for key in session.scalars(query.order_by(TelemetryArchive.last_at.desc(), TelemetryArchive.key)).all():
        from cloud.telemetry_store import parquet  # noqa: PLC0415 - see above

        frame = parquet.between(_read(shelf, key).drop_nulls(column), None, before)
        found += _rows(frame.reverse().head(most - len(found)))
        if len(found) >= most:
            break
    return found


def merged(present: Sequence[Any], old: Iterable[Any]) -> list[Any]:
    """Return two lots of samples in one order of time, each sample once."""
    once = {(row.drone_id, row.boot_id, row.seq): row for row in (*old, *present)}
    return sorted(once.values(), key=lambda row: row.captured_at)


def _of_period(drone_id: str, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return TelemetryArchive.drone_id == drone_id, TelemetryArchive.last_at >= since, TelemetryArchive.first_at < until


def _keys(session: Session, *where: ColumnElement[bool]) -> Sequence[str]:
    return session.scalars(select(TelemetryArchive.key).where(*where).order_by(TelemetryArchive.first_at)).all()


def _read(shelf: Shelf, key: str) -> pl.DataFrame:
    from cloud.telemetry_store import parquet  # noqa: PLC0415 - see above

    try:
        return parquet.read(shelf.get(key), key)
    except NotFound as error:
        hint = "Bring the object back from the bucket's older versions or a backup."
        raise CorruptMedia(f"The archived telemetry {key!r} is not in the object store.", hint=hint) from error


def _rows(frame: pl.DataFrame) -> list[Any]:
    archived = namedtuple("Archived", frame.columns)  # type: ignore[misc] # noqa: PYI024 - its columns are the file's
    return [archived._make(values) for values in frame.iter_rows()]
