"""SQLite as the agent uses it: WAL, every commit on disk, a damaged file kept aside and never deleted."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from edge import logbook


def open_database(path: Path, schema: str, *, durable: bool = True, thorough: bool = False) -> sqlite3.Connection:
    """Open ``path``, creating it with ``schema``.

    ``durable`` makes each commit survive a power cut; ``thorough`` also compares every row with its index.

    Raises:
        sqlite3.DatabaseError: The file is damaged.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA journal_size_limit=8388608")
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
