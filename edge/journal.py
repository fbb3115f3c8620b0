"""The command journal: what was accepted and what became of it, on disk before the broker is told."""

from __future__ import annotations

import threading
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

    def __init__(self, path: Path) -> None:
        self._db, self.renewed = open_or_renew(path, _SCHEMA)
        self._lock = threading.Lock()

    def find(self, command_id: str) -> Entry | None:
        """Return what is known of a command."""
        return next(iter(self._select("command_id=?", (command_id,))), None)

    def unfinished(self) -> list[Entry]:
        """Return commands accepted and not ended, in the order they came."""
        return self._select("state IN (?,?) ORDER BY at_us", OPEN_STATES)

    def last_seq(self) -> int:
        """Return the highest sequence number accepted."""
        with self._lock:
            return int(self._db.execute("SELECT seq FROM last_seq").fetchone()[0])

    def accept(self, command: Command, payload: str) -> Entry:
        """Record a command as accepted and its sequence number as used, in one commit."""
        entry = Entry(command.command_id, command.kind, payload, AckState.ACKED)
        self._insert(entry, command.seq, raises_seq=True)
        return entry

    def reject(self, command: Command, payload: str, code: str, detail: str, hint: str) -> Entry:
        """Record an authentic command as refused; its sequence number stays free."""
        entry = Entry(command.command_id, command.kind, payload, AckState.REJECTED, code, detail, hint)
        self._insert(entry, command.seq, raises_seq=False)
        return entry

    def advance(self, entry: Entry) -> None:
        """Record a new state."""
        with self._lock:
            self._db.execute(
                "UPDATE commands SET state=?, code=?, detail=?, hint=? WHERE command_id=?",
                (entry.state, entry.code, entry.detail, entry.hint, entry.command_id),
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _insert(self, entry: Entry, seq: int, *, raises_seq: bool) -> None:
        row = (entry.command_id, seq, *entry[1:], now_us())
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("INSERT INTO commands VALUES(?,?,?,?,?,?,?,?,?)", row)
                if raises_seq:
                    self._db.execute("UPDATE last_seq SET seq=max(seq, ?)", (seq,))
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def _select(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        query = f"SELECT command_id, kind, payload, state, code, detail, hint FROM commands WHERE {where}"  # noqa: S608
        with self._lock:
            rows = self._db.execute(query, values).fetchall()
        return [Entry(r[0], CommandKind(r[1]), r[2], AckState(r[3]), r[4], r[5], r[6]) for r in rows]
