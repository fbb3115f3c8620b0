"""The outbox's tables: rows in, rows out, what was lost; one connection, used under the outbox's lock."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from contracts.telemetry import Stream
from edge.database import open_database, set_aside
from edge.frames import Record, carve, pack, unpack

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records(
  id INTEGER PRIMARY KEY, stream TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, frame BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON records(stream, boot, seq);
CREATE TABLE IF NOT EXISTS marks(stream TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(stream, boot)) WITHOUT ROWID;
"""
_NOT_DAMAGE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


class Lost(NamedTuple):
    """A range of records that will never be delivered."""

    stream: Stream
    boot_id: str
    first_seq: int
    last_seq: int
    reason: str


class Extent(NamedTuple):
    """What a boot still holds of a stream."""

    boot_id: str
    first_seq: int
    last_seq: int
    held: int


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell a damaged file from a full, locked or unreadable disk."""
    return not str(getattr(error, "sqlite_errorname", "")).startswith(_NOT_DAMAGE)


class Shelf:
    """Records on disk. Not thread safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lost: list[Lost] = []
        """What opening found missing; the caller reports and clears it."""
        wal = path.with_name(path.name + "-wal")
        logged = tuple(carve(wal.read_bytes())) if wal.exists() else ()
        try:
            self._db = open_database(path, _SCHEMA, thorough=True)
            self._restore(logged)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._salvage(logged)

    def write(
        self, records: Iterable[Record], marks: Iterable[tuple[Stream, str, int]], dropped: Iterable[Lost]
    ) -> None:
        """Store records, delete what is marked as committed by the cloud and what is given up, in one commit."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for stream, boot, seq in marks:
                self._db.execute("DELETE FROM records WHERE stream=? AND boot=? AND seq<=?", (stream, boot, seq))
                self._db.execute(
                    "INSERT INTO marks VALUES(?,?,?) ON CONFLICT DO UPDATE SET seq=max(seq, excluded.seq)",
                    (stream, boot, seq),
                )
            for gone in dropped:
                self._db.execute(
                    "DELETE FROM records WHERE stream=? AND boot=? AND seq BETWEEN ? AND ?",
                    (gone.stream, gone.boot_id, gone.first_seq, gone.last_seq),
                )
            self._insert(records)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def read(self, stream: Stream, boot_id: str, after: int, limit: int) -> tuple[list[Record], list[Lost]]:
        """Return up to ``limit`` records above ``after`` in order, and those found damaged."""
        rows = self._db.execute(
            "SELECT seq, frame FROM records WHERE stream=? AND boot=? AND seq>? ORDER BY seq LIMIT ?",
            (stream, boot_id, after, limit),
        )
        good: list[Record] = []
        bad: list[Lost] = []
        for seq, frame in rows:
            record = unpack(frame)
            if record is None or (record.stream, record.boot_id, record.seq) != (stream, boot_id, seq):
                bad.append(Lost(stream, boot_id, seq, seq, "damaged on disk"))
            else:
                good.append(record)
        return good, bad

    def extents(self, stream: Stream) -> list[Extent]:
        """Return what each boot holds of a stream, oldest boot first."""
        rows = self._db.execute(
            "SELECT boot, min(seq), max(seq), count(*), min(id) FROM records WHERE stream=? GROUP BY boot ORDER BY 5",
            (stream,),
        )
        return [Extent(boot, first, last, count) for boot, first, last, count, _ in rows]

    def used_bytes(self) -> int:
        """Return the bytes of pages in use."""
        pages = (
            self._db.execute("PRAGMA page_count").fetchone()[0]
            - self._db.execute("PRAGMA freelist_count").fetchone()[0]
        )
        return int(pages) * int(self._db.execute("PRAGMA page_size").fetchone()[0])

    def oldest(self, stream: Stream, count: int) -> list[Lost]:
        """Return the oldest ``count`` records of a stream as ranges, for eviction."""
        rows = self._db.execute("SELECT boot, seq FROM records WHERE stream=? ORDER BY id LIMIT ?", (stream, count))
        return _ranges(stream, sorted((str(boot), int(seq)) for boot, seq in rows), "evicted: outbox full")

    def close(self) -> None:
        """Fold the log into the file."""
        self._db.close()

    def salvage(self) -> None:
        """Set the damaged file aside and carry on with every record that can be read from it."""
        self._db.close()
        self._salvage(())

    def _insert(self, records: Iterable[Record]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO records(stream, boot, seq, frame) VALUES(?,?,?,?)",
            ((r.stream, r.boot_id, r.seq, pack(r)) for r in records),
        )

    def _restore(self, logged: tuple[Record, ...]) -> None:
        """Put back committed records that SQLite dropped because a later part of its log is damaged."""
        marks = {(s, b): seq for s, b, seq in self._db.execute("SELECT stream, boot, seq FROM marks")}
        alive = [r for r in logged if r.seq > marks.get((r.stream, r.boot_id), 0)]
        if alive:
            self.write(alive, (), ())

    def _salvage(self, logged: tuple[Record, ...]) -> None:
        kept = set_aside(self._path)
        found = {(r.stream, r.boot_id, r.seq): r for r in logged}
        for part in (kept, kept.with_name(kept.name + "-wal")):
            if part.exists():
                found.update({(r.stream, r.boot_id, r.seq): r for r in carve(part.read_bytes())})
        self._db = open_database(self._path, _SCHEMA)
        records = [found[key] for key in sorted(found)]
        self.write(records, (), ())
        self.lost += gaps(records)


def gaps(records: list[Record]) -> list[Lost]:
    """Return the holes between the records of each stream and boot; some may have been delivered before."""
    holes: list[Lost] = []
    for (stream, boot), group in itertools.groupby(records, key=lambda r: (r.stream, r.boot_id)):
        seqs = [r.seq for r in group]
        pairs = itertools.pairwise(seqs)
        holes += [Lost(stream, boot, a + 1, b - 1, "not readable after damage") for a, b in pairs if b > a + 1]
    return holes


def _ranges(stream: Stream, keys: list[tuple[str, int]], reason: str) -> list[Lost]:
    out: list[Lost] = []
    for boot, seq in keys:
        if out and out[-1].boot_id == boot and out[-1].last_seq == seq - 1:
            out[-1] = out[-1]._replace(last_seq=seq)
        else:
            out.append(Lost(stream, boot, seq, seq, reason))
    return out
