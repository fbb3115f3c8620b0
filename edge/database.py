"""SQLite as the agent uses it: WAL, every commit on disk, a damaged file kept aside and never deleted."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge import logbook
from edge.files import rename_durably

PAGE_BYTES = 4096
_LOG_BYTES = 8 * 1024 * 1024
_SMALLEST_LOG_BYTES = 2 * 1024 * 1024
_FILES = ("", "-wal", "-shm")
"""A database, its log, and what its connections share."""


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
    if not path.exists() and any(_beside(path, name).exists() for name in _FILES):
        set_aside(path)  # killed in the middle of it: SQLite would delete the log
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
    except UnicodeDecodeError as error:  # SQLite's message quotes the damaged place
        connection.close()
        raise sqlite3.DatabaseError(f"{path}: {error}") from error
    return connection


def _require_sound(connection: sqlite3.Connection, *, thorough: bool) -> None:
    question = "PRAGMA integrity_check(1)" if thorough else "PRAGMA quick_check(1)"
    if (verdict := connection.execute(question).fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(str(verdict))


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its log to ``*.corrupt.<time>``; return the new main path.

    The log goes last: without it the database may well pass for sound, and be that of yesterday.
    """
    kept = _beside(path, f".corrupt.{time.time_ns() // 1_000_000}")
    for name in _FILES:
        if (part := _beside(path, name)).exists():
            part.rename(_beside(kept, name))
    logbook.warn("database_set_aside", path=str(path), kept_as=str(kept))
    return kept


def replace_damaged(path: Path, make: Callable[[Path], None]) -> None:
    """Put a database that ``make`` writes where a damaged one is, which is set aside; either is there, or both.

    Killed before the new one is whole, it is made again; after that, `finish_replacement` ends it.
    """
    making = _beside(path, ".salvaging")
    for name in _FILES:
        _beside(making, name).unlink(missing_ok=True)
    make(making)
    rename_durably(making, _beside(path, ".salvaged"))
    finish_replacement(path)


def finish_replacement(path: Path) -> None:
    """End a replacement that was broken off; without one do nothing."""
    if (made := _beside(path, ".salvaged")).exists():
        set_aside(path)
        rename_durably(made, path)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def open_or_renew(path: Path, schema: str, *, durable: bool = True) -> sqlite3.Connection:
    """Open a database whose loss is survivable; a damaged one is set aside."""
    try:
        return open_database(path, schema, durable=durable)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        set_aside(path)
        return open_database(path, schema, durable=durable)
