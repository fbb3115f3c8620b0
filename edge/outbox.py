"""The durable store-and-forward queue: an append is acknowledged when it is on disk, deleted when the cloud says so."""

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
from contracts.telemetry import Stream
from edge import logbook
from edge.clock import utc_now
from edge.frames import MAX_FRAME_BYTES, Record, pack
from edge.shelf import Extent, Lost, Shelf, is_damage

Make = Callable[[int], BaseModel]
GROUP_RECORDS = 256
_EVICT_RECORDS = 500
_MAX_QUEUED = 4000
_RETRY_S = 0.5


class _Append(NamedTuple):
    stream: Stream
    make: Make
    done: Future[int]


class _Mark(NamedTuple):
    stream: Stream
    boot_id: str
    seq: int


class _Drop(NamedTuple):
    lost: Lost


_Job = _Append | _Mark | _Drop


class Outbox:
    """Records of three streams, numbered without gaps per (boot, stream); one writer thread, grouped commits."""

    def __init__(self, path: Path, boot_id: str, cap_bytes: int) -> None:
        self.boot_id = boot_id
        self._cap_bytes = cap_bytes
        self._shelf = Shelf(path)
        self._lock = threading.Lock()
        self._next = dict.fromkeys(Stream, 1)
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._unwritten = 0
        self._writable = True
        self._pause = threading.Event()
        for lost in self._shelf.lost:
            self._jobs.put(_Drop(lost))
        self._thread = threading.Thread(target=self._run, name="kestrel-outbox", daemon=True)
        self._thread.start()

    def append(self, stream: Stream, make: Make) -> Future[int]:
        """Queue ``make(seq)``; the future gives its seq once it would survive a power cut.

        Raises (through the future):
            Unavailable: The disk refused it.
            TooLarge: The record is over one database page.

        """
        done: Future[int] = Future()
        if stream is Stream.TELEMETRY and self._jobs.qsize() > _MAX_QUEUED:
            self._unwritten += 1
            done.set_exception(Unavailable("The outbox is behind; a sample was not kept.", hint="Check the disk."))
        else:
            self._jobs.put(_Append(stream, make, done))
        return done

    def acknowledge(self, stream: Stream, boot_id: str, seq: int) -> None:
        """Delete what the cloud has committed: everything of the stream and boot up to ``seq``."""
        if boot_id == self.boot_id and seq >= self._next[stream]:
            logbook.warn("watermark_ahead", stream=stream, seq=seq, written=self._next[stream] - 1)
            return
        self._jobs.put(_Mark(stream, boot_id, seq))

    def pending(self, stream: Stream, boot_id: str, after: int, limit: int) -> list[Record]:
        """Return up to ``limit`` undelivered records above ``after``, in order."""
        with self._lock:
            good, bad = self._shelf.read(stream, boot_id, after, limit)
        for lost in bad:
            self._jobs.put(_Drop(lost))
        return good

    def extents(self, stream: Stream) -> list[Extent]:
        """Return what each boot still holds of a stream, oldest boot first."""
        with self._lock:
            return self._shelf.extents(stream)

    def used_bytes(self) -> int:
        """Return the bytes in use on disk."""
        with self._lock:
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
            jobs: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                jobs.append(job)
                if len(jobs) >= GROUP_RECORDS or self._jobs.empty():
                    break
                job = self._jobs.get()
            closing = job is None
            if jobs:
                self._settle(jobs)

    def _settle(self, jobs: list[_Job]) -> None:
        """Commit a group; on damage salvage once and try again; on a full disk refuse samples, keep the rest queued."""
        for attempt in (1, 2):
            try:
                self._commit(jobs)
            except sqlite3.DatabaseError as error:
                if attempt == 2 or not is_damage(error):
                    self._refuse(jobs, error)
                    return
                with self._lock:
                    self._shelf.salvage()
                jobs = [*jobs, *(_Drop(lost) for lost in self._shelf.lost)]
                self._shelf.lost = []
            else:
                return

    def _commit(self, jobs: list[_Job]) -> None:
        numbers = dict(self._next)
        records: list[Record] = []
        written: list[tuple[Future[int], int]] = []
        for job in jobs:
            if isinstance(job, _Append) and (record := self._number(job, numbers)) is not None:
                records.append(record)
                written.append((job.done, record.seq))
        marks = [(job.stream, job.boot_id, job.seq) for job in jobs if isinstance(job, _Mark)]
        with self._lock:
            lost = [job.lost for job in jobs if isinstance(job, _Drop)] + self._evictions()
            records += [self._tombstone(gone, numbers) for gone in lost + self._unkept()]
            self._shelf.write(records, marks, lost)
        self._next = numbers
        self._unwritten = 0
        if not self._writable:
            self._writable = True
            logbook.note("outbox_writable")
        for done, seq in written:
            done.set_result(seq)

    def _number(self, job: _Append, numbers: dict[Stream, int]) -> Record | None:
        seq = numbers[job.stream]
        try:
            record = _fitting(Record(job.stream, self.boot_id, seq, _json(job.make(seq))))
        except Exception as error:  # noqa: BLE001 - handed to the caller through the future
            job.done.set_exception(error)
            return None
        numbers[job.stream] = seq + 1
        return record

    def _evictions(self) -> list[Lost]:
        if self._shelf.used_bytes() < self._cap_bytes:
            return []
        for stream in (Stream.TELEMETRY, Stream.EVENTS):
            if ranges := self._shelf.oldest(stream, _EVICT_RECORDS):
                return ranges
        return []

    def _unkept(self) -> list[Lost]:
        if not self._unwritten:
            return []
        return [Lost(Stream.TELEMETRY, self.boot_id, 0, 0, f"{self._unwritten} samples not written: disk behind")]

    def _tombstone(self, lost: Lost, numbers: dict[Stream, int]) -> Record:
        seq = numbers[Stream.EVENTS]
        numbers[Stream.EVENTS] = seq + 1
        event = DroneEvent(
            seq=seq,
            kind=DroneEventKind.RECORDS_LOST,
            at=utc_now(),
            code=lost.stream,
            detail=f"boot={lost.boot_id} from={lost.first_seq} to={lost.last_seq} reason={lost.reason}",
        )
        logbook.warn("records_lost", stream=lost.stream, boot=lost.boot_id, first=lost.first_seq, last=lost.last_seq)
        return Record(Stream.EVENTS, self.boot_id, seq, _json(event))

    def _refuse(self, jobs: list[_Job], error: sqlite3.DatabaseError) -> None:
        if self._writable:
            self._writable = False
            logbook.fail("outbox_refused", error)
        for job in jobs:
            if isinstance(job, _Append) and job.stream is Stream.TELEMETRY:
                self._unwritten += 1
                problem = f"The outbox could not be written: {error}."
                job.done.set_exception(Unavailable(problem, hint="Check the disk."))
            elif not isinstance(job, _Append) or not job.done.done():
                self._jobs.put(job)
        self._pause.wait(_RETRY_S)


def _fitting(record: Record) -> Record:
    if (size := len(pack(record))) > MAX_FRAME_BYTES:
        raise TooLarge(f"A record of {size} bytes is over {MAX_FRAME_BYTES}.")
    return record


def _json(content: BaseModel) -> bytes:
    """Return JSON without the fields that are absent anyway: the link is narrow."""
    return content.model_dump_json(exclude_none=True).encode()
