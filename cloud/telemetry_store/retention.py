"""Old samples leave Postgres for Parquet in S3: written, read back and compared, and only then deleted.

One object holds six hours of one drone, so that a pass may be killed between any two steps and run again: an object
whose row was not committed is written once more under the same name. The row of the object and the deletion of what is
in it are one transaction.

What stays: the newest six hours of every drone (its last place, state and charge are asked for at any age), and samples
above a stream's watermark (the watermark must find them when the gap before them closes).
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.db import Database
from cloud.logbook import log
from cloud.tables import Telemetry, TelemetryArchive
from cloud.telemetry_store import minutes, months
from contracts.errors import CorruptMedia, PlatformError, Unavailable

if TYPE_CHECKING:
    import polars as pl

PREFIX = "telemetry/"
WINDOW = timedelta(hours=6)
_AT_ONCE = 50
"""Objects written in one pass."""
_BIN = "date_bin('6 hours', {}, TIMESTAMPTZ '2000-01-01 00:00+00')"
_SETTLED = """
t.captured_at < {before} AND t.received_at < {before} AND EXISTS (SELECT FROM watermarks w
 WHERE (w.drone_id, w.boot_id, w.stream) = (t.drone_id, t.boot_id, 'telemetry') AND w.seq >= t.seq)
"""
_DUE = text(f"""
WITH due AS (
  SELECT t.drone_id, {_BIN.format("t.captured_at")} AS begins FROM telemetry t
  WHERE {_SETTLED.format(before=":before")} GROUP BY 1, 2
)
SELECT drone_id, begins FROM due
WHERE begins < (SELECT {_BIN.format("n.captured_at")} FROM telemetry n
  WHERE n.drone_id = due.drone_id ORDER BY n.captured_at DESC LIMIT 1)
ORDER BY begins, drone_id LIMIT :most
""")  # noqa: S608 - our own text
_COPIED = ", ".join(
    f"(extract(epoch FROM {column.name}) * 1000000)::bigint AS {column.name}"
    if column.type.python_type is datetime
    else column.name
    for column in Telemetry.__table__.columns
)
_WITHIN = (
    "t.drone_id = %(drone_id)s AND t.captured_at >= %(begins)s AND t.captured_at < %(ends)s AND "
    + _SETTLED.format(before="%(before)s")
)
_COPY = f"COPY (SELECT {_COPIED} FROM telemetry t WHERE {_WITHIN} ORDER BY captured_at, boot_id, seq) TO STDOUT WITH (FORMAT csv, HEADER)"  # noqa: S608, E501
_DELETE = f"DELETE FROM telemetry t WHERE {_WITHIN}"  # noqa: S608


class Store(Protocol):
    """Where objects are put and read back; the same key again replaces."""

    def get(self, key: str) -> bytes:
        """Return the whole object."""

    def put(self, key: str, body: bytes, content_type: str) -> Any:
        """Store an object."""


class Due(NamedTuple):
    """Six hours of a drone whose samples may leave."""

    drone_id: str
    begins: datetime

    def key(self, digest: str) -> str:
        """Return the object's name: by drone and day, told from others of the same hours by its content."""
        folder = f"{PREFIX}drone={self.drone_id}/day={self.begins:%Y-%m-%d}"
        return f"{folder}/{self.begins:%H}-{digest[:16]}.parquet"


def keep_up(database: Database, store: Store, now: datetime, kept_days: int) -> Counter[str]:
    """Roll minutes, make months ahead, archive what is older than ``kept_days`` and a whole month; return counts.

    Raises:
        Unavailable: Database or store do not answer; what was not finished stays where it was.

    """
    done: Counter[str] = Counter()
    with database.session() as session:
        done["telemetry_months_made"] = len(months.make_ahead(session, now))
    with database.session() as session:
        rolled = minutes.roll(session)
    before = months.begins(now - timedelta(days=kept_days))
    if rolled is None or rolled < before:
        return +done
    with database.session() as session:
        due = [Due(*row) for row in session.execute(_DUE, {"before": before, "most": _AT_ONCE})]
    for each in due:
        done["telemetry_archived"] += archive(database, store, each, before)
    with database.session() as session:
        done["telemetry_months_dropped"] = len(months.drop_emptied(session, before))
    return +done


