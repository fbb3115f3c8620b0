"""Killed anywhere: what was promised is kept, a command runs at most once and is told, no setting is half."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from contracts.commands import AckState, Command, CommandAck, LimitsChange
from contracts.events import DroneEvent, DroneEventKind
from contracts.geo import Frozen
from contracts.telemetry import Stream
from contracts.vocabulary import CommandKind
from edge.aftermath import NOBODY_KNOWS
from edge.allowances import Allowances
from edge.commands import CommandDesk
from edge.flights import Flights, Phase
from edge.frames import carve
from edge.journal import Journal
from edge.life.shadow import Shadow
from edge.loan import Loan
from edge.outbox import Outbox
from edge.pilot import Outcome
from edge.reserve import Reserve
from edge.verification import Gate
from tests.crash_points import far, lives, walk
from tests.unit.edge.test_rules import Watched, placed
from tests.unit.edge.world import LIMITS, NOW_US, Announcements, SetClock, Signer, command, flight

CAP = 64 * 1024 * 1024
_PAGE = 4096


class Note(Frozen):
    """A record."""

    seq: int
    text: str


def note(text: str) -> Callable[[int], Note]:
    return lambda seq: Note(seq=seq, text=text)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _add(path: Path, line: str) -> None:
    with far(f"{path.name} {line}"), path.open("a") as out:
        out.write(line + "\n")


def outbox_of(folder: Path) -> Outbox:
    """Open the outbox under a boot that was not there before."""
    boot = f"boot-{len(_lines(folder / 'boots'))}"
    _add(folder / "boots", boot)
    return Outbox(folder / "outbox.db", boot, CAP)


def held(outbox: Outbox, stream: Stream) -> dict[tuple[str, int], bytes]:
    boots = [extent.boot_id for extent in outbox.extents(stream)]
    return {(boot, r.seq): r.payload for boot in boots for r in outbox.pending(stream, boot, 0, 10_000)}


def keeps(folder: Path) -> None:
    """Promise some records, hear that the cloud has committed some, and promise more."""
    outbox = outbox_of(folder)
    for number in range(4):
        _promise(folder, outbox, str(number))
    _add(folder / "committed", outbox.boot_id)
    outbox.acknowledge(Stream.TELEMETRY, outbox.boot_id, 2)
    _promise(folder, outbox, "last")
    outbox.close()


def _promise(folder: Path, outbox: Outbox, text: str) -> None:
    seq = outbox.append(Stream.TELEMETRY, note(text)).result(10)
    _add(folder / "promised", f"{outbox.boot_id} {seq} {text}")


def test_killed_anywhere_the_outbox_keeps_what_it_promised(tmp_path: Path) -> None:
    drone = tmp_path / "drone"
    drone.mkdir()
    lives(drone, keeps)
    for at in walk(drone, keeps):
        lives(drone, keeps)
        committed = _lines(drone / "committed")
        outbox = outbox_of(drone)
        there = held(outbox, Stream.TELEMETRY)
        outbox.close()
        for boot, seq, text in map(str.split, _lines(drone / "promised")):
            if int(seq) > 2 or boot not in committed:
                assert json.loads(there[boot, int(seq)])["text"] == text, at


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a drone whose outbox lost pages while its log still has records of its own."""
    drone = tmp_path / "drone"
    drone.mkdir()

    def fills(folder: Path) -> None:
        for count, ends in ((60, True), (20, False)):
            outbox = outbox_of(folder)
            for number in range(count):
                outbox.append(Stream.TELEMETRY, note(f"{number:04d}" * 700)).result(10)
            if ends:
                outbox.close()

    lives(drone, fills)
    file = drone / "outbox.db"
    raw = bytearray(file.read_bytes())
    for page in (len(raw) // _PAGE // 2, len(raw) // _PAGE // 3):
        raw[page * _PAGE : (page + 1) * _PAGE] = bytes(_PAGE)
    file.write_bytes(raw)
    return drone


def test_killed_anywhere_in_a_salvage_all_that_can_be_read_is_carried_over_and_the_rest_told(damaged: Path) -> None:
    def starts(folder: Path) -> None:
        outbox = outbox_of(folder)
        outbox.append(Stream.EVENTS, note("it works")).result(10)
        outbox.close()

    files = [damaged / "outbox.db", damaged / "outbox.db-wal"]
    readable = [{(r.boot_id, r.seq) for r in carve(file.read_bytes())} for file in files]
    whole, missing = readable[0] | readable[1], {("boot-0", seq) for seq in range(1, 61)} - readable[0]
    assert missing
    assert readable[1] - readable[0], "the log has some of its own"
    for at in walk(damaged, starts):
        lives(damaged, starts)
        outbox = outbox_of(damaged)
        kept = set(held(outbox, Stream.TELEMETRY))
        told = _told_missing(outbox)
        outbox.close()
        assert kept == whole, at
        assert told == missing, at
        assert list(damaged.glob("outbox.db.corrupt.*")), at


def _told_missing(outbox: Outbox) -> set[tuple[str, int]]:
    events = [DroneEvent.model_validate_json(p) for p in held(outbox, Stream.EVENTS).values() if b"records_lost" in p]
    lost = [e.lost for e in events if e.kind is DroneEventKind.RECORDS_LOST and e.lost is not None]
    return {(part.boot_id, seq) for part in lost for seq in range(part.first_seq, part.last_seq + 1)}


def test_killed_anywhere_a_damaged_journal_is_kept_aside_and_another_one_works(tmp_path: Path) -> None:
    drone = tmp_path / "drone"
    drone.mkdir()
    (drone / "journal.db").write_bytes(damage := b"no database" * 500)

    def starts(folder: Path) -> None:
        Journal(folder / "journal.db", lambda: NOW_US).close()

    for at in walk(drone, starts):
        lives(drone, starts)
        assert [path.read_bytes() for path in drone.glob("journal.db.corrupt.*")] == [damage], at


class Executor:
    """The aircraft, which lives on."""

    def __init__(self, folder: Path) -> None:
        self._flown = folder / "flown"

    def lowers_margins(self, _command: Command) -> list[str]:
        return []

    def check(self, _command: Command) -> None:
        return

    def fly(self, order: Command, _stop: threading.Event) -> Outcome:
        _add(self._flown, order.command_id)
        return Outcome.DONE


def obeys(folder: Path) -> None:
    """Settle the past, take the command in if the broker still has it, run it, report it."""
    outbox, journal = outbox_of(folder), Journal(folder / "journal.db", lambda: NOW_US)
    gate = Gate("drone-1", folder / "keys")
    desk = CommandDesk(gate, journal, outbox, Executor(folder), SetClock(), lambda _code, _detail: None)
    desk.recover(lambda _entry: NOBODY_KNOWS)
    if not _lines(folder / "settled"):
        desk.receive((folder / "sent").read_bytes(), lambda: _add(folder / "settled", "yes"))
    while desk.step():
        continue
    outbox.close()
    journal.close()


@pytest.mark.parametrize("kind", [CommandKind.TAKE_OFF, CommandKind.RETURN_HOME])
def test_killed_anywhere_a_command_runs_at_most_once_and_its_end_is_told(tmp_path: Path, kind: CommandKind) -> None:
    drone = tmp_path / "drone"
    signer = Signer(drone / "keys")
    (drone / "sent").write_bytes(signer.sign(command(kind).model_dump_json()))
    ends = set()
    for at in walk(drone, obeys):
        before = len(_lines(drone / "flown"))
        lives(drone, obeys)
        flown = len(_lines(drone / "flown"))
        again = kind is CommandKind.RETURN_HOME and before
        assert flown - before <= (1 if again or not before else 0), at
        outbox, journal = outbox_of(drone), Journal(drone / "journal.db", lambda: NOW_US)
        states = [CommandAck.model_validate_json(payload).state for payload in held(outbox, Stream.ACKS).values()]
        assert states[-1] in (AckState.DONE, AckState.UNKNOWN), at
        assert states[-1] is AckState.UNKNOWN or flown, at
        assert not journal.untold(), at
        assert not journal.unfinished(), at
        ends.add(states[-1])
        outbox.close()
        journal.close()
    assert AckState.DONE in ends


class Kept(NamedTuple):
    """A small file that the agent keeps: ``write`` its n-th version, and ``read`` which one it is."""

    write: Callable[[Path, int], object]
    read: Callable[[Path], int]


def _save(folder: Path, version: int) -> None:
    flights = Flights(folder)
    if flights.get("flt-1") is None:
        flights.save(flight(reached=version))
    else:
        flights.change("flt-1", reached=version)


def _reached(folder: Path) -> int:
    found = Flights(folder).get("flt-1")
    return found.reached if found else 0


def _shadow(folder: Path) -> Shadow:
    return Shadow(folder / "shadow.json", lambda _tunables: None)


def _ask(folder: Path, version: int) -> None:
    delta = {"version": version, "state": {"storage_budget_bytes": 1_048_576 + version}}
    _shadow(folder).on_delta(json.dumps(delta).encode())


def _limit(folder: Path, version: int) -> None:
    Allowances(folder / "limits.json", LIMITS).change(LimitsChange(battery_reserve_percent=25.0 + version))


KEPT = {
    "flight": Kept(_save, _reached),
    "limits": Kept(
        _limit, lambda f: max(0, round(Allowances(f / "limits.json", LIMITS).limits.battery_reserve_percent) - 25)
    ),
    "shadow": Kept(_ask, lambda f: (_shadow(f).tunables.storage_budget_bytes or 1_048_576) - 1_048_576),
}


@pytest.mark.parametrize("name", KEPT)
def test_killed_anywhere_a_file_is_as_it_was_or_as_it_is_to_be(tmp_path: Path, name: str) -> None:
    kept, drone = KEPT[name], tmp_path / "drone"
    drone.mkdir()

    def changes(folder: Path) -> None:
        for version in (1, 2, 3):
            kept.write(folder, version)
            _add(folder / "returned", str(version))

    for at in walk(drone, changes):
        returned = len(_lines(drone / "returned"))
        assert kept.read(drone) in (returned, returned + 1), at
        assert not list(drone.rglob("*.corrupt")), at
        kept.write(drone, 9)
        assert kept.read(drone) == 9, at


def test_killed_anywhere_in_a_flight_its_phase_never_goes_back(tmp_path: Path) -> None:
    drone = tmp_path / "drone"
    drone.mkdir()

    def flies(folder: Path) -> None:
        flights = Flights(folder)
        seen = flights.save(flight())
        flights.close_beginning("flt-1", stands=True, t_us=NOW_US)
        for phase in (Phase.FLYING, Phase.RETURNING, Phase.ENDED):
            seen = flights.follow(seen, seen.model_copy(update={"phase": phase}))
        flights.change("flt-1", segments=3)

    phases = []
    for _ in walk(drone, flies):
        found = Flights(drone).get("flt-1")
        phases.append(list(Phase).index(found.phase) if found else -1)
    assert phases == sorted(phases)
    assert phases[-1] == list(Phase).index(Phase.ENDED)


class Autopilot:
    """An autopilot's parameters, which live on."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "parameters"

    def values(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self._file.read_text())
        return found

    def parameter(self, name: str) -> float | None:
        return self.values().get(name)

    def put_parameter(self, name: str, value: float) -> bool:
        with far(f"set {name}"):
            self._file.write_text(json.dumps(self.values() | {name: value}))
        return True


def test_killed_anywhere_what_was_lent_for_a_flight_is_given_back(tmp_path: Path) -> None:
    drone, was = tmp_path / "drone", {"FS_GCS_ENABLE": 1.0, "FENCE_ACTION": 2.0}
    drone.mkdir()
    (drone / "parameters").write_text(json.dumps(was))

    def gives_back(folder: Path) -> None:
        Loan(folder / "loan.json", Autopilot(folder)).give_back()

    def flies(folder: Path) -> None:
        Loan(folder / "loan.json", Autopilot(folder)).take({"FS_GCS_ENABLE": 3.0, "FENCE_ACTION": 3.0})
        gives_back(folder)

    for first in walk(drone, flies):
        for second in walk(drone, gives_back, every=3):
            lives(drone, gives_back)
            assert Autopilot(drone).values() == was, f"{first}; {second}"
            assert not (drone / "loan.json").exists()


def test_killed_anywhere_the_outboxs_reserve_is_as_large_as_it_should_be(tmp_path: Path) -> None:
    drone = tmp_path / "drone"
    drone.mkdir()

    def takes(folder: Path) -> None:
        Reserve(folder / "reserve", CAP).take()

    for at in walk(drone, takes):
        lives(drone, takes)
        assert (drone / "reserve").stat().st_size == CAP // 20, at


class _OnDisk(Announcements):
    """Events that outlive the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def __call__(self, kind: DroneEventKind, fields: dict[str, object]) -> None:
        super().__call__(kind, fields)
        if kind is DroneEventKind.SAFETY:
            _add(self._path, str(fields["code"]))


def test_killed_anywhere_a_rule_that_is_in_force_is_told_acted_upon_and_stays(tmp_path: Path) -> None:
    def life(folder: Path) -> None:
        bench = Watched(folder)
        bench.events = _OnDisk(folder / "told")
        bench.monitor = bench.restarted()
        bench.see(fix=placed(210, 0, 30).fix)

    folder = tmp_path / "drone"
    folder.mkdir()
    for number, at in enumerate(walk(folder, life)):
        left = Path(shutil.copytree(folder, tmp_path / f"left-{number}"))  # what writes there goes on beside the walk
        told, again = _lines(left / "told"), Watched(left)
        in_force = again.pilot.latched is not None
        assert in_force or not told, at
        again.see(fix=placed(150, 0, 30).fix, mode="AUTO")
        if in_force:
            again.until("RTL")
            assert "fence" in told + again.safety(), at
    assert told == ["fence"]
