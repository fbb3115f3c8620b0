"""What goes out when, within the broker's limits, until the cloud has committed it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from contracts import columns
from contracts.commands import AckState, CommandAck
from contracts.events import DroneEvent, DroneEventKind
from contracts.telemetry import SeqRange, Stream, TelemetrySample
from contracts.topics import MAX_PAYLOAD_BYTES, decode
from contracts.vocabulary import AircraftState
from edge.outbox import Outbox
from edge.publisher import BATCH_BYTES, WINDOW, Bucket, Publisher
from edge.telemetry import sample_of
from tests.unit.edge.world import NOW, aircraft


class Wire:
    """A link that keeps what it is given."""

    def __init__(self) -> None:
        self.generation = 1
        self.sent: list[tuple[str, bytes]] = []
        self.open: list[Future[None]] = []
        self.answers = True

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Future[None]:
        self.sent.append((topic, payload))
        done: Future[None] = Future()
        if self.answers:
            done.set_result(None)
        else:
            self.open.append(done)
        return done

    def names(self) -> list[str]:
        return [topic.rpartition("/")[2] for topic, _ in self.sent]

    def seqs(self, name: str) -> list[int]:
        field = {"telemetry": "samples"}.get(name, name)
        bodies = [body_of(payload) for topic, payload in self.sent if topic.endswith("/" + name)]
        return [record["seq"] for body in bodies for record in body[field]]


def body_of(payload: bytes) -> dict[str, Any]:
    body: dict[str, Any] = columns.unpack(payload) if columns.is_deflated(payload) else json.loads(payload)
    return body


class Watch:
    """A clock that moves when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def sample(seq: int) -> TelemetrySample:
    seen = aircraft(up=10.0)
    assert seen.fix is not None
    return sample_of(seen, seen.fix, (AircraftState.HOLDING, None, None), seq, seq * 100)


def ack(seq: int) -> CommandAck:
    return CommandAck(seq=seq, command_id="cmd-1", state=AckState.DONE, at=NOW)


def event(seq: int) -> DroneEvent:
    return DroneEvent(seq=seq, kind=DroneEventKind.STATE_CHANGED, at=NOW)


MAKERS: dict[Stream, Callable[[int], CommandAck | DroneEvent | TelemetrySample]] = {
    Stream.ACKS: ack,
    Stream.EVENTS: event,
    Stream.TELEMETRY: sample,
}


class Bench:
    """A publisher with a real outbox and a fake link."""

    def __init__(self, folder: Path, boot: str = "boot-a") -> None:
        self.outbox = Outbox(folder / "o.db", boot, 1 << 26)
        self.wire = Wire()
        self.publisher = Publisher("drone-1", self.outbox, self.wire, lambda: b"{}", Bucket(10_000, 1e9))

    def put(self, stream: Stream, count: int) -> None:
        for future in [self.outbox.append(stream, MAKERS[stream]) for _ in range(count)]:
            future.result(5)

    def run(self) -> None:
        while self.publisher.step():
            pass


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


@pytest.fixture
def bench(tmp_path: Path, watch: Watch) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.outbox.close()


def test_it_says_hello_then_acks_then_events_then_telemetry(bench: Bench, watch: Watch) -> None:
    for stream in (Stream.TELEMETRY, Stream.EVENTS, Stream.ACKS):
        bench.put(stream, 2)
    watch.now += 1
    bench.run()
    assert bench.wire.names() == ["status", "acks", "events", "telemetry"]


def test_every_message_decodes_and_fits(bench: Bench, watch: Watch) -> None:
    for stream in Stream:
        bench.put(stream, 40)
    for _ in range(40):
        watch.now += 0.25
        bench.run()
    for topic, payload in bench.wire.sent[1:]:
        drone_id, _ = decode(topic, payload)
        assert drone_id == "drone-1"
        assert len(payload) <= BATCH_BYTES < MAX_PAYLOAD_BYTES
    for name in ("acks", "events", "telemetry"):
        assert bench.wire.seqs(name) == list(range(1, 41))


def test_offline_nothing_is_sent(bench: Bench) -> None:
    bench.wire.generation = 0
    bench.put(Stream.ACKS, 1)
    assert bench.publisher.step() is None
    assert bench.wire.sent == []


def test_what_is_committed_is_not_sent_again_after_a_reconnect(bench: Bench) -> None:
    bench.put(Stream.EVENTS, 5)
    bench.run()
    bench.publisher.committed(Stream.EVENTS, "boot-a", 3)
    bench.put(Stream.ACKS, 1)
    bench.wire.sent.clear()
    bench.wire.generation = 2
    bench.run()
    assert bench.wire.seqs("events") == [4, 5]


def test_silence_of_the_cloud_makes_it_send_again_ever_more_slowly(bench: Bench, watch: Watch) -> None:
    bench.put(Stream.EVENTS, 3)
    bench.run()
    repeats = []
    for _ in range(700):
        watch.now += 0.5
        before = len(bench.wire.sent)
        bench.run()
        if len(bench.wire.sent) > before:
            repeats.append(watch.now)
    gaps = [b - a for a, b in pairwise(repeats)]
    assert len(repeats) >= 4
    assert gaps == sorted(gaps)
    assert bench.wire.seqs("events") == [1, 2, 3] * (len(repeats) + 1)


