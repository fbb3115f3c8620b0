"""The monthly partitions of ``telemetry``: made ahead, dropped when the archive has taken their last row.

They lie in a schema of their own, which the role of askers may not enter: rows are reached through ``telemetry`` and
its policies only. What belongs to no month that was made (a clock of 1970, a sample of last year) goes to the partition
``unplaced``, so that no sample is ever lost for want of a partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

SCHEMA: Final = "telemetry_months"
UNPLACED: Final = f"{SCHEMA}.unplaced"
_AHEAD: Final = 3
"""Months made beyond the present one."""
_LOCK: Final = 0x6B6D6F6E
_NAMES = text(
    "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE nspname = :schema AND relkind = 'r' AND relname LIKE 'm%' ORDER BY relname"
)


def begins(moment: datetime, months_on: int = 0) -> datetime:
    """Return the first moment of the month, UTC, that lies ``months_on`` after that of ``moment``."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months_on, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def name_of(month: datetime) -> str:
    """Return a month's partition: ``m2026_11``."""
    return f"m{month:%Y_%m}"


def made(session: Session) -> list[str]:
    """Return the names of the months that there are, oldest first."""
    return list(session.scalars(_NAMES, {"schema": SCHEMA}))


def make_ahead(session: Session, now: datetime) -> list[str]:
    """Make the partitions of this month and the next three where they are missing; return those made.

    Rows of such a month that came before its partition are moved into it.
    """
    session.execute(text("SET LOCAL lock_timeout = '2s'"))
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    there = set(made(session))
    missing = [month for month in (begins(now, ahead) for ahead in range(_AHEAD + 1)) if name_of(month) not in there]
    for month in missing:
        for statement in _making(month):
            session.execute(text(statement))
    return [name_of(month) for month in missing]


def _making(month: datetime) -> Iterator[str]:
    table = f"{SCHEMA}.{name_of(month)}"
    first, end = month.isoformat(), begins(month, 1).isoformat()
    yield f"CREATE TABLE {table} (LIKE telemetry INCLUDING DEFAULTS)"
    yield f"LOCK TABLE {UNPLACED} IN ACCESS EXCLUSIVE MODE"
    taken = f"DELETE FROM {UNPLACED} WHERE captured_at >= '{first}' AND captured_at < '{end}' RETURNING *"  # noqa: S608
    yield f"WITH taken AS ({taken}) INSERT INTO {table} SELECT * FROM taken"  # noqa: S608
    yield f"ALTER TABLE telemetry ATTACH PARTITION {table} FOR VALUES FROM ('{first}') TO ('{end}')"


def drop_emptied(session: Session, before: datetime) -> list[str]:
    """Drop the partitions of months that begin before ``before`` and hold no row; return their names."""
    session.execute(text("SET LOCAL lock_timeout = '2s'"))
    dropped = []
    for name in made(session):
        if name >= name_of(before) or _holds_rows(session, name):
            continue
        session.execute(text(f"LOCK TABLE telemetry, {SCHEMA}.{name} IN ACCESS EXCLUSIVE MODE"))
        if not _holds_rows(session, name):
            session.execute(text(f"DROP TABLE {SCHEMA}.{name}"))
            dropped.append(name)
    return dropped


def _holds_rows(session: Session, name: str) -> bool:
    return bool(session.scalar(text(f"SELECT EXISTS (SELECT FROM {SCHEMA}.{name})")))  # noqa: S608 - our own name
