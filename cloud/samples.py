"""Telemetry into Postgres by COPY: straight into the table what must be new, by way of a staging table the rest.

Samples are copied while they are decoded: Postgres writes the first while the last are still being read. What a
stream has not sent yet cannot be there already; should it be (another process took it), the savepoint is rolled back
and everything goes by the staging table, where duplicates change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from psycopg2 import DataError
from psycopg2.errors import UniqueViolation
from sqlalchemy.orm import Session

from cloud import sample_rows
from cloud.sample_rows import Rows
from contracts.errors import InvalidInput

_COLUMNS = ", ".join(sample_rows.NAMES)
_COPY = "COPY {} (" + _COLUMNS + ") FROM STDIN WITH (FORMAT binary)"
_STAGING = "CREATE TEMP TABLE IF NOT EXISTS staging (LIKE telemetry INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
_INSERT = f"""
INSERT INTO telemetry ({_COLUMNS}) SELECT DISTINCT ON (drone_id, boot_id, seq) {_COLUMNS} FROM staging s
WHERE NOT EXISTS (
  SELECT FROM telemetry t WHERE (t.drone_id, t.boot_id, t.seq) = (s.drone_id, s.boot_id, s.seq))
AND (s.captured_at > (SELECT coalesce(max(last_at), '-infinity') FROM telemetry_archives) OR NOT EXISTS (
  SELECT FROM telemetry_archives a JOIN watermarks w USING (drone_id)
  WHERE a.drone_id = s.drone_id AND s.captured_at BETWEEN a.first_at AND a.last_at
    AND (w.boot_id, w.stream) = (s.boot_id, 'telemetry') AND w.seq >= s.seq))
ON CONFLICT DO NOTHING
"""  # noqa: S608
"""A sample is there already when its key is, or when it lies in the time of an archived object and its stream's
watermark covers it: only what a watermark covers is archived."""

_HAND_OVER_BYTES = 64 * 1024

Highest = Mapping[tuple[str, str], int]
"""(drone, boot) -> the highest sequence that has been stored."""


def store(session: Session, batches: Iterable[Rows], highest: Highest | None = None) -> list[Rows]:
    """Store samples in the session's transaction; return the batches. A sample that is there already changes nothing.

    ``batches`` may still be decoding: it must not use the session, and not raise, which the driver would hide. Above
    ``highest`` samples are taken to be new.

    Raises:
        InvalidInput: The database refuses a sample.

    """
    intake = _Intake(batches, dict(highest or {}))
    driver: Any = session.connection().connection.dbapi_connection
    with driver.cursor() as cursor:
        try:
            _copy_new(cursor, intake)
            if intake.later:
                _copy_rest(cursor, intake.later)
        except DataError as error:
            raise InvalidInput(f"A sample cannot be stored: {error}.") from error
    return intake.taken


class _Intake:
    """Tells batches that must be new from those that may be there already, as they come by."""

    def __init__(self, batches: Iterable[Rows], highest: dict[tuple[str, str], int]) -> None:
        self._batches, self._highest = batches, highest
        self.taken: list[Rows] = []
        self.later: list[Rows] = []

    def new(self) -> Iterator[bytes]:
        for batch in self._batches:
            self.taken.append(batch)
            stream = batch.drone_id, batch.boot_id
            known = self._highest.get(stream)
            if known is None or batch.seqs[0] <= known:
                self.later.append(batch)
                continue
            self._highest[stream] = batch.seqs[-1]
            yield batch.binary


def _copy_new(cursor: Any, intake: _Intake) -> None:
    cursor.execute("SAVEPOINT new_samples")
    try:
        cursor.copy_expert(_COPY.format("telemetry"), _Reader(intake.new()))
    except UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT new_samples")
        for _ in intake.new():
            continue  # what the COPY had not read yet
        intake.later = intake.taken
    cursor.execute("RELEASE SAVEPOINT new_samples")


def _copy_rest(cursor: Any, batches: Iterable[Rows]) -> None:
    cursor.execute(_STAGING)
    cursor.copy_expert(_COPY.format("staging"), _Reader(batch.binary for batch in batches))
    cursor.execute(_INSERT)
    cursor.execute("TRUNCATE staging")


class _Reader:
    """Rows as the file that COPY reads, many batches at a time: each hand-over wakes Postgres."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        self._parts = chain((sample_rows.HEADER,), rows, (sample_rows.TRAILER,))

    def read(self, _size: int = -1) -> bytes:
        """Return the next rows; COPY takes any length; no bytes end it."""
        some, length = list[bytes](), 0
        for part in self._parts:
            some.append(part)
            length += len(part)
            if length >= _HAND_OVER_BYTES:
                break
        return b"".join(some)
