"""A command runs only when it is authentic, ours, fresh, in order and safe, and then at most once."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.commands import MAX_LIFE_S, SAFETY_INCREASING, AckState, Approval, Command, CommandAck
from contracts.errors import PlatformError
from contracts.telemetry import Stream
from contracts.vocabulary import CommandKind
from edge.aftermath import NOBODY_KNOWS
from edge.clock import WatchedClock, believable, by_gps
from edge.commands import CommandDesk
from edge.journal import Journal
from edge.pilot import Outcome
from edge.refusals import NoEffect, NotReady, Preempted
from edge.verification import BORN_SLACK, MAX_CLOCK_SKEW, Gate, Known, Nonces, admit
from tests.unit.edge.world import NOW, NOW_US, MemoryOutbox, SetClock, Signer, command, route

K = CommandKind


class Recipe:
    """An executor that does as it is told."""

    def __init__(self) -> None:
        self.flown: list[str] = []
        self.refusal: PlatformError | None = None
        self.lowered: list[str] = []
        self.failure: Exception | None = None
        self.outcome = Outcome.DONE
        self.during: Callable[[threading.Event], None] = lambda stop: None

    def lowers_margins(self, command: Command) -> list[str]:
        return self.lowered

    def check(self, command: Command) -> None:
        if self.refusal is not None:
            raise self.refusal

    def fly(self, command: Command, stop: threading.Event) -> Outcome:
        self.flown.append(command.command_id)
        self.during(stop)
        if stop.is_set():
            raise Preempted("A safety command took over.")
        if self.failure is not None:
            raise self.failure
        return self.outcome


class Bench:
    """A desk with everything around it."""

    def __init__(self, folder: Path, signer: Signer | None = None) -> None:
        self.folder = folder
        self.signer = signer or Signer(folder / "keys")
        self.outbox = MemoryOutbox()
        self.recipe = Recipe()
        self.alarms: list[str] = []
        self.settled = 0
        self.clock = SetClock()
        self.journal = Journal(folder / "journal.db", lambda: NOW_US)
        self.desk = CommandDesk(
            Gate("drone-1", folder / "keys"),
            self.journal,
            self.outbox,
            self.recipe,
            self.clock,
            lambda code, _detail: self.alarms.append(code),
        )

    def settle(self) -> None:
        self.settled += 1

    def deliver(self, sent: Command, *approvers: Signer) -> None:
        payload = sent.model_dump_json()
        approvals = tuple(approver.approve(payload) for approver in approvers)
        self.desk.receive(self.signer.sign(payload, approvals), self.settle)

    def approver(self, name: str) -> Signer:
        return Signer(self.folder / "keys" / "approvers", name)

    def deliver_raw(self, payload: bytes) -> None:
        self.desk.receive(payload, self.settle)

    def run(self) -> None:
        while self.desk.step():
            pass


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_good_command_is_journalled_before_it_is_settled_and_runs_once(bench: Bench) -> None:
    sent = command(K.TAKE_OFF)
    journalled: list[bool] = []
    bench.desk.receive(
        bench.signer.sign(sent.model_dump_json()),
        lambda: journalled.append(bench.journal.find(sent.command_id) is not None),
    )
    bench.run()
    assert journalled == [True]
    assert bench.recipe.flown == [sent.command_id]
    assert bench.outbox.acks() == [("acked", ""), ("executing", ""), ("done", "")]


def _nan_route(payload: str) -> str:
    data = json.loads(payload)
    data["route"]["waypoints"][0]["point"]["alt_m"] = float("nan")
    return json.dumps(data)


BAD: list[tuple[str, dict[str, Any], Callable[[str], str] | None, str]] = [
    ("another drone", {"drone_id": "drone-2"}, None, "wrong_drone"),
    ("expired", {"issued_at": NOW - timedelta(seconds=9), "not_after": NOW - timedelta(seconds=1)}, None, "expired"),
    ("valid for hours", {"not_after": NOW + timedelta(hours=1)}, None, "lives_too_long"),
    ("ends before it begins", {"not_after": NOW - timedelta(seconds=1)}, None, "lives_too_long"),
    (
        "older than the journal",
        {"issued_at": NOW - timedelta(seconds=6), "not_after": NOW + timedelta(seconds=9)},
        None,
        "replayed",
    ),
    (
        "from the future",
        {"issued_at": NOW + timedelta(hours=1), "not_after": NOW + timedelta(hours=1, seconds=9)},
        None,
        "clock_skew",
    ),
    ("another hash", {"route_hash": "0" * 64}, None, "route_hash_mismatch"),
    ("not a number", {}, _nan_route, "invalid_input"),
    ("no route", {}, lambda p: json.dumps({**json.loads(p), "route": None}), "invalid_input"),
    ("unknown field", {}, lambda p: json.dumps({**json.loads(p), "override_fence": True}), "invalid_input"),
]


@pytest.mark.parametrize(("changes", "twist", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_command_is_rejected_and_never_flown(
    bench: Bench, changes: dict[str, Any], twist: Callable[[str], str] | None, code: str
) -> None:
    payload = command(K.BEGIN_FLIGHT, **changes).model_dump_json()
    bench.deliver_raw(bench.signer.sign(twist(payload) if twist else payload))
    bench.run()
    assert bench.outbox.acks() == [("rejected", code)]
    assert bench.recipe.flown == []
    assert bench.settled == 1


@pytest.mark.parametrize("how", ["other key", "unknown key id", "climbing key id", "changed payload", "cut signature"])
def test_a_forged_command_is_refused_and_the_real_one_still_runs(bench: Bench, tmp_path: Path, how: str) -> None:
    real = command(K.TAKE_OFF)
    forger = Signer(tmp_path / "elsewhere", "k1")
    sent = json.loads(bench.signer.sign(real.model_dump_json()))
    match how:
        case "other key":
            sent = json.loads(forger.sign(real.model_dump_json()))
        case "unknown key id":
            sent["key_id"] = "k9"
        case "climbing key id":
            sent["key_id"] = "../elsewhere/k1"
        case "changed payload":
            sent["payload"] = sent["payload"].replace('"altitude_m":10.0', '"altitude_m":99.0')
        case _:
            sent["signature_b64"] = "A" * 88
    bench.deliver_raw(json.dumps(sent).encode())
    bench.run()
    assert bench.outbox.acks() == [("rejected", "bad_signature")]
    assert bench.alarms == ["bad_signature"]
    bench.deliver(real)
    bench.run()
    assert bench.recipe.flown == [real.command_id]


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff\xfe", b"x" * 130_000], ids=["empty", "bare", "bytes", "huge"])
def test_rubbish_is_settled_and_raises_an_alarm(bench: Bench, payload: bytes) -> None:
    bench.deliver_raw(payload)
    assert bench.settled == 1
    assert bench.alarms == ["invalid_input"]
    assert bench.outbox.acks() == []


def test_a_repeated_delivery_repeats_the_answer_only(bench: Bench) -> None:
    sent = command(K.TAKE_OFF)
    for _ in range(3):
        bench.deliver(sent)
        bench.run()
    assert bench.recipe.flown == [sent.command_id]
    assert bench.outbox.acks()[-2:] == [("done", ""), ("done", "")]
    assert bench.settled == 3


def test_a_lower_sequence_is_a_replay_also_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    bench.deliver(command(K.TAKE_OFF, seq=5))
    bench.run()
    again = Bench(tmp_path, bench.signer)
    again.deliver(command(K.RESUME, seq=4))
    again.run()
    assert again.outbox.acks() == [("rejected", "replayed")]


@pytest.mark.parametrize("kind", sorted(SAFETY_INCREASING))
def test_safety_commands_ignore_the_sequence(bench: Bench, kind: CommandKind) -> None:
    bench.deliver(command(K.TAKE_OFF, seq=5))
    bench.deliver(command(kind, seq=1))
    bench.run()
    assert bench.outbox.acks()[-1] == ("done", "")


def test_a_refused_command_uses_up_no_sequence_number(bench: Bench) -> None:
    bench.recipe.refusal = NotReady("Not now.", hint="Later.")
    bench.deliver(command(K.TAKE_OFF, seq=9))
    bench.recipe.refusal = None
    bench.deliver(command(K.RESUME, seq=3))
    bench.run()
    assert [state for state, _ in bench.outbox.acks()] == ["rejected", "acked", "executing", "done"]


def test_a_safety_command_takes_over_at_once(bench: Bench) -> None:
    first, waiting, home = command(K.TAKE_OFF, 1), command(K.RESUME, 2), command(K.RETURN_HOME, 3)

    def interrupt(stop: threading.Event) -> None:
        if bench.recipe.flown == [first.command_id]:
            bench.deliver(waiting)
            bench.deliver(home)
            assert stop.is_set()

    bench.recipe.during = interrupt
    bench.deliver(first)
    bench.run()
    assert bench.recipe.flown == [first.command_id, home.command_id]
    states = {entry.command_id: (entry.state, entry.code) for entry in _entries(bench, first, waiting, home)}
    assert states[first.command_id] == (AckState.FAILED, "preempted")
    assert states[waiting.command_id] == (AckState.FAILED, "preempted")
    assert states[home.command_id] == (AckState.DONE, "")


def _entries(bench: Bench, *sent: Command) -> list[Any]:
    return [bench.journal.find(one.command_id) for one in sent]


def test_a_failure_says_why(bench: Bench) -> None:
    bench.recipe.failure = NoEffect("No arming within 3 s.")
    bench.deliver(command(K.TAKE_OFF))
    bench.run()
    assert bench.outbox.acks()[-1] == ("failed", "no_effect")


def test_what_waits_too_long_on_the_drone_is_not_flown(bench: Bench) -> None:
    bench.deliver(command(K.TAKE_OFF))
    bench.clock.wait(11)
    bench.run()
    assert bench.recipe.flown == []
    assert bench.outbox.acks()[-1] == ("failed", "expired")


CRASHES = [
    (K.TAKE_OFF, AckState.ACKED, 0, [], AckState.UNKNOWN),
    (K.TAKE_OFF, AckState.EXECUTING, 0, [], AckState.UNKNOWN),
    (K.RETURN_HOME, AckState.ACKED, 0, ["cmd-return-home-1"], AckState.DONE),
    (K.RETURN_HOME, AckState.EXECUTING, 61, [], AckState.UNKNOWN),
    (K.BEGIN_FLIGHT, AckState.EXECUTING, 60, [], AckState.EXECUTING),
]


@pytest.mark.parametrize(("kind", "state", "later_s", "flown", "ends"), CRASHES)
def test_after_a_crash_only_safety_commands_run_again(
    tmp_path: Path, kind: CommandKind, state: AckState, later_s: int, flown: list[str], ends: AckState
) -> None:
    sent = command(kind)
    before = Bench(tmp_path)
    entry = before.journal.accept(sent, sent.model_dump_json())
    before.journal.advance(entry._replace(state=state))
    after = Bench(tmp_path, before.signer)
    after.clock.wait(later_s)
    after.desk.recover(lambda left: None if left.kind is K.BEGIN_FLIGHT else NOBODY_KNOWS)
    after.run()
    assert after.recipe.flown == flown
    found = after.journal.find(sent.command_id)
    assert found is not None
    assert found.state is ends


def test_recovery_leaves_commands_of_this_run_alone(bench: Bench) -> None:
    bench.deliver(command(K.TAKE_OFF))
    bench.desk.recover(lambda _left: NOBODY_KNOWS)
    bench.run()
    assert bench.outbox.acks()[-1] == ("done", "")


def test_the_flown_route_is_the_signed_one(bench: Bench) -> None:
    sent = command(K.BEGIN_FLIGHT)
    bench.deliver(sent)
    entry = bench.journal.find(sent.command_id)
    assert entry is not None
    assert entry.command.route == route()
    assert entry.command.route is not None
    assert entry.command.route.content_hash() == sent.route_hash


def test_a_new_epoch_begins_the_numbering_anew(bench: Bench) -> None:
    bench.deliver(command(K.TAKE_OFF, seq=50))
    bench.deliver(command(K.RESUME, seq=1, epoch=2))
    bench.deliver(command(K.TAKE_OFF, seq=51))
    bench.run()
    assert [state for state, _ in bench.outbox.acks() if state in ("acked", "rejected")] == [
        "acked",
        "acked",
        "rejected",
    ]
    assert bench.journal.last_order() == (2, 1)


def test_an_untrusted_clock_takes_a_nonce_once_and_soon(bench: Bench) -> None:
    bench.clock.good = False
    bench.clock.utc = NOW - timedelta(days=20000)
    asked = command(K.TAKE_OFF)
    bench.deliver(asked)
    nonce = _nonce(bench)
    assert bench.outbox.acks() == [("rejected", "clock_untrusted")]
    bench.deliver(asked.model_copy(update={"nonce": nonce}))
    bench.run()
    assert bench.recipe.flown == [asked.command_id]
    bench.deliver(command(K.RESUME, seq=2, nonce=nonce))
    assert bench.outbox.acks()[-1] == ("rejected", "clock_untrusted"), "used up"
    late = _nonce(bench)
    bench.clock.wait(31)
    bench.deliver(command(K.RESUME, seq=3, nonce=late))
    assert bench.outbox.acks()[-1] == ("rejected", "clock_untrusted"), "too late"
    assert bench.recipe.flown == [asked.command_id]


def _nonce(bench: Bench) -> str:
    last = bench.outbox.records[Stream.ACKS][-1]
    assert isinstance(last, CommandAck)
    assert last.nonce is not None
    return last.nonce


@pytest.mark.parametrize("kind", sorted(SAFETY_INCREASING))
def test_safety_commands_need_no_clock(bench: Bench, kind: CommandKind) -> None:
    bench.clock.good = False
    bench.clock.utc = NOW + timedelta(days=1)
    bench.deliver(command(kind))
    bench.run()
    assert bench.outbox.acks()[-1] == ("done", "")


def test_a_clock_set_back_makes_no_waiting_command_valid_for_longer(bench: Bench) -> None:
    bench.deliver(command(K.TAKE_OFF))
    bench.clock.wait(11)
    bench.clock.utc = NOW
    bench.run()
    assert bench.recipe.flown == []


def test_lowering_a_margin_takes_two_different_people(bench: Bench) -> None:
    bench.recipe.lowered = ["battery_reserve_percent 20 -> 10"]
    olga, ivan = bench.approver("olga"), bench.approver("ivan")
    shutil.copy(bench.folder / "keys/approvers/olga.pem", bench.folder / "keys/approvers/olga-again.pem")
    again = Signer.__new__(Signer)
    again.key, again.key_id = olga.key, "olga-again"
    stranger = Signer(bench.folder / "elsewhere", "eve")
    for seq, people in enumerate(
        [(), (olga,), (olga, olga), (olga, again), (olga, stranger), (stranger, bench.signer)]
    ):
        bench.deliver(command(K.SET_LIMITS, seq=seq + 1), *people)
        assert bench.outbox.acks()[-1] == ("rejected", "not_approved"), people
    bench.deliver(command(K.SET_LIMITS, seq=9), olga, ivan)
    bench.run()
    assert bench.outbox.acks()[-1] == ("done", "")


def test_an_approval_of_another_command_does_not_count(bench: Bench) -> None:
    bench.recipe.lowered = ["standoff"]
    olga, ivan = bench.approver("olga"), bench.approver("ivan")
    sent, other = command(K.SET_LIMITS, seq=1).model_dump_json(), command(K.SET_LIMITS, seq=2).model_dump_json()
    as_command = Approval(key_id="olga", signature_b64=json.loads(olga.sign(sent))["signature_b64"])
    for pair in ((olga.approve(sent), ivan.approve(other)), (as_command, ivan.approve(sent))):
        bench.deliver_raw(bench.signer.sign(sent, pair))
        assert bench.outbox.acks()[-1] == ("rejected", "not_approved")


_times = st.floats(-200, 200).map(lambda s: NOW + timedelta(seconds=round(s, 3)))


@given(
    kind=st.sampled_from(CommandKind),
    drone=st.sampled_from(["drone-1", "drone-2"]),
    seq=st.integers(1, 12),
    epoch=st.integers(1, 3),
    issued=_times,
    life_s=st.floats(0.1, 700).map(lambda s: round(s, 3)),
    trusted=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_the_rejection_table(
    kind: CommandKind, drone: str, seq: int, epoch: int, issued: datetime, life_s: float, trusted: bool
) -> None:
    """Whatever comes: it is admitted exactly when every rule of the table is kept."""
    sent = command(
        kind, seq, drone_id=drone, epoch=epoch, issued_at=issued, not_after=issued + timedelta(seconds=life_s)
    )
    known = Known(NOW, trusted, (2, 6), NOW - timedelta(seconds=100))
    safe = kind in SAFETY_INCREASING
    rules = [
        drone == "drone-1",
        life_s <= MAX_LIFE_S[kind],
        safe or trusted,
        not trusted or sent.not_after >= NOW,
        not trusted or issued <= NOW + MAX_CLOCK_SKEW,
        safe or issued >= NOW - timedelta(seconds=100) - BORN_SLACK,
        safe or (epoch, seq) > (2, 6),
    ]
    try:
        admit(sent, "drone-1", known, Nonces(), 0.0)
        admitted = True
    except PlatformError:
        admitted = False
    assert admitted == all(rules)


@pytest.mark.parametrize(
    ("now_s", "known_s", "stepped_s", "gps_offset_s", "believed"),
    [
        (2e9, 2e9, 0.0, None, True),
        (0.0, 0.0, 0.0, None, False),
        (2e9, 2e9 + 3600, 0.0, None, False),
        (2e9, 2e9 + 3600, 0.0, 0.4, True),
        (2e9, 1e9, 86_400.0, None, False),
        (2e9, 1e9, 86_400.0, -1.0, True),
        (2e9, 1e9, 0.0, 3600.0, False),
    ],
    ids=[
        "sound",
        "1970",
        "ran back an hour",
        "GPS knows better",
        "stepped a day",
        "NTP step, GPS agrees",
        "GPS disagrees",
    ],
)
def test_when_a_clock_is_believed(
    now_s: float, known_s: float, stepped_s: float, gps_offset_s: float | None, believed: bool
) -> None:
    assert believable(now_s, known_s, stepped_s, gps_offset_s) is believed


def test_the_watched_clock_believes_the_present_and_not_a_journal_from_tomorrow() -> None:
    now_us = time.time_ns() // 1000
    assert WatchedClock(lambda: None, lambda: now_us).trusted()
    assert not WatchedClock(lambda: None, lambda: now_us + 86_400_000_000).trusted()


@pytest.mark.parametrize(("offset_s", "shift_s"), [(None, 0.0), (0.4, 0.0), (-29.0, 0.0), (86_400.0, 86_400.0)])
def test_what_is_told_bears_gps_time_where_the_clock_is_far_from_it(offset_s: float | None, shift_s: float) -> None:
    assert by_gps(NOW, offset_s) == NOW + timedelta(seconds=shift_s)
    clock = WatchedClock(lambda: offset_s, lambda: 0)
    assert abs(clock.now() - by_gps(datetime.now(UTC), offset_s)) < timedelta(seconds=1)
