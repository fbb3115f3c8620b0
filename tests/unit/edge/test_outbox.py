"""The outbox keeps what it acknowledged, through kills and damage, and says what it lost."""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import TooLarge, Unavailable
from contracts.events import DroneEvent, DroneEventKind
from contracts.geo import Frozen
from contracts.telemetry import SeqRange, Stream
from edge.frames import Rank, Record, carve, pack, unpack
from edge.outbox import Outbox

CAP = 64 * 1024 * 1024


class Note(Frozen):
    """A record with content of any size."""

    seq: int
    text: str


def note(text: str) -> Callable[[int], Note]:
    return lambda seq: Note(seq=seq, text=text)


@contextmanager
def outbox_at(path: Path, boot: str = "boot-a", cap: int = CAP) -> Iterator[Outbox]:
    outbox = Outbox(path, boot, cap)
    try:
        yield outbox
    finally:
        outbox.close()


def held(outbox: Outbox, stream: Stream, boot: str = "boot-a") -> list[int]:
    return [r.seq for r in outbox.pending(stream, boot, 0, 1_000_000)]


def tombstones(outbox: Outbox, boot: str = "boot-a") -> list[DroneEvent]:
    records = outbox.pending(Stream.EVENTS, boot, 0, 10_000)
    events = [DroneEvent.model_validate_json(r.payload) for r in records if b"records_lost" in r.payload]
    return [e for e in events if e.kind is DroneEventKind.RECORDS_LOST]


