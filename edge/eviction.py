"""What goes when the outbox is full: debug, then nine samples in ten, then the oldest samples, then events."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Protocol

from contracts.telemetry import LostRange, Stream
from edge.frames import Rank

KEEP_EVERY = 10
"""Thinning turns 10 Hz into 1 Hz."""
_CHUNK_RECORDS = 1000
_FRESH_RECORDS = 600
"""The last minute of the running boot is thinned only when nothing else is left to thin."""
_REASON = "evicted: outbox full"


class Held(Protocol):
    """What a boot holds of the telemetry stream."""

    @property
    def boot_id(self) -> str:
        """Return the boot."""

    @property
    def last_seq(self) -> int:
        """Return its newest sample."""


class Evictor:
    """One round of evictions inside one transaction; ``telemetry`` is what is held, oldest boot first."""

    def __init__(self, db: sqlite3.Connection, telemetry: Sequence[Held]) -> None:
        self._db = db
        self._boots = [held.boot_id for held in telemetry]
        self._newest = telemetry[-1].last_seq if telemetry else 0

    def evict(self) -> list[LostRange]:
        """Delete the least worthy few hundred records; return their ranges, none when nothing may go."""
        return (
            self._drop_events(Rank.DEBUG)
            or self._thin(spare=_FRESH_RECORDS)
            or self._drop_samples()
            or self._drop_events(Rank.EVENT)
        )

    def _thin(self, spare: int) -> list[LostRange]:
        for boot_id in self._boots:
            until = self._newest - spare if boot_id == self._boots[-1] else None
            while (chunk := self._unthinned(boot_id, until)) is not None:
                first, last = chunk
                gone = self._db.execute(
                    "DELETE FROM records WHERE stream=? AND boot=? AND seq BETWEEN ? AND ? AND seq % ? != 0",
                    (Stream.TELEMETRY, boot_id, first, last, KEEP_EVERY),
                ).rowcount
                self._db.execute("INSERT OR REPLACE INTO thinned VALUES(?,?)", (boot_id, last))
                if gone:
                    return [_lost(boot_id, first, last, kept_every=KEEP_EVERY)]
        return []

    def _unthinned(self, boot_id: str, until: int | None) -> tuple[int, int] | None:
        cursor = self._db.execute("SELECT seq FROM thinned WHERE boot=?", (boot_id,)).fetchone()
        seqs = self._seqs(boot_id, cursor[0] if cursor else 0)
        kept = seqs if until is None else [seq for seq in seqs if seq <= until]
        return (kept[0], kept[-1]) if kept else None

    def _drop_samples(self) -> list[LostRange]:
        for boot_id in self._boots:
            if seqs := self._seqs(boot_id, 0):
                self._db.execute(
                    "DELETE FROM records WHERE stream=? AND boot=? AND seq<=?", (Stream.TELEMETRY, boot_id, seqs[-1])
                )
                return [_lost(boot_id, seqs[0], seqs[-1])]
        return []

    def _seqs(self, boot_id: str, after: int) -> list[int]:
        sql = "SELECT seq FROM records WHERE stream=? AND boot=? AND seq>? ORDER BY seq LIMIT ?"
        return [row[0] for row in self._db.execute(sql, (Stream.TELEMETRY, boot_id, after, _CHUNK_RECORDS))]

    def _drop_events(self, rank: Rank) -> list[LostRange]:
        sql = "SELECT id, boot, seq FROM records WHERE stream=? AND rank=? ORDER BY id LIMIT ?"
        rows = self._db.execute(sql, (Stream.EVENTS, rank, _CHUNK_RECORDS)).fetchall()
        self._db.executemany("DELETE FROM records WHERE id=?", ((row[0],) for row in rows))
        lost: list[LostRange] = []
        for _, boot_id, seq in rows:
            if lost and lost[-1].boot_id == boot_id and lost[-1].last_seq == seq - 1:
                lost[-1] = lost[-1].model_copy(update={"last_seq": seq})
            else:
                lost.append(_lost(boot_id, seq, seq, stream=Stream.EVENTS))
        return lost


def _lost(boot_id: str, first: int, last: int, *, stream: Stream = Stream.TELEMETRY, kept_every: int = 0) -> LostRange:
    return LostRange(
        stream=stream, boot_id=boot_id, first_seq=first, last_seq=last, kept_every=kept_every, reason=_REASON
    )