@pytest.mark.parametrize(
    ("stream", "boot"),
    [(Stream.EVENTS, "boot-a"), (Stream.TELEMETRY, "boot-a"), (Stream.ACKS, "boot-a")],
    ids=["its own watermark, held by a gap", "another stream's", "a stream with nothing waiting"],
)
def test_a_watermark_that_does_not_move_its_records_does_not_put_off_sending_again(
    bench: Bench, watch: Watch, stream: Stream, boot: str
) -> None:
    bench.put(Stream.EVENTS, 3)
    bench.run()
    bench.wire.sent.clear()
    for _ in range(30):
        watch.now += 0.5
        bench.publisher.committed(stream, boot, 0)
        bench.run()
    assert bench.wire.seqs("events")[:3] == [1, 2, 3]


def test_records_of_a_dead_boot_are_sent_again_while_the_live_one_is_confirmed(tmp_path: Path, watch: Watch) -> None:
    first = Bench(tmp_path, "boot-a")
    first.put(Stream.EVENTS, 2)
    first.outbox.close()
    second = Bench(tmp_path, "boot-b")
    second.run()
    second.wire.sent.clear()
    for seq in range(1, 31):
        second.put(Stream.EVENTS, 1)
        watch.now += 0.5
        second.run()
        second.publisher.committed(Stream.EVENTS, "boot-b", seq)
    again = [body_of(p) for _, p in second.wire.sent if body_of(p).get("boot_id") == "boot-a"]
    assert [e["seq"] for body in again for e in body["events"]][:2] == [1, 2]
    second.outbox.close()


def test_what_was_sent_a_moment_ago_is_not_sent_again_after_a_long_quiet(bench: Bench, watch: Watch) -> None:
    bench.put(Stream.EVENTS, 1)
    bench.run()
    bench.publisher.committed(Stream.EVENTS, "boot-a", 1)
    watch.now += 300
    bench.put(Stream.EVENTS, 1)
    bench.run()
    watch.now += 2
    bench.run()
    assert bench.wire.seqs("events") == [1, 2]


def test_after_an_outage_live_telemetry_comes_before_the_backlog(bench: Bench, watch: Watch) -> None:
    bench.put(Stream.TELEMETRY, 300)
    watch.now += 1
    bench.run()
    seqs = bench.wire.seqs("telemetry")
    assert seqs[0] == 291
    assert sorted(seqs) == list(range(1, 301))


def test_half_an_hour_of_backlog_fits_a_hundred_messages(bench: Bench, watch: Watch) -> None:
    for _ in range(9):
        bench.put(Stream.TELEMETRY, 2000)
    watch.now += 1
    bench.run()
    assert sorted(bench.wire.seqs("telemetry")) == list(range(1, 18_001))
    assert len(bench.wire.sent) < 110
    assert max(len(payload) for _, payload in bench.wire.sent) <= BATCH_BYTES


def test_a_flood_of_events_leaves_a_fifth_to_the_backlog(bench: Bench, watch: Watch) -> None:
    bench.put(Stream.TELEMETRY, 3900)
    bench.put(Stream.EVENTS, 3900)
    watch.now += 1
    for _ in range(26):
        bench.publisher.step()
    names = bench.wire.names()[1:]
    assert names.count("telemetry") >= len(names) // 5
    assert names.count("events") >= 3 * len(names) // 5


def test_what_the_cloud_has_beyond_a_gap_is_not_sent_again(bench: Bench, watch: Watch) -> None:
    bench.put(Stream.EVENTS, 9)
    bench.run()
    bench.publisher.committed(Stream.EVENTS, "boot-a", 2, (SeqRange(first_seq=5, last_seq=8),))
    bench.put(Stream.ACKS, 1)
    bench.wire.sent.clear()
    bench.wire.generation = 2
    bench.run()
    assert bench.wire.seqs("events") == [3, 4, 9]


def test_an_earlier_boots_records_go_out_under_its_own_id(tmp_path: Path, watch: Watch) -> None:
    first = Bench(tmp_path, "boot-a")
    first.put(Stream.TELEMETRY, 3)
    first.put(Stream.ACKS, 1)
    first.outbox.close()
    second = Bench(tmp_path, "boot-b")
    second.run()
    boots = {body_of(payload).get("boot_id") for _, payload in second.wire.sent[1:]}
    assert boots == {"boot-a"}
    assert second.wire.seqs("telemetry") == [1, 2, 3]
    second.outbox.close()


def test_no_more_than_the_window_is_in_flight(bench: Bench) -> None:
    bench.wire.answers = False
    for _ in range(3):
        bench.put(Stream.EVENTS, 4000)
    bench.run()
    assert len(bench.wire.open) == WINDOW + 1, "the hello is not counted"
    for done in bench.wire.open[:10]:
        done.set_result(None)
    bench.run()
    assert len(bench.wire.open) in (WINDOW + 10, WINDOW + 11)


def test_the_bucket_lets_through_its_rate_and_no_more() -> None:
    now = 0.0
    bucket = Bucket(90, 10_000, clock=lambda: now)
    passed = 0
    for tick in range(10_000):
        now = tick / 1000
        if bucket.ready():
            bucket.spend(10)
            passed += 1
    assert 90 * 10 <= passed <= 90 * 11
    bucket.spend(50_000)
    assert not bucket.ready()
