"""The agent dies while a command runs: what it left behind ends once, and as what is on disk says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.commands import AckState, Command, CommandAck
from contracts.telemetry import Stream
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft
from edge.allowances import Allowances
from edge.commands import CommandDesk
from edge.flights import Flights, Phase
from edge.journal import Journal
from edge.latch import Latch
from edge.loan import Loan
from edge.monitor import Monitor, Surroundings
from edge.pilot import Pilot
from edge.verification import Gate
from tests.unit.edge.test_command_crashes import STEPS, Fuse, Killed
from tests.unit.edge.test_pilot import Craft
from tests.unit.edge.world import (
    LIMITS,
    NOW_US,
    Announcements,
    MemoryOutbox,
    SetClock,
    Signer,
    command,
    flight,
    in_flight,
    route,
)

ENDS = (AckState.DONE, AckState.FAILED, AckState.UNKNOWN)
BEGIN = command(CommandKind.BEGIN_FLIGHT, 1, command_id="cmd-1")
CHANGE = command(CommandKind.ADJUST_ROUTE, 2)


class Drone:
    """What outlives the agent: its disk, its outbox and the aircraft, which flies a flight."""

    def __init__(self, folder: Path, phase: Phase = Phase.FLYING) -> None:
        self.folder, self.craft, self.outbox = folder, Craft(in_flight()), MemoryOutbox()
        self.signer, self.settled, self.now_s = Signer(folder / "keys"), False, 0.0
        self.patience_s = 6.0
        Flights(folder / "recordings").save(flight(phase=phase, reached=0))
        journal = Journal(folder / "journal.db", lambda: NOW_US)
        entry = journal.accept(BEGIN, BEGIN.model_dump_json())
        journal.advance(entry._replace(state=AckState.EXECUTING))
        journal.told(entry.command_id, AckState.EXECUTING)
        journal.close()

    def live(self, sent: Command | None, fuse: Fuse) -> bool:
        """One life of the agent: look, settle the past, take a command in and run it; False when it was killed."""
        journal, flights = Journal(self.folder / "journal.db", lambda: NOW_US), Flights(self.folder / "recordings")
        allowances, loan = Allowances(self.folder / "limits.json", LIMITS), Loan(self.folder / "loan.json", self.craft)
        pilot = Pilot(self.craft, flights, allowances, lambda: None, loan, Latch(self.folder / "latch.json"))
        gate, outbox = Gate("drone-1", self.folder / "keys"), _Outbox(self.outbox)
        desk = CommandDesk(gate, journal, outbox, pilot, SetClock(), lambda *_: None)
        around = Surroundings(lambda: 0.0, clock=lambda: self.now_s)
        monitor = Monitor(self.craft.look, pilot, desk, flights, Announcements(), around)
        self.now_s += self.patience_s
        fuse.on(journal, "advance")
        fuse.on(flights, "save")
        fuse.on(outbox, "append")
        fuse.on(pilot, "fly")
        try:
            monitor.step()
            if sent is not None and not self.settled:
                desk.receive(self.signer.sign(sent.model_dump_json()), self._settle)
            self.craft.on = lambda _what: fuse.burn()
            while desk.step():
                monitor.step()
        except Killed:
            return False
        finally:
            self.craft.on = lambda _what: None
            journal.close()
        return True

    def _settle(self) -> None:
        self.settled = True

    def ends(self, of: Command) -> list[AckState]:
        acks = [ack for ack in self.outbox.records[Stream.ACKS] if isinstance(ack, CommandAck)]
        return [ack.state for ack in acks if ack.command_id == of.command_id and ack.state in ENDS]


class _Outbox:
    def __init__(self, outbox: MemoryOutbox) -> None:
        self.append = outbox.append


def test_killed_anywhere_in_a_change_of_route_its_end_is_true_and_told_once(tmp_path: Path) -> None:
    seen: set[tuple[bool, AckState]] = set()
    for steps in range(STEPS):
        drone = Drone(tmp_path / str(steps))
        whole = drone.live(CHANGE, Fuse(steps)) or not drone.live(CHANGE, Fuse(None))
        kept = Flights(drone.folder / "recordings").known("flt-1")
        changed = (kept.route, kept.joined_at, kept.stored) == (CHANGE.route, 1, True)
        ends = drone.ends(CHANGE)
        assert len(set(ends)) == 1, f"killed at step {steps}: {ends}"
        assert (ends[0] is AckState.DONE) is changed, f"killed at step {steps}: {ends}, {kept}"
        assert changed or kept.route == route()
        assert drone.ends(BEGIN) == [], "the flight goes on"
        seen.add((whole, ends[0]))
        if whole:
            break
    assert seen == {(False, AckState.FAILED), (False, AckState.DONE), (True, AckState.DONE)}


def test_a_change_killed_before_it_was_flown_is_flown_on_resume(tmp_path: Path) -> None:
    drone = Drone(tmp_path)

    def die(_mode: str) -> None:
        raise Killed

    drone.craft.upload = lambda *_: setattr(drone.craft, "set_mode", die)  # type: ignore[method-assign]
    assert not drone.live(CHANGE, Fuse(None))
    del drone.craft.upload, drone.craft.set_mode
    assert drone.live(None, Fuse(None))
    assert drone.ends(CHANGE) == [AckState.DONE]
    drone.settled = False
    resume = command(CommandKind.RESUME, 3)
    drone.craft.did.clear()
    assert drone.live(resume, Fuse(None))
    assert drone.ends(resume) == [AckState.DONE]
    assert (drone.craft.did[-2:], drone.craft.look().mode) == (["AUTO", "start"], "AUTO")
    assert Flights(drone.folder / "recordings").known("flt-1").route == CHANGE.route


@pytest.mark.parametrize(
    ("phase", "ends"),
    [
        (Phase.PREPARING, [AckState.UNKNOWN]),
        (Phase.BEGUN, [AckState.UNKNOWN]),
        (Phase.FLYING, []),
    ],
)
def test_restarted_beside_a_silent_autopilot_a_beginning_ends_and_a_flight_goes_on(
    tmp_path: Path, phase: Phase, ends: list[AckState]
) -> None:
    drone = Drone(tmp_path, phase)
    drone.craft.picture, drone.patience_s = Aircraft(), 4.0
    assert drone.live(None, Fuse(None))
    assert drone.ends(BEGIN) == [], "it may be heard yet"
    drone.patience_s = 6.0
    assert drone.live(None, Fuse(None))
    assert drone.ends(BEGIN) == ends
