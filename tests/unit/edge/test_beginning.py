"""A flight broken off while it begins: the aircraft obeys at once, and what is told of the flight is what happened."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.commands import AckState
from contracts.events import DroneEventKind
from contracts.vocabulary import CommandKind
from edge.aircraft import Landed, MissionState
from edge.backends.mavlink_transfer import MISSION, Transfer
from edge.beginning import VERDICTS, End, Verdict, end_of
from edge.commands import CommandDesk
from edge.flights import Flights, Phase
from edge.itinerary import itinerary_of
from edge.journal import Journal
from edge.mission import LOST_AFTER_S
from edge.monitor import Monitor, Surroundings
from edge.refusals import AutopilotRefused, AutopilotSilent, NoEffect, Preempted
from edge.verification import Gate
from tests.unit.edge.test_pilot import FENCED, Bench
from tests.unit.edge.world import (
    HOME,
    NOW_US,
    Announcements,
    MemoryOutbox,
    SetClock,
    Signer,
    aircraft,
    command,
    flight,
    in_flight,
    route,
    waypoint,
)

K = CommandKind
E = DroneEventKind
STEPS = (FENCED, "upload 12", "GUIDED", "arm", "take off", "AUTO", "start")
"""What a beginning on the ground does on the autopilot, in order."""
TAKES_OFF = STEPS.index("take off")
INTERRUPTIONS = (K.PAUSE, K.HOLD, K.RETURN_HOME, K.LAND)


@pytest.mark.parametrize(("in_air", "end"), [*itertools.product((False, True), End)])
def test_every_end_has_its_verdict_and_nothing_is_abandoned_that_may_fly_its_mission(in_air: bool, end: End) -> None:
    verdict = VERDICTS[in_air, end]
    assert (verdict is Verdict.NOTHING_FLEW) is not in_air
    if in_air and end is not End.FAILED:
        assert verdict is Verdict.HAS_BEGUN


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (Preempted("x"), End.BROKEN_OFF),
        (AutopilotSilent("x"), End.SILENT),
        (AutopilotRefused("x"), End.FAILED),
        (NoEffect("x"), End.FAILED),
    ],
)
def test_how_a_beginning_ended_is_read_off_its_error(error: Any, end: End) -> None:
    assert end_of(error) is end


class Station(Bench):
    """The whole way of a command on a few lines of autopilot: desk, pilot, monitor."""

    def __init__(self, folder: Path, start: Any = None) -> None:
        super().__init__(folder, start or aircraft())
        self.signer, self.outbox, self.told = Signer(folder / "keys"), MemoryOutbox(), Announcements()
        self.journal = Journal(folder / "journal.db", lambda: NOW_US)
        gate = Gate("drone-1", folder / "keys")
        self.desk = CommandDesk(gate, self.journal, self.outbox, self.pilot, SetClock(), lambda *_: None)
        self.ran_s = 100.0
        around = Surroundings(lambda: 0.0, clock=lambda: self.ran_s)
        self.monitor = Monitor(self.craft.look, self.pilot, self.desk, self.flights, self.told, around)
        self.monitor.step()
        self.seq = 0

    def send(self, kind: CommandKind, **changes: Any) -> str:
        self.seq += 1
        sent = command(kind, self.seq, **changes)
        self.desk.receive(self.signer.sign(sent.model_dump_json()), lambda: None)
        return sent.command_id

    def run(self) -> None:
        while self.desk.step():
            self.monitor.step()

    def looks_at(self, *steps: str) -> None:
        """Let the monitor look during some steps."""

        def look(what: str) -> None:
            if what in steps:
                self.monitor.step()

        self.craft.on = look

    def ack(self, command_id: str) -> tuple[AckState, str]:
        entry = self.journal.find(command_id)
        assert entry is not None
        return entry.state, entry.code

    def land(self) -> None:
        self.craft.now(landed=Landed.ON_GROUND, armed=False)
        self.monitor.step()

    def flight_kinds(self) -> list[E]:
        return [kind for kind in self.told.kinds() if kind in (E.FLIGHT_STARTED, E.FLIGHT_ENDED, E.WAYPOINT_REACHED)]


@contextmanager
def station(folder: Path, start: Any = None) -> Iterator[Station]:
    made = Station(folder, start)
    yield made
    made.journal.close()


def _interrupted(bench: Station, step: int, kind: CommandKind, sees: set[int]) -> tuple[str, str]:
    """Begin; let ``kind`` arrive while ``step`` is done, and the monitor look during the steps in ``sees``."""
    sent: list[str] = []

    def during(what: str) -> None:
        now = STEPS.index(what) if what in STEPS else -1
        if now in sees:
            bench.monitor.step()
        if now == step and not sent:
            sent.append(bench.send(kind))

    bench.craft.on = during
    begin = bench.send(K.BEGIN_FLIGHT)
    bench.run()
    bench.craft.on = lambda _what: None
    bench.monitor.step()
    return begin, sent[0]


@settings(max_examples=60, deadline=None)
@given(
    step=st.integers(0, len(STEPS) - 1),
    kind=st.sampled_from(INTERRUPTIONS),
    sees=st.sets(st.integers(0, len(STEPS) - 1)),
)
def test_whenever_it_comes_it_is_obeyed_and_the_flight_is_told_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, step: int, kind: CommandKind, sees: set[int]
) -> None:
    with station(tmp_path_factory.mktemp("drone")) as bench:
        begin, other = _interrupted(bench, step, kind, sees)
        assert bench.ack(other) == (AckState.DONE, "")
        kept = bench.flights.known("flt-1")
        if step < TAKES_OFF:
            assert bench.ack(begin) == (AckState.FAILED, "preempted")
            assert (kept.phase, bench.flight_kinds()) == (Phase.ABANDONED, [])
            assert "take off" not in bench.craft.did, "nothing takes off after a word to stay"
            return
        assert bench.flight_kinds() == [E.FLIGHT_STARTED]
        if kind in (K.PAUSE, K.HOLD):
            assert (bench.ack(begin)[0], kept.phase) == (AckState.EXECUTING, Phase.FLYING)
            assert bench.monitor.situation() == ("paused", "flt-1", 0)
        else:
            assert (bench.ack(begin), kept.phase) == ((AckState.FAILED, "interrupted"), Phase.RETURNING)
            bench.land()
            assert bench.flight_kinds() == [E.FLIGHT_STARTED, E.FLIGHT_ENDED]


@pytest.mark.parametrize("step", range(TAKES_OFF, len(STEPS)))
def test_what_was_paused_while_it_began_goes_on_at_its_first_waypoint_and_ends_well(tmp_path: Path, step: int) -> None:
    with station(tmp_path) as bench:
        begin, _ = _interrupted(bench, step, K.PAUSE, set())
        resume = bench.send(K.RESUME)
        bench.run()
        assert bench.ack(resume) == (AckState.DONE, "")
        assert bench.flights.known("flt-1").joined_at == 0
        for reached in itinerary_of(route(), HOME).item_of_waypoint:
            bench.craft.now(mission_seq=reached, reached_seq=reached)
            bench.monitor.step()
        assert bench.ack(begin) == (AckState.DONE, "")
        assert bench.flight_kinds() == [E.FLIGHT_STARTED, *[E.WAYPOINT_REACHED] * 3]


def test_a_beginning_broken_off_on_the_ground_may_be_commanded_anew(tmp_path: Path) -> None:
    with station(tmp_path) as bench:
        _interrupted(bench, 1, K.PAUSE, set())
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        assert bench.ack(begin) == (AckState.EXECUTING, "")


@pytest.mark.parametrize("silent_at", STEPS[TAKES_OFF:])
def test_silence_after_the_start_ends_the_command_and_leaves_the_flight_to_be_watched(
    tmp_path: Path, silent_at: str
) -> None:
    with station(tmp_path) as bench:
        bench.craft.on = lambda what: bench.craft.now(connected=False) if what == silent_at else None
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        assert bench.ack(begin) == (AckState.UNKNOWN, "autopilot_lost")
        bench.craft.now(connected=True)
        bench.monitor.step()
        assert bench.flights.known("flt-1").phase is Phase.FLYING
        assert bench.flight_kinds() == [E.FLIGHT_STARTED]
        bench.land()
        assert bench.flight_kinds() == [E.FLIGHT_STARTED, E.FLIGHT_ENDED]
        assert bench.outbox.acks().count(("unknown", "autopilot_lost")) == 1


def test_a_short_silence_in_flight_ends_nothing(tmp_path: Path) -> None:
    with station(tmp_path) as bench:
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        bench.craft.now(connected=False)
        bench.monitor.step()
        assert bench.ack(begin) == (AckState.EXECUTING, "")


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        ({"mode": "AUTO", "reached_seq": 9}, ("done", "")),
        ({"landed": Landed.ON_GROUND, "armed": False}, ("failed", "landed_early")),
    ],
)
def test_a_flight_lost_on_its_route_ends_unknown_once_and_is_settled_when_it_is_heard_again(
    tmp_path: Path, found: dict[str, Any], settled: tuple[str, str]
) -> None:
    with station(tmp_path) as bench:
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        bench.craft.now(connected=False)
        for _ in range(3):
            bench.ran_s += LOST_AFTER_S
            bench.monitor.step()
        assert bench.ack(begin) == (AckState.UNKNOWN, "autopilot_lost")
        bench.craft.now(connected=True, **found)
        bench.monitor.step()
        bench.craft.now(connected=False)
        bench.ran_s += LOST_AFTER_S
        bench.monitor.step()
        ends = [ack for ack in bench.outbox.acks() if ack[0] in ("unknown", "done", "failed")]
        assert ends == [("unknown", "autopilot_lost"), settled], "what is known is not forgotten"


def test_paused_in_its_climb_and_then_silent_it_has_a_result_too(tmp_path: Path) -> None:
    with station(tmp_path) as bench:

        def pause(what: str) -> None:
            if what == "take off":
                bench.send(K.PAUSE)

        bench.craft.on = pause
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.desk.step()
        bench.craft.now(connected=False)
        bench.monitor.step()
        assert bench.ack(begin) == (AckState.UNKNOWN, "autopilot_lost")


def test_who_takes_the_aircraft_during_its_take_off_keeps_it(tmp_path: Path) -> None:
    with station(tmp_path) as bench:

        def by_transmitter(what: str) -> None:
            if what == "take off":
                bench.craft.now(mode="LOITER")

        bench.craft.on = by_transmitter
        bench.send(K.BEGIN_FLIGHT)
        bench.run()
        bench.monitor.step()
        assert "AUTO" not in bench.craft.did
        assert bench.monitor.situation()[0] == "paused"


def test_an_aircraft_that_holds_has_reached_nothing_of_a_route_not_stored_yet(tmp_path: Path) -> None:
    """Numbers of the mission before stay on the autopilot until the next one is stored."""
    with station(tmp_path, in_flight(mode="LOITER", reached_seq=11, mission_seq=11)) as bench:
        bench.looks_at(FENCED)
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        assert bench.ack(begin) == (AckState.EXECUTING, "")
        assert E.WAYPOINT_REACHED not in bench.flight_kinds()


def test_a_refused_beginning_in_the_air_never_was_a_flight(tmp_path: Path) -> None:
    with station(tmp_path, in_flight(mode="LOITER")) as bench:
        bench.craft.refuse = {"upload 12": 1}
        bench.looks_at(FENCED, "upload 12")
        begin = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        assert bench.ack(begin) == (AckState.FAILED, "autopilot_refused")
        assert bench.flight_kinds() == []


def test_the_same_flight_begun_twice_begins_once(tmp_path: Path) -> None:
    with station(tmp_path) as bench:
        again: list[str] = []

        def impatient(what: str) -> None:
            if what == "upload 12" and not again:
                again.append(bench.send(K.BEGIN_FLIGHT))

        bench.craft.on = impatient
        first = bench.send(K.BEGIN_FLIGHT)
        bench.run()
        assert bench.ack(first) == (AckState.EXECUTING, "")
        assert bench.ack(again[0])[0] in (AckState.REJECTED, AckState.FAILED)
        assert bench.craft.did == list(STEPS)


def test_what_was_seen_never_overwrites_what_a_command_changed_meanwhile(tmp_path: Path) -> None:
    flights = Flights(tmp_path)
    before = flights.save(flight(phase=Phase.FLYING, reached=0))
    changed = route().with_detour(0, (waypoint(0, 15, 0, 30),))
    flights.change("flt-1", route=changed, joined_at=1, stored=False)
    kept = flights.follow(before, before.model_copy(update={"reached": 1}))
    assert (kept.route, kept.joined_at, kept.reached, kept.stored) == (changed, 1, 0, False)


@pytest.mark.parametrize(
    ("now", "seen", "kept"),
    [
        (Phase.BEGUN, Phase.FLYING, Phase.FLYING),
        (Phase.ABANDONED, Phase.FLYING, Phase.FLYING),
        (Phase.ENDED, Phase.RETURNING, Phase.ENDED),
    ],
)
def test_a_flight_never_goes_back(tmp_path: Path, now: Phase, seen: Phase, kept: Phase) -> None:
    flights = Flights(tmp_path)
    before = flights.save(flight())
    flights.change("flt-1", phase=now)
    assert flights.follow(before, before.model_copy(update={"phase": seen})).phase is kept


class DeafAutopilot:
    """A connection on which nothing ever comes; whoever sends on it is told to stop."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    def send(self, *_: Any) -> None:
        self.stop.set()

    @contextmanager
    def hear(self, *_: str) -> Iterator[queue.Queue[Any]]:
        yield queue.Queue()


@pytest.mark.parametrize("what", ["store", "read_back"])
def test_a_safety_command_does_not_wait_for_an_upload(what: str) -> None:
    deaf = DeafAutopilot()
    transfer = Transfer(deaf, lambda: (1, 1), MISSION, deaf.stop)  # type: ignore[arg-type]
    with pytest.raises(Preempted):
        transfer.store(itinerary_of(route(), HOME).items) if what == "store" else transfer.read_back()


def test_mission_state_is_ours_only_once_the_route_is_stored(tmp_path: Path) -> None:
    """A mission of a ground station that runs when a flight begins is not the flight's."""
    with station(tmp_path, in_flight(mission_state=MissionState.ACTIVE, mission_seq=5)) as bench:
        bench.looks_at(FENCED)
        bench.craft.refuse = {"upload 12": 1}
        bench.send(K.BEGIN_FLIGHT)
        bench.run()
        assert bench.flight_kinds() == []
