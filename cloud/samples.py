"""Telemetry into Postgres by COPY: straight into the table what must be new, by way of a staging table the rest.

Samples are copied while they are decoded: Postgres writes the first while the last are still being read. What a
stream has not sent yet cannot be there already; should it be (another process took it), the savepoint is rolled back
and everything goes by the staging table, where duplicates change nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from psycopg2 import DataError
from psycopg2.errors import UniqueViolation
from sqlalchemy.orm import Session

from contracts.errors import InvalidInput
from contracts.sample_table import FIELDS, SampleTable

_COLUMNS = ", ".join(("drone_id", "boot_id", *FIELDS))
COPY = f"COPY telemetry ({_COLUMNS}) FROM STDIN WITH (NULL 'None')"
_COPY_STAGING = f"COPY staging ({_COLUMNS}) FROM STDIN WITH (NULL 'None')"
"""A field without a value is Python's None; no word of the contract reads like it, nor holds a tab or a backslash."""
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

Highest = Mapping[tuple[str, str], int]
"""(drone, boot) -> the highest sequence that has been stored."""


def store(session: Session, batches: Iterable[SampleTable], highest: Highest | None = None) -> list[SampleTable]:
    """Store samples in the session's transaction; return the batches. A sample that is there already changes nothing.

    ``batches`` may still be decoding: it must not use the session. Above ``highest`` samples are taken to be new.

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

    def __init__(self, batches: Iterable[SampleTable], highest: dict[tuple[str, str], int]) -> None:
        self._batches, self._highest = batches, highest
        self.taken: list[SampleTable] = []
        self.later: list[SampleTable] = []

    def new(self) -> Iterator[SampleTable]:
        for batch in self._batches:
            self.taken.append(batch)
            stream = batch.drone_id, batch.boot_id
            known = self._highest.get(stream)
            if known is None or batch.seqs[0] <= known:
                self.later.append(batch)
            else:
                self._highest[stream] = batch.seqs[-1]
                yield batch


def _copy_new(cursor: Any, intake: _Intake) -> None:
    cursor.execute("SAVEPOINT new_samples")
    try:
        cursor.copy_expert(COPY, _Reader(intake.new()))
    except UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT new_samples")
        for _ in intake.new():
            continue  # what the COPY had not read yet
        intake.later = intake.taken
    cursor.execute("RELEASE SAVEPOINT new_samples")


def _copy_rest(cursor: Any, batches: Iterable[SampleTable]) -> None:
    cursor.execute(_STAGING)
    cursor.copy_expert(_COPY_STAGING, io.StringIO(as_text(batches)))
    cursor.execute(_INSERT)
    cursor.execute("TRUNCATE staging")


class _Reader:
    """Batches as the file that COPY reads, a batch or more at a time."""

    def __init__(self, batches: Iterator[SampleTable]) -> None:
        self._batches = batches

    def read(self, _size: int = -1) -> str:
        """Return the next lines; COPY takes any length; an empty text ends it."""
        batch = next(self._batches, None)
        return "" if batch is None else as_text([batch])


def as_text(batches: Iterable[SampleTable]) -> str:
    """Return samples as COPY reads them."""
    lines: list[str] = []
    for batch in batches:
        prefix = f"{batch.drone_id}\t{batch.boot_id}\t"
        lines += [f"{prefix}{line}\n" for line in batch.lines()]
    return "".join(lines)