def test_numbers_have_no_gaps_and_streams_are_apart(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        seqs = [outbox.append(Stream.TELEMETRY, note("t")).result(5) for _ in range(5)]
        assert seqs == [1, 2, 3, 4, 5]
        assert outbox.append(Stream.ACKS, note("a")).result(5) == 1


def test_a_record_that_cannot_be_made_uses_no_number(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        with pytest.raises(TooLarge):
            outbox.append(Stream.EVENTS, note("x" * 5000)).result(5)
        with pytest.raises(ZeroDivisionError):
            outbox.append(Stream.EVENTS, lambda seq: Note(seq=seq // 0, text="")).result(5)
        assert outbox.append(Stream.EVENTS, note("fits")).result(5) == 1


def test_only_the_watermark_deletes(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        for _ in range(10):
            outbox.append(Stream.TELEMETRY, note("t")).result(5)
        outbox.acknowledge(Stream.TELEMETRY, "boot-a", 7)
        outbox.append(Stream.TELEMETRY, note("t")).result(5)
        assert held(outbox, Stream.TELEMETRY) == [8, 9, 10, 11]


def test_a_watermark_beyond_what_was_written_is_ignored(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        outbox.append(Stream.TELEMETRY, note("t")).result(5)
        outbox.acknowledge(Stream.TELEMETRY, "boot-a", 99)
        outbox.append(Stream.TELEMETRY, note("t")).result(5)
        assert held(outbox, Stream.TELEMETRY) == [1, 2]


def test_an_earlier_boot_is_kept_until_it_is_committed(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db", "boot-a") as outbox:
        outbox.append(Stream.ACKS, note("a")).result(5)
    with outbox_at(tmp_path / "o.db", "boot-b") as outbox:
        outbox.append(Stream.ACKS, note("b")).result(5)
        assert [e.boot_id for e in outbox.extents(Stream.ACKS)] == ["boot-a", "boot-b"]
        outbox.acknowledge(Stream.ACKS, "boot-a", 1)
        outbox.append(Stream.ACKS, note("b")).result(5)
        assert [e.boot_id for e in outbox.extents(Stream.ACKS)] == ["boot-b"]


SMALL_CAP = 6 * 1024 * 1024


def gone(outbox: Outbox, stream: Stream) -> set[int]:
    """Return the numbers that the outbox says will not come."""
    ranges = [e.lost for e in tombstones(outbox) if e.lost is not None and e.lost.stream is stream]
    return {
        seq
        for part in ranges
        for seq in range(part.first_seq, part.last_seq + 1)
        if part.kept_every == 0 or seq % part.kept_every
    }


def fill(outbox: Outbox, stream: Stream, count: int, size: int = 700, rank: Rank | None = None) -> None:
    for future in [outbox.append(stream, note("x" * size), rank) for _ in range(count)]:
        future.result(30)


def test_over_the_cap_samples_are_thinned_before_any_second_is_lost(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db", cap=SMALL_CAP) as outbox:
        fill(outbox, Stream.ACKS, 20)
        fill(outbox, Stream.EVENTS, 20)
        fill(outbox, Stream.TELEMETRY, 3000)
        fill(outbox, Stream.TELEMETRY, 3000)
        kept = set(held(outbox, Stream.TELEMETRY))
        assert set(range(10, 6001, 10)) <= kept, "one sample a second is still there"
        assert kept | gone(outbox, Stream.TELEMETRY) == set(range(1, 6001))
        assert held(outbox, Stream.ACKS) == list(range(1, 21))
        assert set(range(1, 21)) <= set(held(outbox, Stream.EVENTS))
        assert outbox.used_bytes() <= SMALL_CAP


def test_debug_goes_first_and_safety_never(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db", cap=SMALL_CAP) as outbox:
        fill(outbox, Stream.EVENTS, 10, rank=Rank.SAFETY)
        fill(outbox, Stream.EVENTS, 500, rank=Rank.DEBUG)
        fill(outbox, Stream.TELEMETRY, 200)
        fill(outbox, Stream.EVENTS, 4000)
        events = set(held(outbox, Stream.EVENTS))
        assert set(range(1, 11)) <= events
        assert not events & set(range(11, 511))
        assert set(range(11, 511)) <= gone(outbox, Stream.EVENTS)
        written = max(events)
        assert events | gone(outbox, Stream.EVENTS) == set(range(1, written + 1))
        assert outbox.used_bytes() <= SMALL_CAP


def test_over_a_day_every_number_is_held_or_accounted_for_and_the_cap_is_hard(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db", cap=SMALL_CAP) as outbox:
        highest = 0
        for _ in range(12):
            fill(outbox, Stream.TELEMETRY, 3000, size=900)
            highest = max(highest, outbox.used_bytes())
        kept = set(held(outbox, Stream.TELEMETRY))
        assert kept | gone(outbox, Stream.TELEMETRY) == set(range(1, 36_001))
        assert kept
        assert highest <= SMALL_CAP


def test_ranges_beyond_a_gap_are_forgotten_too(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        fill(outbox, Stream.TELEMETRY, 20)
        outbox.acknowledge(Stream.TELEMETRY, "boot-a", 3, (SeqRange(first_seq=10, last_seq=15),))
        fill(outbox, Stream.TELEMETRY, 1)
        assert held(outbox, Stream.TELEMETRY) == [*range(4, 10), *range(16, 22)]
        extent = outbox.extents(Stream.TELEMETRY)[0]
        assert (extent.first_seq, extent.last_seq, extent.held) == (4, 21, 12)


def broken(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_FSYNC", "SQLITE_READONLY"])
def test_a_disk_that_refuses_turns_samples_away_and_carries_safety_afloat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        add = outbox._shelf.add

        def refuse(*_: object) -> None:
            raise broken(name)

        monkeypatch.setattr(outbox._shelf, "add", refuse)
        sample = outbox.append(Stream.TELEMETRY, note("t"))
        first, second = outbox.append(Stream.ACKS, note("a")), outbox.append(Stream.ACKS, note("b"))
        with pytest.raises(Unavailable, match=name):
            sample.result(5)
        until(lambda: held(outbox, Stream.ACKS) == [1, 2])
        assert outbox.trouble == name
        assert not first.done(), "not durable yet, and nobody is told it is"
        codes = [DroneEvent.model_validate_json(r.payload).code for r in outbox.pending(Stream.EVENTS, "boot-a", 0, 9)]
        assert codes == ["storage_degraded"]
        outbox.acknowledge(Stream.ACKS, "boot-a", 1)
        assert first.result(5) == 1, "the cloud has it"
        assert not second.done()
        monkeypatch.setattr(outbox._shelf, "add", add)
        assert second.result(5) == 2
        fill(outbox, Stream.EVENTS, 1)
        assert held(outbox, Stream.ACKS) == [2]
        assert "1 records were not written" in tombstones(outbox)[0].detail
        assert outbox.trouble == ""


def test_what_can_happen_only_once_is_one_record_whichever_process_tells_it(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        assert [outbox.append(Stream.EVENTS, note("it"), once="it").result(5) for _ in range(2)] == [1, 0]
        outbox.acknowledge(Stream.EVENTS, "boot-a", 1)
    with outbox_at(tmp_path / "o.db", "boot-b") as outbox:
        assert outbox.append(Stream.EVENTS, note("it"), once="it").result(5) == 0
        assert outbox.append(Stream.EVENTS, note("other"), once="other").result(5) == 1
        assert held(outbox, Stream.EVENTS, "boot-a") == []


def test_what_is_told_once_waits_for_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise broken("SQLITE_READONLY")

    with outbox_at(tmp_path / "o.db") as outbox:
        add = outbox._shelf.add
        monkeypatch.setattr(outbox._shelf, "add", refuse)
        told = outbox.append(Stream.EVENTS, note("it"), once="it")
        until(lambda: outbox.trouble != "")
        assert held(outbox, Stream.EVENTS) == [1], "only that the storage is degraded"
        monkeypatch.setattr(outbox._shelf, "add", add)
        assert told.result(5) > 0


def test_a_full_disk_gives_back_the_reserve_and_the_oldest_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with outbox_at(tmp_path / "o.db") as outbox:
        fill(outbox, Stream.TELEMETRY, 2000)
        assert (tmp_path / "o.db.reserve").exists()
        add, refusals = outbox._shelf.add, iter([broken("SQLITE_FULL")])

        def refuse_once(records: Iterable[Record]) -> None:
            for error in refusals:
                raise error
            add(records)

        monkeypatch.setattr(outbox._shelf, "add", refuse_once)
        assert outbox.append(Stream.ACKS, note("a")).result(5) == 1
        assert not (tmp_path / "o.db.reserve").exists()
        assert gone(outbox, Stream.TELEMETRY)
        assert outbox.trouble == ""


def until(reached: Callable[[], bool], patience_s: float = 10.0) -> None:
    waiting, deadline = threading.Event(), time.monotonic() + patience_s
    while not reached():
        assert time.monotonic() < deadline
        waiting.wait(0.01)


def test_records_of_an_agent_before_ranks_are_still_delivered(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    old = sqlite3.connect(path)
    old.executescript(
        "CREATE TABLE records(id INTEGER PRIMARY KEY, stream TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,"
        "frame BLOB NOT NULL); CREATE UNIQUE INDEX by_key ON records(stream, boot, seq);"
        "CREATE TABLE marks(stream TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,"
        "PRIMARY KEY(stream, boot)) WITHOUT ROWID;"
    )
    body = b'acks\0boot-old\x001\0{"seq":1}'
    frame = struct.pack(">4sII", b"\xabKR1", zlib.crc32(body), len(body)) + body
    old.execute("INSERT INTO records(stream, boot, seq, frame) VALUES('acks','boot-old',1,?)", (frame,))
    old.commit()
    old.close()
    with outbox_at(path, "boot-b") as outbox:
        assert outbox.pending(Stream.ACKS, "boot-old", 0, 9) == [
            Record(Stream.ACKS, "boot-old", 1, b'{"seq":1}', Rank.SAFETY)
        ]


_KILLED = """
import sys
from pathlib import Path
from contracts.geo import Frozen
from contracts.telemetry import SeqRange, Stream
from edge.outbox import Outbox
class Note(Frozen):
    seq: int
    text: str
outbox = Outbox(Path(sys.argv[1]), sys.argv[2], 1 << 26)
def said(f):
    sys.stdout.write(f"{f.result()}\\n")
    sys.stdout.flush()
while True:
    outbox.append(Stream.TELEMETRY, lambda seq: Note(seq=seq, text="x" * 300)).add_done_callback(said)
    while outbox._jobs.qsize() > 500:
        pass
"""


def test_sigkill_at_random_points_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    rng = random.Random(7)
    acknowledged: dict[str, int] = {}
    for round_ in range(4):
        boot = f"boot-{round_}"
        writer = subprocess.Popen([sys.executable, "-c", _KILLED, str(path), boot], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        seen, deadline = b"", time.monotonic() + rng.uniform(0.02, 0.4)
        while time.monotonic() < deadline or not seen:
            if select.select([writer.stdout], [], [], 0.05)[0]:
                seen += os.read(writer.stdout.fileno(), 65536)
        writer.send_signal(signal.SIGKILL)
        seen += writer.stdout.read()
        writer.stdout.close()
        writer.wait(10)
        acknowledged[boot] = max(int(line) for line in seen.split(b"\n")[:-1] or [b"0"])
    with outbox_at(path, "boot-last") as outbox:
        for boot, highest in acknowledged.items():
            seqs = held(outbox, Stream.TELEMETRY, boot)
            assert highest > 0
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(seqs) >= highest


def _filled(path: Path, count: int) -> None:
    with outbox_at(path) as outbox:
        for future in [outbox.append(Stream.TELEMETRY, note(f"{n:05d}" * 60)) for n in range(count)]:
            future.result(10)


@pytest.mark.parametrize("seed", range(12))
def test_damage_never_stops_it_and_whole_records_survive(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "o.db"
    _filled(path, 300)
    raw = bytearray(path.read_bytes())
    rng = random.Random(seed)
    match seed % 4:
        case 0:
            raw[rng.randrange(100)] ^= 0xFF
        case 1:
            start = 4096 * rng.randrange(len(raw) // 4096)
            raw[start : start + 4096] = bytes(4096)
        case 2:
            raw = raw[: rng.randrange(len(raw) // 2, len(raw))]
        case _:
            for _ in range(5):
                raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path.write_bytes(raw)
    survivors = {r.seq for r in carve(bytes(raw))}
    with outbox_at(path, "boot-b") as outbox:
        got = set(held(outbox, Stream.TELEMETRY))
        assert outbox.append(Stream.EVENTS, note("still works")).result(5) >= 1
        outbox.append(Stream.EVENTS, note("later")).result(5)
        assert got == survivors
        inner = set(range(min(got), max(got) + 1)) - got
        assert bool(inner) == bool(tombstones(outbox, "boot-b"))


def test_a_damaged_log_gives_back_what_sqlite_would_drop(tmp_path: Path) -> None:
    path, copy = tmp_path / "o.db", tmp_path / "copy.db"
    with outbox_at(path) as outbox:
        for _ in range(50):
            outbox.append(Stream.TELEMETRY, note("t" * 200)).result(5)
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    wal = copy.with_name(copy.name + "-wal")
    raw = bytearray(wal.read_bytes())
    raw[len(raw) // 4] ^= 0x55
    wal.write_bytes(raw)
    with outbox_at(copy, "boot-b") as outbox:
        assert len(held(outbox, Stream.TELEMETRY)) >= 49


def test_damage_that_sqlite_quotes_and_python_cannot_read_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    _filled(path, 20)
    raw = path.read_bytes()
    assert raw.count(b"CREATE TABLE thinned") == 1
    path.write_bytes(raw.replace(b"CREATE TABLE thinned", b"CREATE TAB\xc1E thinned"))
    with outbox_at(path, "boot-b") as outbox:
        assert held(outbox, Stream.TELEMETRY) == list(range(1, 21))


def test_the_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    _filled(path, 20)
    path.write_bytes(b"not a database at all" * 500)
    with outbox_at(path, "boot-b"):
        assert list(tmp_path.glob("o.db.corrupt.*"))


@given(payload=st.binary(max_size=3000), seq=st.integers(1, 2**60), noise=st.binary(max_size=200))
def test_a_frame_is_found_in_any_surroundings(payload: bytes, seq: int, noise: bytes) -> None:
    record = Record(Stream.EVENTS, "boot-a", seq, payload, Rank.EVENT)
    assert unpack(pack(record)) == record
    assert record in list(carve(noise + pack(record) + noise))


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(at: int, bit: int) -> None:
    frame = bytearray(pack(Record(Stream.EVENTS, "boot-a", 5, b'{"seq":5}', Rank.EVENT)))
    frame[at % len(frame)] ^= 1 << bit
    assert unpack(bytes(frame)) is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.just("append"), st.just("restart"), st.integers(0, 30)), max_size=25))
def test_behaves_as_a_list_would(tmp_path_factory: pytest.TempPathFactory, steps: list[str | int]) -> None:
    path = tmp_path_factory.mktemp("model") / "o.db"
    model: list[tuple[str, int]] = []
    boot, counter = 0, 0
    outbox = Outbox(path, "boot-0", CAP)
    try:
        for step in steps:
            if step == "append":
                counter = outbox.append(Stream.EVENTS, note("m")).result(5)
                model.append((f"boot-{boot}", counter))
            elif step == "restart":
                outbox.close()
                boot, counter = boot + 1, 0
                outbox = Outbox(path, f"boot-{boot}", CAP)
            elif isinstance(step, int) and step <= counter:
                outbox.acknowledge(Stream.EVENTS, f"boot-{boot}", step)
                model = [(b, s) for b, s in model if b != f"boot-{boot}" or s > step]
        outbox.append(Stream.ACKS, note("flush")).result(5)
        got = [(e.boot_id, s) for e in outbox.extents(Stream.EVENTS) for s in held(outbox, Stream.EVENTS, e.boot_id)]
        assert sorted(got) == sorted(model)
    finally:
        outbox.close()
