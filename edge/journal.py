"""The command journal: what was accepted and what became of it, on disk before the broker is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from contracts.commands import AckState, Command
from contracts.vocabulary import CommandKind
from edge.clock import now_us
from edge.database import open_or_renew

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands(
  command_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL,
  state TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, hint TEXT NOT NULL, at_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS last_seq(only INTEGER PRIMARY KEY CHECK(only=1), seq INTEGER NOT NULL);
INSERT OR IGNORE INTO last_seq VALUES(1, 0);
CREATE TABLE IF NOT EXISTS last_order(
  only INTEGER PRIMARY KEY CHECK(only=1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL);
INSERT OR IGNORE INTO last_order SELECT 1, 1, seq FROM last_seq;
CREATE TABLE IF NOT EXISTS born(only INTEGER PRIMARY KEY CHECK(only=1), at_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS untold(command_id TEXT PRIMARY KEY, state TEXT NOT NULL);
"""
OPEN_STATES = (AckState.ACKED, AckState.EXECUTING)


class Entry(NamedTuple):
    """A command's last known state."""

    command_id: str
    kind: CommandKind
    payload: str
    state: AckState
    code: str = ""
    detail: str = ""
    hint: str = ""

    @property
    def command(self) -> Command:
        """Return the command as it was accepted."""
        return Command.model_validate_json(self.payload)


class Journal:
    """Thread-safe; every call that returns has reached the disk."""

    def __init__(self, path: Path, now_us: Callable[[], int] = now_us) -> None:
        self._db = open_or_renew(path, _SCHEMA)
        self._lock = threading.Lock()
        self._now_us = now_us
        self._db.execute("INSERT OR IGNORE INTO born VALUES(1, ?)", (now_us(),))
        self.began_us = int(self._db.execute("SELECT at_us FROM born").fetchone()[0])
        """When this journal was new: nothing older can be told from a replay."""

    def find(self, command_id: str) -> Entry | None:
        """Return what is known of a command."""
        return next(iter(self._select("command_id=?", (command_id,))), None)

    def unfinished(self) -> list[Entry]:
        """Return commands accepted and not ended, in the order they came."""
        return self._select("state IN (?,?) ORDER BY at_us", OPEN_STATES)

    def untold(self) -> list[Entry]:
        """Return ended commands whose end may not have reached the outbox."""
        return self._select("command_id IN (SELECT command_id FROM untold) AND state NOT IN (?,?)", OPEN_STATES)

    def told(self, command_id: str, state: AckState) -> None:
        """Note that a state is safely in the outbox."""
        with self._lock:
            self._db.execute("DELETE FROM untold WHERE command_id=? AND state=?", (command_id, state))

    def last_order(self) -> tuple[int, int]:
        """Return the highest epoch and sequence number accepted."""
        with self._lock:
            epoch, seq = self._db.execute("SELECT epoch, seq FROM last_order").fetchone()
        return int(epoch), int(seq)

    def latest_us(self) -> int:
        """Return the latest time written down: it has passed for certain."""
        with self._lock:
            found = self._db.execute("SELECT max(at_us) FROM commands").fetchone()[0]
        return max(self.began_us, int(found or 0))

    def accept(self, command: Command, payload: str) -> Entry:
        """Record a command as accepted and its sequence number as used, in one commit."""
        entry = Entry(command.command_id, command.kind, payload, AckState.ACKED)
        self._insert(entry, command, raises_order=True)
        return entry

    def reject(self, command: Command, payload: str, code: str, detail: str, hint: str) -> Entry:
        """Record an authentic command as refused; its sequence number stays free."""
        entry = Entry(command.command_id, command.kind, payload, AckState.REJECTED, code, detail, hint)
        self._insert(entry, command, raises_order=False)
        return entry

    def advance(self, entry: Entry) -> None:
        """Record a new state, not told yet, in one commit."""
        with self._lock, self._commit():
            self._db.execute(
                "UPDATE commands SET state=?, code=?, detail=?, hint=? WHERE command_id=?",
                (entry.state, entry.code, entry.detail, entry.hint, entry.command_id),
            )
            self._db.execute("INSERT OR REPLACE INTO untold VALUES(?,?)", (entry.command_id, entry.state))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _insert(self, entry: Entry, command: Command, *, raises_order: bool) -> None:
        row = (entry.command_id, command.seq, *entry[1:], self._now_us())
        with self._lock, self._commit():
            self._db.execute("INSERT INTO commands VALUES(?,?,?,?,?,?,?,?,?)", row)
            self._db.execute("INSERT OR REPLACE INTO untold VALUES(?,?)", (entry.command_id, entry.state))
            if raises_order:
                order = (command.epoch, command.seq)
                self._db.execute(
                    "UPDATE last_order SET epoch=?, seq=? WHERE epoch<? OR (epoch=? AND seq<?)",
                    (*order, command.epoch, *order),
                )

    @contextmanager
    def _commit(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _select(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        query = f"SELECT command_id, kind, payload, state, code, detail, hint FROM commands WHERE {where}"  # noqa: S608
        with self._lock:
            rows = self._db.execute(query, values).fetchall()
        return [Entry(r[0], CommandKind(r[1]), r[2], AckState(r[3]), r[4], r[5], r[6]) for r in rows]
