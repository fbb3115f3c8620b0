"""SQLite as the agent uses it: WAL, every commit on disk, a damaged file kept aside and never deleted."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from edge import logbook

PAGE_BYTES = 4096
_LOG_BYTES = 8 * 1024 * 1024
_SMALLEST_LOG_BYTES = 2 * 1024 * 1024


class Budget(NamedTuple):
    """How the bytes a database may take are split between its file and its write-ahead log."""

    main_bytes: int
    log_bytes: int

    @classmethod
    def of(cls, cap_bytes: int) -> Budget:
        """Split a hard cap: the log gets a sixteenth, within 2 to 8 MiB."""
        log_bytes = min(_LOG_BYTES, max(_SMALLEST_LOG_BYTES, cap_bytes // 16))
        return cls(cap_bytes - log_bytes, log_bytes)


def open_database(
    path: Path, schema: str, *, durable: bool = True, thorough: bool = False, budget: Budget | None = None
) -> sqlite3.Connection:
    """Open ``path``, creating it with ``schema``.

    ``durable`` makes each commit survive a power cut; ``thorough`` also compares every row with its index; ``budget``
    bounds the file for good, and the log up to one commit.

    Raises:
        sqlite3.DatabaseError: The file is damaged.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit={budget.log_bytes // 2 if budget else _LOG_BYTES}")
        if budget is not None:
            connection.execute(f"PRAGMA max_page_count={budget.main_bytes // PAGE_BYTES}").fetchone()
            connection.execute(f"PRAGMA wal_autocheckpoint={budget.log_bytes // 2 // PAGE_BYTES}").fetchone()
        _require_sound(connection, thorough=thorough)
        connection.executescript(schema)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _require_sound(connection: sqlite3.Connection, *, thorough: bool) -> None:
    question = "PRAGMA integrity_check(1)" if thorough else "PRAGMA quick_check(1)"
    if (verdict := connection.execute(question).fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(str(verdict))


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its log to ``*.corrupt.<time>``; return the new main path."""
    suffix = f".corrupt.{time.time_ns() // 1_000_000}"
    for companion in ("-wal", "-shm"):
        if (part := path.with_name(path.name + companion)).exists():
            part.rename(path.with_name(path.name + suffix + companion))
    kept = path.with_name(path.name + suffix)
    if path.exists():
        path.rename(kept)
    logbook.warn("database_set_aside", path=str(path), kept_as=str(kept))
    return kept


def open_or_renew(path: Path, schema: str, *, durable: bool = True) -> tuple[sqlite3.Connection, bool]:
    """Open a database whose loss is survivable; a damaged one is set aside. Return (connection, was damaged)."""
    try:
        return open_database(path, schema, durable=durable), False
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        set_aside(path)
        return open_database(path, schema, durable=durable), True
