"""Messages into a real database: once in effect, gaps held, poison put aside, nothing lost on a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from cloud import fleet, flights
from cloud.ingest import Ingest, Received
from cloud.planning import plans
from cloud.planning.pattern import BladesParams
from cloud.planning.wishes import PlanRequest
from cloud.services import Services
from cloud.tables import CommandRow, DeadLetter, Drone, DroneEventRow, Flight, Telemetry
from contracts import columns
from contracts.commands import AckBatch, AckState, CommandAck
from contracts.events import DroneEvent, DroneEventKind, EventBatch
from contracts.ids import mint
from contracts.telemetry import DroneStatus, LostRange, Stream, TelemetryBatch, Watermark
from contracts.topics import ACKS, EVENTS, STATUS, TELEMETRY, WATERMARKS
from contracts.vocabulary import AircraftState, Blade, CommandKind
from tests import platform
from tests.platform import Wire, telemetry
from tests.services import DatabaseServer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOPIC = TELEMETRY.of("kite-01")


@dataclass
class Clock:
    at_s: float = 1000.0

    def __call__(self) -> float:
        return self.at_s


@dataclass
class Bench:
    """An ingest over a real database and a wire in memory."""

    services: Services
    wire: Wire = field(default_factory=Wire)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.ingest = Ingest(self.services.database, self.wire, now_s=self.clock)

    def take(self, *payloads: bytes, topic: str = TOPIC) -> None:
        for payload in payloads:
            self.wire.offer(topic, payload)
        platform.drain(self.ingest.step)
        self.clock.at_s += 1.0
        self.ingest.step()

    def marks(self, stream: str = "telemetry", boot_id: str = "boot-1") -> list[int]:
        sent = [Watermark.model_validate_json(p) for t, p in self.wire.sent if t == WATERMARKS.of("kite-01")]
        return [mark.seq for mark in sent if (mark.stream, mark.boot_id) == (stream, boot_id)]

    def last_mark(self) -> Watermark:
        return Watermark.model_validate_json(self.wire.sent[-1][1])

    def count(self, table: type) -> int:
        with self.services.database.session() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
def bench(postgres_server: DatabaseServer) -> Iterator[Bench]:
    with postgres_server.database(migrated=True) as url:
        services = platform.build(url)
        platform.stock(services)
        yield Bench(services)
        services.database.close()


def batch_of(model: BaseModel) -> bytes:
    return model.model_dump_json().encode()


def event(seq: int, kind: DroneEventKind, **more: object) -> DroneEvent:
    return DroneEvent.model_validate({"seq": seq, "kind": kind, "at": NOW, **more})


def events(*items: DroneEvent) -> bytes:
    return batch_of(EventBatch(drone_id="kite-01", boot_id="boot-1", events=items))


def tombstone(first_seq: int, last_seq: int, boot_id: str = "boot-1", kept_every: int = 0) -> DroneEvent:
    lost = LostRange(
        boot_id=boot_id, stream=Stream.TELEMETRY, first_seq=first_seq, last_seq=last_seq, kept_every=kept_every
    )
    return event(1, DroneEventKind.RECORDS_LOST, code="telemetry", lost=lost)


def test_samples_are_stored_and_the_watermark_follows(bench: Bench) -> None:
    bench.take(telemetry(1, 20), telemetry(21, 30))
    assert bench.count(Telemetry) == 30
    assert bench.marks() == [30]
    assert bench.wire.acknowledged == 2


def test_a_replay_changes_no_row(bench: Bench) -> None:
    bench.take(telemetry(1, 20))
    with bench.services.database.session() as session:
        before = session.execute(text("SELECT seq, xmin::text, received_at FROM telemetry ORDER BY seq")).all()
    bench.take(telemetry(1, 20), telemetry(5, 15))
    with bench.services.database.session() as session:
        after = session.execute(text("SELECT seq, xmin::text, received_at FROM telemetry ORDER BY seq")).all()
    assert before == after
    assert bench.marks() == [20, 20], "the drone is told again: it may have missed the first word"


def test_a_gap_holds_the_watermark_until_it_is_filled(bench: Bench) -> None:
    bench.take(telemetry(11, 20))
    assert bench.marks() == [0]
    bench.take(telemetry(1, 9))
    assert bench.marks()[-1] == 9
    bench.take(telemetry(10, 10))
    assert bench.marks()[-1] == 20


def test_records_reported_lost_close_a_gap(bench: Bench) -> None:
    bench.take(telemetry(11, 20))
    bench.take(events(tombstone(1, 10)), topic=EVENTS.of("kite-01"))
    assert bench.marks()[-1] == 20


def test_a_tombstone_of_another_boot_closes_nothing(bench: Bench) -> None:
    bench.take(telemetry(11, 20))
    bench.take(events(tombstone(1, 10, boot_id="boot-0")), topic=EVENTS.of("kite-01"))
    assert bench.marks() == [0]


def test_of_thinned_records_the_kept_ones_are_still_waited_for(bench: Bench) -> None:
    bench.take(events(tombstone(1, 25, kept_every=10)), topic=EVENTS.of("kite-01"))
    assert bench.marks()[-1] == 9
    bench.take(telemetry(20, 20), telemetry(26, 30))
    assert bench.marks()[-1] == 9
    bench.take(telemetry(10, 10))
    assert bench.marks()[-1] == 30


def test_what_is_stored_beyond_a_gap_is_told_too(bench: Bench) -> None:
    bench.take(telemetry(5, 9), telemetry(12, 12))
    mark = bench.last_mark()
    assert (mark.seq, [(r.first_seq, r.last_seq) for r in mark.above]) == (0, [(5, 9), (12, 12)])
    bench.take(telemetry(1, 4))
    mark = bench.last_mark()
    assert (mark.seq, [(r.first_seq, r.last_seq) for r in mark.above]) == (9, [(12, 12)])


def test_packed_columns_store_the_same_rows_as_json(bench: Bench) -> None:
    batch = TelemetryBatch.model_validate_json(telemetry(1, 20))
    rows = [json.loads(sample.model_dump_json(exclude_none=True)) for sample in batch.samples]
    bench.take(columns.pack("kite-01", "boot-1", rows[:10]), telemetry(11, 20), columns.pack("kite-01", "boot-1", rows))
    assert bench.count(Telemetry) == 20
    assert bench.marks()[-1] == 20
    with bench.services.database.session() as session:
        stored = session.scalars(select(Telemetry).order_by(Telemetry.seq)).all()
        for row, sample in zip(stored, batch.samples, strict=True):
            assert (row.captured_at, row.lat_deg, row.battery_v) == (
                sample.captured_at,
                sample.lat_deg,
                sample.battery_v,
            )


def packed(*changes: dict[str, object]) -> bytes:
    """Return a packed message of samples that differ by ``changes``, numbered from 1 unless they say otherwise."""
    model = json.loads(telemetry(1, 1))["samples"][0]
    return columns.pack("kite-01", "boot-1", [model | {"seq": seq} | more for seq, more in enumerate(changes, 1)])


def test_every_value_comes_out_as_it_was_sent(bench: Bench) -> None:
    sent: list[dict[str, object]] = [
        {"lat_deg": -90.0, "lon_deg": 0.1 + 0.2, "alt_m": 1e-30, "yaw_deg": -0.0, "waypoint": None},
        {"lat_deg": 5e-324, "waypoint": 2**31 - 1, "wind_mps": None, "flight_id": None, "clock": "free"},
        {
            "alt_m": 1.7976931348623157e308,
            "monotonic_ms": 2**62,
            "wind_mps": 0.1,
            "flight_id": "flt-9",
            "state": "paused",
        },
        {"captured_at": "1970-01-01T00:00:00.000001Z", "link_percent": 99.9, "waypoint": 0, "seq": 2**60},
    ]
    bench.take(telemetry(1, 1), packed(*sent))  # the first is known from here on, the rest goes both ways
    bench.take(packed({"seq": 5}), packed({"seq": 6, "wind_from_deg": 359.95, "captured_at": "9999-12-31T23:59:59Z"}))
    with bench.services.database.session() as session:
        stored = {row.seq: row for row in session.scalars(select(Telemetry))}
    for seq, change in zip((2, 3, 2**60), sent[1:], strict=True):
        for name, value in change.items():
            found = getattr(stored[seq], name)
            assert found == (datetime.fromisoformat(str(value)) if name == "captured_at" else value), name
    assert stored[6].wind_from_deg == 359.95
    assert stored[6].captured_at.year == 9999


UNTOLD: dict[str, Any] = {"battery_percent": None, "battery_v": None}


@pytest.mark.parametrize("known", [False, True], ids=["by the staging table", "straight into the table"])
def test_a_charge_that_is_not_told_is_stored_as_unknown(bench: Bench, known: bool) -> None:
    if known:
        bench.take(telemetry(1, 1))
    bench.take(
        packed(*({"seq": seq, **UNTOLD} for seq in (2, 3))),
        packed({"seq": 4}, {"seq": 5, "battery_percent": None}),
        platform.message([platform.sample(6, **UNTOLD), platform.sample(7, battery_percent=0.0, battery_v=0.0)]),
    )
    with bench.services.database.session() as session:
        rows = session.execute(select(Telemetry.seq, Telemetry.battery_percent, Telemetry.battery_v)).all()
    stored = {seq: (percent, volts) for seq, percent, volts in rows if seq > 1}
    unknown, told = (None, None), (80.0, 22.2)
    assert stored == {2: unknown, 3: unknown, 4: told, 5: (None, 22.2), 6: unknown, 7: (0.0, 0.0)}
    assert bench.count(DeadLetter) == 0


@pytest.mark.parametrize("known", [False, True], ids=["by the staging table", "straight into the table"])
def test_a_number_its_column_does_not_hold_is_put_aside_alone(bench: Bench, known: bool) -> None:
    if known:
        bench.take(telemetry(1, 1))
    bench.take(telemetry(2, 5), packed({"seq": 6, "waypoint": 2**31}), telemetry(7, 9))
    with bench.services.database.session() as session:
        assert "A sample cannot be stored" in session.scalars(select(DeadLetter.reason)).one()
    assert bench.count(Telemetry) == 7 + known


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_any_order_and_repetition_ends_the_same(bench: Bench, order: list[int]) -> None:
    boot_id = mint("boot")
    for number in order:
        bench.take(telemetry(number * 2 - 1, number * 2, boot_id=boot_id))
    arrived = {seq for number in order for seq in (number * 2 - 1, number * 2)}
    contiguous = next(seq for seq in range(30) if seq + 1 not in arrived)
    with bench.services.database.session() as session:
        stored = set(session.scalars(select(Telemetry.seq).where(Telemetry.boot_id == boot_id)))
    assert stored == arrived
    assert bench.marks(boot_id=boot_id)[-1] == contiguous


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (TOPIC, b"{not json", "Invalid JSON"),
        (TOPIC, b"\xff\x00\xfe", "Invalid JSON"),
        (TOPIC, telemetry(1, 2, drone_id="kite-02"), "another drone|carries a message of drone 'kite-02'"),
        (TOPIC, b" " * 200_000, "over 128000"),
        (TELEMETRY.of("ghost-01"), telemetry(1, 2, drone_id="ghost-01"), "No drone 'ghost-01'"),
        ("kestrel/v1/drones/kite-01/gossip", b"{}", "No message is defined"),
        (TOPIC, telemetry(1, 1).replace(b'"lat_deg":54.9', b'"lat_deg":NaN'), "lat_deg|JSON"),
    ],
    ids=["malformed", "binary", "wrong-drone", "oversize", "unknown-drone", "unknown-topic", "nan"],
)
def test_poison_is_put_aside_and_its_neighbours_are_stored(
    bench: Bench, topic: str, payload: bytes, reason: str
) -> None:
    bench.wire.offer(TOPIC, telemetry(1, 5))
    bench.wire.offer(topic, payload)
    bench.wire.offer(TOPIC, telemetry(6, 10))
    bench.take()
    assert bench.count(Telemetry) == 10
    with bench.services.database.session() as session:
        letter = session.scalars(select(DeadLetter)).one()
    assert any(part in letter.reason for part in reason.split("|")), letter.reason
    assert len(letter.payload) <= 4000
    assert bench.wire.acknowledged == 3, "a poison message must not come again and again"


def test_an_unregistered_drone_fills_one_letter_and_is_heard_once_registered(bench: Bench) -> None:
    topic = TELEMETRY.of("ghost-01")
    for number in range(1, 6):
        bench.take(telemetry(number, number, drone_id="ghost-01"), topic=topic)
    assert (bench.count(DeadLetter), bench.count(Telemetry)) == (1, 0)
    with bench.services.database.session() as session:
        session.add(Drone(drone_id="ghost-01", site_id="north", name="Ghost", camera=platform.CAMERA))
    bench.take(telemetry(1, 5, drone_id="ghost-01"), topic=topic)
    assert bench.count(Telemetry) == 5


def test_what_only_the_database_refuses_is_put_aside_alone(bench: Bench) -> None:
    poison = events(event(1, DroneEventKind.SAFETY, detail="nul \x00 inside"))
    bench.wire.offer(TOPIC, telemetry(1, 5))
    bench.wire.offer(EVENTS.of("kite-01"), poison)
    bench.take(telemetry(6, 9))
    assert bench.count(Telemetry) == 9
    assert bench.count(DeadLetter) == 1
    assert bench.count(DroneEventRow) == 0


def test_nothing_is_acknowledged_before_it_is_committed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[Watermark]:
        with bench.services.database.session() as session:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        raise AssertionError("the session above must fail")

    with monkeypatch.context() as broken:
        broken.setattr("cloud.watermarks.advance", refuse)
        bench.wire.offer(TOPIC, telemetry(1, 5))
        assert bench.ingest.step() is False
        assert (bench.count(Telemetry), bench.wire.acknowledged) == (0, 0)
    assert bench.ingest.step() is True, "the held message is stored once the database is back"
    assert (bench.count(Telemetry), bench.wire.acknowledged) == (5, 1)


def test_a_process_killed_after_commit_changes_nothing_when_messages_come_again(bench: Bench) -> None:
    bench.wire.offer(TOPIC, telemetry(1, 5))
    bench.ingest.step()
    bench.restart()
    bench.take(telemetry(1, 5), telemetry(6, 8))
    assert bench.count(Telemetry) == 8
    assert bench.marks()[-1] == 8


def test_what_another_process_has_stored_meanwhile_changes_nothing(bench: Bench) -> None:
    """This one copies straight into the table what it takes to be new, and is wrong."""
    bench.take(telemetry(1, 5))
    other = Bench(bench.services)
    other.take(telemetry(6, 10))
    bench.take(telemetry(6, 8), telemetry(9, 12), b"{not json", telemetry(13, 14))
    assert bench.count(Telemetry) == 14
    assert bench.count(DeadLetter) == 1
    assert bench.marks()[-1] == 14


def test_a_long_outage_comes_in_messages_of_two_hundred(bench: Bench) -> None:
    for first in range(1, 1001, 200):
        bench.take(telemetry(first, first + 199))
    assert bench.count(Telemetry) == 1000
    assert bench.marks()[-1] == 1000


def test_one_refused_message_among_many_is_found_by_halves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    write = Ingest._write

    def counted(self: Ingest, session: Session, messages: Sequence[Received]) -> object:
        nonlocal tried
        tried += 1
        return write(self, session, messages)

    monkeypatch.setattr(Ingest, "_write", counted)
    for seq in range(1, 64):
        bench.wire.offer(TOPIC, telemetry(seq, seq))
    bench.take(events(event(1, DroneEventKind.SAFETY, detail="nul \x00 inside")), topic=EVENTS.of("kite-01"))
    assert (bench.count(Telemetry), bench.count(DeadLetter)) == (63, 1)
    assert tried <= 14, "64 messages: six halvings"


def test_a_watermark_that_could_not_be_sent_is_sent_later(bench: Bench) -> None:
    bench.wire.connected = False
    bench.take(telemetry(1, 5))
    assert bench.marks() == []
    bench.wire.connected = True
    bench.clock.at_s += 1
    bench.ingest.step()
    assert bench.marks() == [5]


def begun(bench: Bench) -> tuple[str, str]:
    """Return (flight id, command id) of an approved flight that was told to begin."""
    with bench.services.database.session() as session:
        made = _plan(bench, session)
        row = flights.create(session, plan_id=made, version=1, drone_id="kite-01", by="operator")
        flights.approve(session, row.flight_id, "operator", checks=())
        command = fleet.issue_command(
            session, flight=row, drone_id="kite-01", kind=CommandKind.BEGIN_FLIGHT, issuer="operator"
        )
        return row.flight_id, command.command_id


def _plan(bench: Bench, session: Session) -> str:
    wanted = PlanRequest(asset_id="wt-01", params=BladesParams(blades=(Blade.A,)))
    [row] = plans.create(session, bench.services.routes, wanted, "operator")
    return row.plan_id


def acks(*items: CommandAck) -> bytes:
    return batch_of(AckBatch(drone_id="kite-01", boot_id="boot-1", acks=items))


def test_reports_move_the_command_forward_only(bench: Bench) -> None:
    _, command_id = begun(bench)

    def ack(seq: int, state: AckState) -> CommandAck:
        return CommandAck(seq=seq, command_id=command_id, state=state, at=NOW)

    bench.take(acks(ack(2, AckState.EXECUTING)), topic=ACKS.of("kite-01"))
    bench.take(acks(ack(1, AckState.ACKED), ack(2, AckState.EXECUTING)), topic=ACKS.of("kite-01"))
    assert _command(bench, command_id).state == "executing"
    bench.take(acks(ack(3, AckState.DONE)), topic=ACKS.of("kite-01"))
    assert _command(bench, command_id).state == "done"
    assert bench.marks("acks")[-1] == 3


def test_a_late_result_reconciles_an_expired_command(bench: Bench) -> None:
    _, command_id = begun(bench)
    with bench.services.database.session() as session:
        row = session.get_one(CommandRow, command_id)
        row.state = "sent"
        assert fleet.expire(session, row.not_after) == 0, "the drone has some seconds to answer"
    with bench.services.database.session() as session:
        assert fleet.expire(session, datetime(2027, 1, 1, tzinfo=UTC)) == 1
    assert _command(bench, command_id).state == "expired"
    bench.take(acks(CommandAck(seq=1, command_id=command_id, state=AckState.DONE, at=NOW)), topic=ACKS.of("kite-01"))
    assert _command(bench, command_id).state == "done"


def _command(bench: Bench, command_id: str) -> CommandRow:
    with bench.services.database.session() as session:
        return session.get_one(CommandRow, command_id)


def _flight(bench: Bench, flight_id: str) -> Flight:
    with bench.services.database.session() as session:
        return session.get_one(Flight, flight_id)


def test_events_take_a_flight_from_the_ground_to_complete(bench: Bench) -> None:
    flight_id, _ = begun(bench)

    def tell(seq: int, kind: DroneEventKind, second: int, **more: object) -> str:
        at = NOW.replace(second=second)
        one = event(seq, kind, at=at, flight_id=flight_id, **more)
        bench.take(events(one), topic=EVENTS.of("kite-01"))
        return _flight(bench, flight_id).state

    assert tell(1, DroneEventKind.FLIGHT_STARTED, 1) == "flying"
    assert tell(2, DroneEventKind.WAYPOINT_REACHED, 2, waypoint=4) == "flying"
    assert tell(4, DroneEventKind.STATE_CHANGED, 6, state=AircraftState.ON_ROUTE) == "flying"
    assert tell(3, DroneEventKind.STATE_CHANGED, 5, state=AircraftState.PAUSED) == "flying", "a later one was first"
    assert tell(5, DroneEventKind.STATE_CHANGED, 7, state=AircraftState.RETURNING) == "returning"
    assert tell(6, DroneEventKind.FLIGHT_ENDED, 8, expected_segments=0) == "complete"
    assert tell(7, DroneEventKind.STATE_CHANGED, 9, state=AircraftState.ON_ROUTE) == "complete"
    done = _flight(bench, flight_id)
    assert (done.waypoint, done.expected_segments) == (4, 0)
    assert done.started_at is not None
    assert done.landed_at is not None


def test_a_waypoint_shows_a_flight_flying_before_its_start_has_arrived(bench: Bench) -> None:
    flight_id, _ = begun(bench)
    first, later = NOW.replace(second=1), NOW.replace(second=9)
    reached = event(2, DroneEventKind.WAYPOINT_REACHED, at=later, flight_id=flight_id, waypoint=0)
    bench.take(events(reached), topic=EVENTS.of("kite-01"))
    assert _flight(bench, flight_id).state == "flying"
    started = event(1, DroneEventKind.FLIGHT_STARTED, at=first, flight_id=flight_id)
    bench.take(events(started), topic=EVENTS.of("kite-01"))
    assert _flight(bench, flight_id).started_at == first


def test_the_will_of_an_earlier_boot_does_not_hide_the_drone(bench: Bench) -> None:
    def status(boot_id: str, *, online: bool) -> bytes:
        return batch_of(
            DroneStatus(drone_id="kite-01", boot_id=boot_id, online=online, at=datetime.now(UTC), agent_version="1")
        )

    def is_online() -> bool:
        with bench.services.database.session() as session:
            return session.get_one(Drone, "kite-01").online

    bench.take(status("boot-2", online=True), status("boot-1", online=False), topic=STATUS.of("kite-01"))
    assert is_online()
    bench.take(status("boot-2", online=False), topic=STATUS.of("kite-01"))
    assert not is_online()
