"""The drone's outbox: durable records a second beside named alternatives, the drain of an outage, memory over a day.

Usage: python -m benchmarks.edge_outbox [--seconds 4] [--offline-h 24] [--folder DIR] [--json]

``one commit a record, defaults`` are the SQLite settings of AWS Greengrass's disk spooler (rollback journal, one INSERT
and commit per message), replayed here; its Java component itself is not run. Everything is on the same disk in one run.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from benchmarks._samples import samples
from contracts import columns
from contracts.telemetry import Stream, TelemetryBatch, TelemetrySample
from contracts.topics import decode
from edge.outbox import Outbox
from edge.publisher import BATCH_BYTES, Bucket, Publisher

OUTAGE_SAMPLES = 30 * 60 * 10
OFFERED_PER_S = 5000
CAP_BYTES = 512 * 1024 * 1024
_PUBLISHES_PER_S, _BYTES_PER_S = 90, 480 * 1024
_ROUND_TRIP_S = 0.1


def durable_per_s(
    folder: Path, seconds: float, recorded: list[TelemetrySample], offered_per_s: float = float("inf")
) -> dict[str, float]:
    """Return what the outbox makes durable, and how long its commits take, at an offered rate."""
    outbox = Outbox(folder / "outbox.db", "boot-a", CAP_BYTES)
    commits = _time_commits(outbox)
    window = threading.BoundedSemaphore(1024)
    began, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        if count > spent * offered_per_s:
            time.sleep(0.001)
            continue
        window.acquire()
        sample = recorded[count % len(recorded)]
        done = outbox.append(Stream.TELEMETRY, lambda seq, sample=sample: sample.model_copy(update={"seq": seq}))
        done.add_done_callback(lambda _: window.release())
        count += 1
    last = outbox.append(Stream.TELEMETRY, lambda seq: recorded[0].model_copy(update={"seq": seq})).result(60)
    elapsed = time.perf_counter() - began
    outbox.close()
    marks = statistics.quantiles(commits, n=100)
    return {"per_s": last / elapsed, "commit_p50_ms": marks[49], "commit_p99_ms": marks[98]}


def _time_commits(outbox: Outbox) -> list[float]:
    """Put a clock round the commit itself; return where the milliseconds arrive."""
    commits: list[float] = []
    plain = outbox._commit  # noqa: SLF001

    def timed(jobs: Any) -> None:
        began = time.perf_counter()
        plain(jobs)
        commits.append(1000 * (time.perf_counter() - began))

    outbox._commit = timed  # type: ignore[method-assign]  # noqa: SLF001
    return commits


def one_by_one_per_s(path: Path, seconds: float, recorded: list[TelemetrySample], *pragmas: str) -> float:
    """Return what plain SQLite makes durable with one commit per record."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in pragmas:
        db.execute(f"PRAGMA {pragma}")
    db.execute("CREATE TABLE spool(id INTEGER PRIMARY KEY, message BLOB)")
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        payload = recorded[count % len(recorded)].model_dump_json(exclude_none=True).encode()
        db.execute("INSERT INTO spool(message) VALUES(?)", (payload,))
        count += 1
    rate = count / (time.perf_counter() - began)
    db.close()
    return rate


class Cloud:
    """A link of 100 ms round trip with a cloud behind it that commits what it gets, twice a second."""

    generation = 1

    def __init__(self) -> None:
        self.publishes: list[tuple[float, int]] = []
        self._seen: set[int] = set()
        self._mark = 0
        self._open: list[tuple[float, Future[None]]] = []

    def publish(self, topic: str, payload: bytes, **_: object) -> Future[None]:
        """Take a message; its future ends a round trip later."""
        self.publishes.append((time.monotonic(), len(payload)))
        if topic.endswith("/telemetry"):
            _, batch = decode(topic, payload)
            assert isinstance(batch, TelemetryBatch)
            self._seen.update(sample.seq for sample in batch.samples)
        done: Future[None] = Future()
        self._open.append((time.monotonic() + _ROUND_TRIP_S, done))
        return done

    def answer(self) -> None:
        """End the futures that are due."""
        now = time.monotonic()
        while self._open and self._open[0][0] <= now:
            self._open.pop(0)[1].set_result(None)

    def watermark(self) -> int:
        """Return the highest sample without a gap below it."""
        while self._mark + 1 in self._seen:
            self._mark += 1
        return self._mark


def drain(folder: Path, recorded: list[TelemetrySample]) -> dict[str, Any]:
    """Return how a 30 minute outage leaves, and how full the busiest second of the link was."""
    outbox = Outbox(folder / "drain.db", "boot-a", CAP_BYTES)
    futures = []
    for sample in recorded[:OUTAGE_SAMPLES]:
        make: Callable[[int], TelemetrySample] = lambda seq, s=sample: s.model_copy(update={"seq": seq})  # noqa: E731
        futures.append(outbox.append(Stream.TELEMETRY, make))
        if len(futures) % 2000 == 0:
            futures[-1].result(60)
    futures[-1].result(60)
    cloud = Cloud()
    publisher = Publisher("kite-01", outbox, cloud, lambda: b"{}", Bucket(_PUBLISHES_PER_S, _BYTES_PER_S))
    began = told = time.monotonic()
    while outbox.extents(Stream.TELEMETRY):
        if not publisher.step():
            time.sleep(0.002)
        cloud.answer()
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            publisher.committed(Stream.TELEMETRY, "boot-a", cloud.watermark())
    took_s = time.monotonic() - began
    outbox.close()
    seconds: dict[int, list[int]] = {}
    for at, size in cloud.publishes:
        seconds.setdefault(int(at - began), []).append(size)
    return {
        "samples": len(futures),
        "seconds": round(took_s, 2),
        "messages": len(cloud.publishes),
        "busiest_second_publishes": max(len(sizes) for sizes in seconds.values()),
        "busiest_second_kib": round(max(sum(sizes) for sizes in seconds.values()) / 1024),
    }