def archive(database: Database, store: Store, due: Due, before: datetime) -> int:
    """Move one drone's six hours into an object; return the samples moved, 0 when another has moved them.

    Raises:
        CorruptMedia: What was read back is not what was written; nothing was deleted.
        Unavailable: Try again.

    """
    from cloud.telemetry_store import parquet  # noqa: PLC0415 - polars is slow to load, and needed once a month

    with database.session() as session:
        frame = _copied(session, due, before)
    if frame.is_empty():
        return 0
    body = parquet.packed(frame)
    digest = hashlib.sha256(body).hexdigest()
    key = due.key(digest)
    store.put(key, body, parquet.CONTENT_TYPE)
    _confirm(store.get(key), key, digest, frame)
    with database.session() as session:
        return _exchange(session, due, before, _row(due, key, digest, body, frame))


def _copied(session: Session, due: Due, before: datetime) -> pl.DataFrame:
    driver: Any = session.connection().connection.dbapi_connection
    with driver.cursor() as cursor:
        copied = io.BytesIO()
        cursor.copy_expert(cursor.mogrify(_COPY, _values(due, before)).decode(), copied)
    from cloud.telemetry_store import parquet  # noqa: PLC0415

    return parquet.framed(copied.getvalue())


def _values(due: Due, before: datetime) -> dict[str, Any]:
    return {"drone_id": due.drone_id, "begins": due.begins, "ends": due.begins + WINDOW, "before": before}


def _confirm(stored: bytes, key: str, digest: str, frame: pl.DataFrame) -> None:
    from cloud.telemetry_store import parquet  # noqa: PLC0415 - polars is slow to load, and needed once a month

    if hashlib.sha256(stored).hexdigest() != digest or parquet.read(stored, key).height != frame.height:
        raise CorruptMedia(
            f"The archive {key!r} read back is not what was written.",
            hint="Nothing was deleted; the next pass writes it again. Check the object store.",
        )


def _row(due: Due, key: str, digest: str, body: bytes, frame: pl.DataFrame) -> TelemetryArchive:
    from cloud.telemetry_store import parquet  # noqa: PLC0415 - polars is slow to load, and needed once a month

    return TelemetryArchive(
        key=key,
        drone_id=due.drone_id,
        first_at=frame["captured_at"][0],
        last_at=frame["captured_at"][-1],
        rows=frame.height,
        sha256=digest,
        size_bytes=len(body),
        flights=parquet.flights(frame),
        archived_at=datetime.now(UTC),
    )


def _exchange(session: Session, due: Due, before: datetime, row: TelemetryArchive) -> int:
    """Note the object and delete its samples, in this one transaction; nothing when they are gone already."""
    driver: Any = session.connection().connection.dbapi_connection
    with driver.cursor() as cursor:
        cursor.execute(_DELETE, _values(due, before))
        deleted: int = cursor.rowcount
    if deleted == 0:
        return 0
    if deleted != row.rows:
        raise Unavailable(f"{deleted} samples would be deleted for {row.rows} in {row.key!r}.", hint="Run again.")
    session.add(row)
    return deleted


class Rounds:
    """A daemon's step: keeps the store up once every ``every_s``."""

    def __init__(self, database: Database, store: Store, kept_days: int, *, every_s: float = 60.0) -> None:
        self._database, self._store, self._kept_days = database, store, kept_days
        self._every = timedelta(seconds=every_s)
        self._next: datetime | None = None

    def step(self) -> bool | None:
        """Run a pass when it is due; None when it is not, False when it failed."""
        now = datetime.now(UTC)
        if self._next is not None and now < self._next:
            return None
        self._next = now + self._every
        try:
            done = keep_up(self._database, self._store, now, self._kept_days)
        except PlatformError as error:
            log("telemetry_store_waits", reason=str(error))
            return False
        if done:
            log("telemetry_kept", **done)
        return True
