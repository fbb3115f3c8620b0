"""The outbox's tables: rows in, rows out, what was lost; one connection, used under the outbox's lock."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from contracts.telemetry import LostRange, SeqRange, Stream
from edge.database import Budget, finish_replacement, open_database, replace_damaged
from edge.eviction import Evictor
from edge.frames import Record, carve, pack, unpack

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records(
  id INTEGER PRIMARY KEY, stream TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, frame BLOB NOT NULL,
  rank INTEGER NOT NULL DEFAULT 1);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON records(stream, boot, seq);
CREATE TABLE IF NOT EXISTS marks(stream TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(stream, boot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS thinned(boot TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS missing(
  stream TEXT NOT NULL, boot TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS told(once INTEGER PRIMARY KEY);
"""
_NOT_DAMAGE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
_UNREADABLE = "not readable after damage"
_RESERVED_SHARE = 20
"""One part in twenty (5 %) is kept for records that are never evicted."""


class Extent(NamedTuple):
    """What a boot still holds of a stream."""

    boot_id: str
    first_seq: int
    last_seq: int
    held: int


class Mark(NamedTuple):
    """What the cloud has committed of a stream and boot: everything up to ``seq``, and ``above``."""

    stream: Stream
    boot_id: str
    seq: int
    above: tuple[SeqRange, ...] = ()