def wire(recorded: list[TelemetrySample]) -> dict[str, float]:
    """Return bytes a sample takes on the link, and how long an outage takes at the link's limits in each form."""
    rows = [json.loads(s.model_dump_json(exclude_none=True)) for s in recorded[:1800]]
    text = sum(len(json.dumps(row, separators=(",", ":"))) + 1 for row in rows) / len(rows)
    chunks = [rows[at : at + columns.MAX_RECORDS] for at in range(0, len(rows), columns.MAX_RECORDS)]
    packed = sum(len(columns.pack("kite-01", "boot-a", chunk)) for chunk in chunks) / len(rows)
    in_json = OUTAGE_SAMPLES / (BATCH_BYTES // text) / _PUBLISHES_PER_S
    return {
        "json_bytes": round(text, 1),
        "columns_bytes": round(packed, 1),
        "json_batches_outage_s": round(in_json, 1),
        "one_sample_a_message_outage_s": round(OUTAGE_SAMPLES / _PUBLISHES_PER_S, 1),
    }


def offline(folder: Path, hours: float, recorded: list[TelemetrySample]) -> dict[str, Any]:
    """Return how memory grew and what the disk took over hours without a link at 10 Hz, as fast as the disk goes."""
    outbox = Outbox(folder / "offline.db", "boot-a", CAP_BYTES)
    total = int(hours * 36_000)

    def put(first: int, last: int) -> None:
        for seq in range(first, last + 1):
            sample = recorded[seq % len(recorded)]
            done = outbox.append(Stream.TELEMETRY, lambda n, s=sample: s.model_copy(update={"seq": n}))  # type: ignore[misc]
            if seq % 1000 == 0:
                done.result(120)

    put(1, 10_000)
    before = _rss_bytes()
    put(10_001, total)
    outbox.append(Stream.ACKS, lambda n: recorded[0].model_copy(update={"seq": n})).result(120)
    after, used = _rss_bytes(), outbox.used_bytes()
    held = sum(extent.held for extent in outbox.extents(Stream.TELEMETRY))
    outbox.close()
    return {
        "hours": hours,
        "samples": total,
        "held": held,
        "rss_growth_mb": round((after - before) / 1e6, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "disk_mb": round(used / 1e6, 1),
        "cap_mb": round(CAP_BYTES / 1e6, 1),
    }


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def measure(folder: Path, seconds: float, hours: float) -> dict[str, Any]:
    """Return every number of this benchmark; the alternatives run between two halves of ours."""
    recorded = list(samples(OUTAGE_SAMPLES))
    first = durable_per_s(_folder(folder, "a"), seconds / 2, recorded)
    defaults = one_by_one_per_s(folder / "defaults.db", seconds, recorded)
    logged = one_by_one_per_s(folder / "wal.db", seconds, recorded, "journal_mode=WAL", "synchronous=FULL")
    second = durable_per_s(_folder(folder, "b"), seconds / 2, recorded)
    offered = durable_per_s(_folder(folder, "c"), seconds, recorded, OFFERED_PER_S)
    ours = (first["per_s"] + second["per_s"]) / 2
    return {
        "durable": {
            "outbox_per_s": round(ours),
            "saturated_commit_p99_ms": round(max(first["commit_p99_ms"], second["commit_p99_ms"]), 1),
            "offered_per_s": OFFERED_PER_S,
            "offered_and_durable_per_s": round(offered["per_s"]),
            "commit_p50_ms": round(offered["commit_p50_ms"], 1),
            "commit_p99_ms": round(offered["commit_p99_ms"], 1),
            "one_commit_a_record_defaults_per_s": round(defaults),
            "one_commit_a_record_wal_full_per_s": round(logged),
            "times_defaults": round(ours / defaults, 1),
            "times_wal_full": round(ours / logged, 1),
        },
        "wire": wire(recorded),
        "drain": drain(folder, recorded),
        "offline": offline(folder, hours, recorded) if hours else {},
    }


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each of the durable writers")
    parser.add_argument("--offline-h", type=float, default=24.0, help="0: skip the day without a link")
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kb", dir=asked.folder) as folder:
        found = measure(Path(folder), asked.seconds, asked.offline_h)
    if asked.json:
        print(json.dumps(found))
        return
    for part, numbers in found.items():
        print(f"{part}:")
        for name, value in numbers.items():
            print(f"  {name:36} {value}")


if __name__ == "__main__":
    main()
