"""The durable store-and-forward queue: an append is acknowledged when it is on disk, deleted when the cloud says so.

When the disk refuses, the outbox says so (``storage_degraded``), turns samples away and counts them, and carries a
bounded number of command results and safety reports *afloat*: they are sent from memory, and acknowledged only once the
disk or the cloud has them.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from contracts.errors import TooLarge, Unavailable
from contracts.events import DroneEvent, DroneEventKind
from contracts.telemetry import LostRange, SeqRange, Stream
from edge import logbook
from edge.clock import utc_now
from edge.frames import MAX_FRAME_BYTES, Rank, Record, size_bytes, usual_rank
from edge.reserve import Reserve
from edge.shelf import Extent, Mark, Shelf, is_damage, is_full

Make = Callable[[int], BaseModel]
GROUP_RECORDS = 256
_MAX_QUEUED = 4000
_MAX_AFLOAT = 1000
_SHED_EVERY = 32
"""Records between two looks at the cap: the reserve must have room for them."""
_RETRY_S = 0.5


class _Append(NamedTuple):
    stream: Stream
    rank: Rank
    make: Make
    done: Future[int]
    once: str = ""


class _Drop(NamedTuple):
    lost: LostRange


class _Afloat(NamedTuple):
    record: Record
    done: Future[int] | None


_Job = _Append | Mark | _Drop


class Outbox:
    """Records of three streams, numbered without gaps per (boot, stream); one writer thread, grouped commits."""

    def __init__(self, path: Path, boot_id: str, cap_bytes: int) -> None:
        self.boot_id = boot_id
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), cap_bytes)
        self._shelf = Shelf(path, cap_bytes)
        self._reserve.take()
        self._lock = threading.Lock()
        self._next = dict.fromkeys(Stream, 1)
        self._settled = dict.fromkeys(Stream, 0)
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._afloat: list[_Afloat] = []
        self._unwritten = 0
        self._counting = threading.Lock()
        self._trouble = ""
        self._squeeze = False
        self._pause = threading.Event()
        for lost in self._shelf.missing():
            self._jobs.put(_Drop(lost))
        self._thread = threading.Thread(target=self._run, name="kestrel-outbox", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Return why the disk does not take records now; empty when it does."""
        return self._trouble

    def append(self, stream: Stream, make: Make, rank: Rank | None = None, once: str = "") -> Future[int]:
        """Queue ``make(seq)``; the future gives its seq once it would survive a power cut.

        ``once`` names what can happen only once: told again, by whichever process, it is no record, and its seq is 0.

        Raises (through the future):
            Unavailable: The disk refused it.
            TooLarge: The record is over one database page.

        """
        done: Future[int] = Future()
        worth = usual_rank(stream) if rank is None else rank
        if worth is not Rank.SAFETY and self._jobs.qsize() > _MAX_QUEUED:
            self._turn_away(stream, done, "The outbox is behind; a record was not kept.")
        else:
            self._jobs.put(_Append(stream, worth, make, done, once))
        return done

    def acknowledge(self, stream: Stream, boot_id: str, seq: int, above: tuple[SeqRange, ...] = ()) -> None:
        """Delete what the cloud has committed: everything of the stream and boot up to ``seq``, and ``above``."""
        highest = max((part.last_seq for part in above), default=seq)
        if boot_id == self.boot_id and max(seq, highest) >= self._next[stream]:
            logbook.warn("watermark_ahead", stream=stream, seq=highest, written=self._next[stream] - 1)
            return
        self._jobs.put(Mark(stream, boot_id, seq, above))

    def pending(self, stream: Stream, boot_id: str, after: int, limit: int) -> list[Record]:
        """Return up to ``limit`` undelivered records above ``after``, in order."""
        with self._lock:
            afloat = [a.record for a in self._afloat if (a.record.stream, a.record.boot_id) == (stream, boot_id)]
            try:
                good, bad = self._shelf.read(stream, boot_id, after, limit)
            except sqlite3.DatabaseError as error:
                if not afloat:
                    raise
                logbook.warn("outbox_unreadable", error=str(error))
                good, bad = [], []
        for lost in bad:
            self._jobs.put(_Drop(lost))
        return (good + [record for record in afloat if record.seq > after])[:limit]

    def extents(self, stream: Stream) -> list[Extent]:
        """Return what each boot still holds of a stream, oldest boot first."""
        with self._lock:
            extents = self._shelf.extents(stream)
            afloat = [a.record.seq for a in self._afloat if a.record.stream is stream]
        if not afloat:
            return extents
        mine = next((e for e in extents if e.boot_id == self.boot_id), Extent(self.boot_id, afloat[0], 0, 0))
        others = [e for e in extents if e.boot_id != self.boot_id]
        return [*others, Extent(self.boot_id, mine.first_seq, afloat[-1], mine.held + len(afloat))]

    def used_bytes(self) -> int:
        """Return the bytes taken on disk, the log included."""
        return self._shelf.used_bytes()

    def close(self) -> None:
        """Write what is queued, then fold the log."""
        self._pause.set()
        self._jobs.put(None)
        self._thread.join(timeout=15.0)
        with self._lock:
            self._shelf.close()

    def _run(self) -> None:
        closing = False
        while not closing:
            jobs, closing = self._take()
            if jobs or self._trouble:
                self._settle(jobs)

    def _take(self) -> tuple[list[_Job], bool]:
        """Return what waits, at most a group; in trouble do not wait long: the disk is tried again."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=_RETRY_S if self._trouble else None)
        except queue.Empty:
            return jobs, False
        while job is not None:
            jobs.append(job)
            if len(jobs) >= GROUP_RECORDS or self._jobs.empty():
                return jobs, False
            job = self._jobs.get()
        return jobs, True

    def _settle(self, jobs: list[_Job]) -> None:
        """Commit a group; try once more after salvage, or after giving back the reserve; else go on degraded."""
        for _ in range(2):
            try:
                self._commit(jobs)
            except sqlite3.DatabaseError as error:
                trouble = error
                self._squeeze = is_full(error)
                if is_damage(error):
                    jobs = [*jobs, *self._salvage()]
                elif not (self._reserve.release() or self._squeeze):
                    break
            else:
                self._recovered()
                return
        self._degrade(jobs, trouble)

    def _salvage(self) -> list[_Drop]:
        with self._lock:
            self._shelf.salvage()
            return [_Drop(part) for part in [*self._shelf.missing(), *self._missing_ends()]]

    def _missing_ends(self) -> list[LostRange]:
        """Return what the running boot has written and neither the cloud nor the salvaged file has at its end."""
        ends: list[LostRange] = []
        for stream in Stream:
            held = max((e.last_seq for e in self._shelf.extents(stream) if e.boot_id == self.boot_id), default=0)
            first, last = max(held, self._settled[stream]) + 1, self._next[stream] - 1
            if first <= last:
                why = "not readable after damage"
                ends.append(LostRange(stream=stream, boot_id=self.boot_id, first_seq=first, last_seq=last, reason=why))
        return ends

    def _commit(self, jobs: list[_Job]) -> None:
        numbers = dict(self._next)
        written: list[tuple[Future[int], int]] = []
        marks = [job for job in jobs if isinstance(job, Mark)]
        unwritten = self._unwritten
        with self._lock:
            carried = list(self._afloat)
            with self._shelf.transaction():
                for mark in marks:
                    self._shelf.settle(mark)
                lost = [job.lost for job in jobs if isinstance(job, _Drop)]
                for gone in lost:
                    self._shelf.drop(gone)
                lost += self._shelf.shed(squeeze=self._squeeze)
                self._shelf.add(a.record for a in carried)
                for job in jobs:
                    if isinstance(job, _Append) and (seq := self._keep(job, numbers)) is not None:
                        written.append((job.done, seq))
                        lost += self._shelf.shed() if len(written) % _SHED_EVERY == 0 else []
                self._shelf.add(self._tombstones(lost + self._shelf.shed(), numbers, unwritten))
            self._next, self._afloat, self._squeeze = numbers, [], False
        with self._counting:
            self._unwritten -= unwritten
        for mark in marks:
            if mark.boot_id == self.boot_id:
                self._settled[mark.stream] = max(self._settled[mark.stream], mark.seq)
        for done, seq in (*((a.done, a.record.seq) for a in carried), *written):
            _resolve(done, seq)

    def _keep(self, job: _Append, numbers: dict[Stream, int]) -> int | None:
        """Store a record; return its number, 0 where it was told before, None where there is none to store."""
        if job.once and not self._shelf.tells(job.once):
            return 0
        if (record := self._number(job, numbers)) is None:
            return None
        self._shelf.add((record,))
        return record.seq

    def _number(self, job: _Append, numbers: dict[Stream, int]) -> Record | None:
        if job.done.done():
            return None
        seq = numbers[job.stream]
        try:
            record = _fitting(Record(job.stream, self.boot_id, seq, _json(job.make(seq)), job.rank))
        except Exception as error:  # noqa: BLE001 - handed to the caller through the future
            job.done.set_exception(error)
            return None
        numbers[job.stream] = seq + 1
        return record

    def _tombstones(self, lost: list[LostRange], numbers: dict[Stream, int], unwritten: int) -> list[Record]:
        told = [self._event(numbers, DroneEventKind.RECORDS_LOST, part.stream, part.reason, part) for part in lost]
        if unwritten:
            detail = f"{unwritten} records were not written: the disk was behind or refused them."
            told.append(self._event(numbers, DroneEventKind.RECORDS_LOST, "unwritten", detail))
        return told

    def _event(
        self,
        numbers: dict[Stream, int],
        kind: DroneEventKind,
        code: str,
        detail: str,
        lost: LostRange | None = None,
    ) -> Record:
        seq = numbers[Stream.EVENTS]
        numbers[Stream.EVENTS] = seq + 1
        event = DroneEvent(seq=seq, kind=kind, at=utc_now(), code=code, detail=detail[:400], lost=lost)
        logbook.warn(kind, code=code, detail=event.detail, **(lost.model_dump(mode="json") if lost else {}))
        return Record(Stream.EVENTS, self.boot_id, seq, _json(event), Rank.SAFETY)

    def _degrade(self, jobs: list[_Job], error: sqlite3.DatabaseError) -> None:
        """Turn samples away, keep commands and safety afloat, keep the rest for the next try.

        What is told once waits too: only the disk knows whether it was.
        """
        with self._lock:
            if not self._trouble:
                logbook.fail("storage_degraded", error)
                said = self._event(self._next, DroneEventKind.SAFETY, "storage_degraded", f"{error}. Check the disk.")
                self._afloat.append(_Afloat(said, None))
            self._trouble = str(error)
            for job in jobs:
                if isinstance(job, _Append) and not job.once:
                    self._float(job)
        for job in jobs:
            if isinstance(job, Mark):
                self._settle_afloat(job)
            if not isinstance(job, _Append) or job.once:
                self._jobs.put(job)
        self._pause.wait(_RETRY_S)

    def _float(self, job: _Append) -> None:
        if job.rank > Rank.EVENT or len(self._afloat) >= _MAX_AFLOAT:
            self._turn_away(job.stream, job.done, f"The outbox could not be written: {self._trouble}.")
        elif (record := self._number(job, self._next)) is not None:
            self._afloat.append(_Afloat(record, job.done))

    def _settle_afloat(self, mark: Mark) -> None:
        """Forget what the cloud has committed straight from memory."""
        with self._lock:
            here = [a for a in self._afloat if (a.record.stream, mark.boot_id) == (mark.stream, self.boot_id)]
            gone = [a for a in here if a.record.seq <= mark.seq]
            self._afloat = [a for a in self._afloat if a not in gone]
        for part in gone:
            _resolve(part.done, part.record.seq)

    def _recovered(self) -> None:
        if self._trouble:
            self._trouble = ""
            logbook.note("storage_recovered")
            self._reserve.take()
            at = utc_now()
            self.append(
                Stream.EVENTS,
                lambda seq: DroneEvent(seq=seq, kind=DroneEventKind.SAFETY, at=at, code="storage_recovered"),
                Rank.SAFETY,
            )

    def _turn_away(self, stream: Stream, done: Future[int], why: str) -> None:
        with self._counting:
            self._unwritten += 1
        done.set_exception(Unavailable(f"{why} ({stream})", hint="Check the disk."))


def _resolve(done: Future[int] | None, seq: int) -> None:
    if done is not None and not done.done():
        done.set_result(seq)


def _fitting(record: Record) -> Record:
    if (size := size_bytes(record)) > MAX_FRAME_BYTES:
        raise TooLarge(f"A record of {size} bytes is over {MAX_FRAME_BYTES}.")
    return record


def _json(content: BaseModel) -> bytes:
    """Return JSON without the fields that are absent anyway: the disk is small."""
    return content.model_dump_json(exclude_none=True).encode()