def is_full(error: sqlite3.DatabaseError) -> bool:
    """Tell a full disk, or a full cap."""
    return str(getattr(error, "sqlite_errorname", "")) == "SQLITE_FULL"


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell a damaged file from a full, locked or unreadable disk."""
    return not str(getattr(error, "sqlite_errorname", "")).startswith(_NOT_DAMAGE)


class Shelf:
    """Records on disk. Not thread safe."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        self._path = path
        self._budget = Budget.of(cap_bytes)
        self._extents: dict[tuple[Stream, str], Extent] = {}
        finish_replacement(path)
        wal = path.with_name(path.name + "-wal")
        logged = tuple(carve(wal.read_bytes())) if wal.exists() else ()
        try:
            self._db = self._open(thorough=True)
            self._restore(logged)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._salvage(logged)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is done inside one commit: on disk when it ends, or undone."""
        before = dict(self._extents)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._extents = before
            raise

    def add(self, records: Iterable[Record]) -> None:
        """Store records; one that is there already stays as it is."""
        for record in records:
            values = (record.stream, record.boot_id, record.seq, pack(record), record.rank)
            sql = "INSERT OR IGNORE INTO records(stream, boot, seq, frame, rank) VALUES(?,?,?,?,?)"
            if self._db.execute(sql, values).rowcount:
                self._widen(record)

    def tells(self, once: str) -> bool:
        """Note that something is told which happens only once; False where it was before. Inside a transaction."""
        digest = int.from_bytes(hashlib.sha256(once.encode()).digest()[:8], signed=True)
        return self._db.execute("INSERT OR IGNORE INTO told VALUES(?)", (digest,)).rowcount == 1

    def settle(self, mark: Mark) -> None:
        """Delete what the cloud has committed and remember how far."""
        self._delete(mark.stream, mark.boot_id, 0, mark.seq)
        for part in mark.above:
            self._delete(mark.stream, mark.boot_id, part.first_seq, part.last_seq)
        sql = "INSERT INTO marks VALUES(?,?,?) ON CONFLICT DO UPDATE SET seq=max(seq, excluded.seq)"
        self._db.execute(sql, (mark.stream, mark.boot_id, mark.seq))

    def missing(self) -> list[LostRange]:
        """Return what a salvage found missing and nobody was told: the commit that tells it drops it."""
        rows = self._db.execute("SELECT stream, boot, first, last FROM missing").fetchall()
        return [_unreadable(Stream(stream), boot, first, last) for stream, boot, first, last in rows]

    def drop(self, lost: LostRange) -> None:
        """Delete what is given up."""
        row = (lost.stream, lost.boot_id, lost.first_seq, lost.last_seq)
        self._db.execute("DELETE FROM missing WHERE stream=? AND boot=? AND first=? AND last=?", row)
        self._delete(lost.stream, lost.boot_id, lost.first_seq, lost.last_seq)

    def shed(self, *, squeeze: bool = False) -> list[LostRange]:
        """Give up the least worthy records until the reserve is free again; return what went. Inside a transaction.

        ``squeeze``: some of them in any case, because the disk itself is full.
        """
        evictor = Evictor(self._db, self.extents(Stream.TELEMETRY))
        lost: list[LostRange] = []
        while (squeeze or self.crowded()) and (gone := evictor.evict()):
            squeeze = False
            lost += gone
        for stream, boot_id in {(r.stream, r.boot_id) for r in lost}:
            self._recount(stream, boot_id)
        return lost

    def crowded(self) -> bool:
        """Tell whether only the reserve is left."""
        return self._used_pages_bytes() > self._budget.main_bytes - self._budget.main_bytes // _RESERVED_SHARE

    def read(self, stream: Stream, boot_id: str, after: int, limit: int) -> tuple[list[Record], list[LostRange]]:
        """Return up to ``limit`` records above ``after`` in order, and those found damaged."""
        rows = self._db.execute(
            "SELECT seq, frame FROM records WHERE stream=? AND boot=? AND seq>? ORDER BY seq LIMIT ?",
            (stream, boot_id, after, limit),
        )
        good: list[Record] = []
        bad: list[LostRange] = []
        for seq, frame in rows:
            record = unpack(frame)
            if record is None or (record.stream, record.boot_id, record.seq) != (stream, boot_id, seq):
                damage = "damaged on disk"
                bad.append(LostRange(stream=stream, boot_id=boot_id, first_seq=seq, last_seq=seq, reason=damage))
            else:
                good.append(record)
        return good, bad

    def extents(self, stream: Stream) -> list[Extent]:
        """Return what each boot holds of a stream, oldest boot first."""
        return [extent for (name, _), extent in self._extents.items() if name == stream]

    def used_bytes(self) -> int:
        """Return the bytes taken on disk, the log included."""
        wal = self._path.with_name(self._path.name + "-wal")
        return self._path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)

    def close(self) -> None:
        """Fold the log into the file."""
        self._db.close()

    def salvage(self) -> None:
        """Set the damaged file aside and carry on with every record that can be read from it."""
        self._db.close()
        self._salvage(())

    def _open(self, *, thorough: bool) -> sqlite3.Connection:
        connection = open_database(self._path, _SCHEMA, thorough=thorough, budget=self._budget)
        if "rank" not in {row[1] for row in connection.execute("PRAGMA table_info(records)")}:
            connection.execute("ALTER TABLE records ADD COLUMN rank INTEGER NOT NULL DEFAULT 1")
        self._db = connection
        self._count()
        return connection

    def _count(self) -> None:
        rows = self._db.execute(
            "SELECT stream, boot, min(seq), max(seq), count(*) FROM records GROUP BY stream, boot ORDER BY min(id)"
        )
        self._extents = {(Stream(s), b): Extent(b, first, last, count) for s, b, first, last, count in rows}

    def _widen(self, record: Record) -> None:
        key = (record.stream, record.boot_id)
        old = self._extents.get(key) or Extent(record.boot_id, record.seq, record.seq, 0)
        first, last = min(old.first_seq, record.seq), max(old.last_seq, record.seq)
        self._extents[key] = Extent(record.boot_id, first, last, old.held + 1)

    def _delete(self, stream: Stream, boot_id: str, first_seq: int, last_seq: int) -> None:
        old = self._extents.get((stream, boot_id))
        if old is None or first_seq > old.last_seq or last_seq < old.first_seq:
            return
        sql = "DELETE FROM records WHERE stream=? AND boot=? AND seq BETWEEN ? AND ?"
        if gone := self._db.execute(sql, (stream, boot_id, first_seq, last_seq)).rowcount:
            self._shrink(stream, boot_id, old.held - gone)

    def _shrink(self, stream: Stream, boot_id: str, held: int) -> None:
        if held == 0:
            del self._extents[stream, boot_id]
            return
        # Two questions: SQLite answers min and max from the index only when each is asked alone.
        first, last = (
            self._db.execute(f"SELECT {edge}(seq) FROM records WHERE stream=? AND boot=?", (stream, boot_id))  # noqa: S608
            for edge in ("min", "max")
        )
        self._extents[stream, boot_id] = Extent(boot_id, first.fetchone()[0], last.fetchone()[0], held)

    def _recount(self, stream: Stream, boot_id: str) -> None:
        sql = "SELECT count(*) FROM records WHERE stream=? AND boot=?"
        self._shrink(stream, boot_id, self._db.execute(sql, (stream, boot_id)).fetchone()[0])

    def _used_pages_bytes(self) -> int:
        pages, free = (self._db.execute(f"PRAGMA {n}").fetchone()[0] for n in ("page_count", "freelist_count"))
        return int(pages - free) * int(self._db.execute("PRAGMA page_size").fetchone()[0])

    def _restore(self, logged: tuple[Record, ...]) -> None:
        """Put back committed records that SQLite dropped because a later part of its log is damaged."""
        marks = {(s, b): seq for s, b, seq in self._db.execute("SELECT stream, boot, seq FROM marks")}
        alive = [r for r in logged if r.seq > marks.get((r.stream, r.boot_id), 0)]
        if alive:
            with self.transaction():
                self.add(alive)

    def _salvage(self, logged: tuple[Record, ...]) -> None:
        found = {(r.stream, r.boot_id, r.seq): r for r in logged}
        for part in (self._path, self._path.with_name(self._path.name + "-wal")):
            if part.exists():
                found.update({(r.stream, r.boot_id, r.seq): r for r in carve(part.read_bytes())})
        records = [found[key] for key in sorted(found)]
        replace_damaged(self._path, lambda beside: self._write(beside, records))
        self._db = self._open(thorough=False)

    def _write(self, path: Path, records: list[Record]) -> None:
        """Make a database of these records and of what is missing between them."""
        self._db, self._extents = open_database(path, _SCHEMA, budget=self._budget), {}
        with self.transaction():
            self.add(records)
            rows = [(gap.stream, gap.boot_id, gap.first_seq, gap.last_seq) for gap in gaps(records)]
            self._db.executemany("INSERT INTO missing VALUES(?,?,?,?)", rows)
        self._db.close()


def gaps(records: list[Record]) -> list[LostRange]:
    """Return the holes between the records of each stream and boot; some may have been delivered before."""
    holes: list[LostRange] = []
    for (stream, boot), group in itertools.groupby(records, key=lambda r: (r.stream, r.boot_id)):
        for a, b in itertools.pairwise(r.seq for r in group):
            if b > a + 1:
                holes.append(_unreadable(stream, boot, a + 1, b - 1))
    return holes


def _unreadable(stream: Stream, boot_id: str, first: int, last: int) -> LostRange:
    return LostRange(stream=stream, boot_id=boot_id, first_seq=first, last_seq=last, reason=_UNREADABLE)
