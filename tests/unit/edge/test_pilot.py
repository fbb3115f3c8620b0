"""Each command becomes the right procedure on the autopilot; the monitor follows and guards the flight."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import AckState
from contracts.errors import PlatformError
from contracts.events import DroneEventKind
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft, Landed, MissionState
from edge.flights import Flights, Phase
from edge.itinerary import Item
from edge.journal import Entry
from edge.monitor import Monitor
from edge.pilot import Outcome, Pilot
from edge.refusals import AutopilotRefused, AutopilotSilent, NotReady, Preempted
from tests.unit.edge.world import HOME, LIMITS, Announcements, aircraft, command, flight, in_flight, route

K = CommandKind
ARM, TAKE_OFF, START, PAUSE = 400, 22, 300, 193


class Craft:
    """A few lines of autopilot: obeys at once."""

    def __init__(self, start: Aircraft) -> None:
        self.picture = start
        self.did: list[str] = []
        self.refuse: dict[str, int] = {}
        self.on: Callable[[str], None] = lambda _what: None

    def look(self) -> Aircraft:
        return self.picture

    def command(self, number: int, *params: float) -> None:
        self._do({ARM: "arm", TAKE_OFF: "take off", START: "start", PAUSE: f"pause{params[:1]}"}[number])
        match number:
            case 400:
                self.now(armed=True)
            case 22:
                self.now(landed=Landed.TAKING_OFF, fix=aircraft(up=params[6]).fix)
            case 300:
                self.now(mission_state=MissionState.ACTIVE)
            case _:
                self.now(mission_state=MissionState.ACTIVE if params[0] else MissionState.PAUSED)

    def set_mode(self, mode: str) -> None:
        self._do(mode)
        self.now(mode=mode)

    def upload(self, items: tuple[Item, ...]) -> None:
        self._do(f"upload {len(items)}")

    def now(self, **changes: Any) -> None:
        self.picture = self.picture._replace(**changes)

    def _do(self, what: str) -> None:
        self.did.append(what)
        self.on(what)
        if self.refuse.get(what, 0) > 0:
            self.refuse[what] -= 1
            raise AutopilotRefused(f"{what}: PreArm: Need Position Estimate")


class Bench:
    """A pilot with its flights."""

    def __init__(self, folder: Path, start: Aircraft) -> None:
        self.craft = Craft(start)
        self.flights = Flights(folder / "recordings")
        self.pilot = Pilot(self.craft, self.flights, LIMITS, lambda: None)
        self.stop = threading.Event()

    def fly(self, kind: CommandKind) -> Outcome:
        return self.pilot.fly(command(kind), self.stop)


def test_begin_on_the_ground_takes_off_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft(mode="RTL"))
    assert bench.fly(K.BEGIN_FLIGHT) is Outcome.FLYING
    assert bench.craft.did == ["upload 12", "GUIDED", "arm", "take off", "AUTO", "start"]
    kept = Flights(tmp_path / "recordings").active()
    assert kept is not None
    assert (kept.flight_id, kept.route, kept.phase) == ("flt-1", route(), Phase.PREPARING)


def test_begin_in_the_air_uploads_and_goes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, in_flight(mode="GUIDED"))
    bench.fly(K.BEGIN_FLIGHT)
    assert bench.craft.did == ["upload 12", "AUTO", "start"]


def test_a_mission_under_way_is_left_before_a_new_one_is_stored(tmp_path: Path) -> None:
    bench = Bench(tmp_path, in_flight())
    bench.fly(K.BEGIN_FLIGHT)
    assert bench.craft.did[:2] == ["LOITER", "upload 12"]


def test_arming_is_tried_again_while_the_estimator_settles(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    bench.craft.refuse = {"arm": 1}
    assert bench.fly(K.TAKE_OFF) is Outcome.DONE
    assert bench.craft.did.count("arm") == 2


def test_a_refused_mission_leaves_no_flight_behind(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    bench.craft.refuse = {"start": 1}
    with pytest.raises(AutopilotRefused, match="Need Position"):
        bench.fly(K.BEGIN_FLIGHT)
    assert bench.flights.active() is None
    assert bench.craft.did[-1] == "LOITER", "nothing flies on by itself"


def test_a_safety_command_stops_the_take_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    bench.craft.on = lambda what: bench.stop.set() if what == "take off" else None
    with pytest.raises(Preempted):
        bench.fly(K.TAKE_OFF)


def test_silence_ends_a_procedure(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    bench.craft.on = lambda what: bench.craft.now(connected=False) if what == "arm" else None
    with pytest.raises(AutopilotSilent):
        bench.fly(K.TAKE_OFF)


def test_pause_and_resume_between_waypoints(tmp_path: Path) -> None:
    bench = Bench(tmp_path, in_flight())
    bench.fly(K.PAUSE)
    bench.fly(K.RESUME)
    assert bench.craft.did == ["pause(0,)", "pause(1,)"]


def test_pause_falls_back_on_holding_and_resume_on_the_mission(tmp_path: Path) -> None:
    bench = Bench(tmp_path, in_flight())
    bench.craft.refuse = {"pause(0,)": 1}
    bench.fly(K.PAUSE)
    bench.craft.now(mission_state=MissionState.ACTIVE)
    bench.fly(K.RESUME)
    assert bench.craft.did == ["pause(0,)", "LOITER", "AUTO"]


@pytest.mark.parametrize(("kind", "mode"), [(K.RETURN_HOME, "RTL"), (K.LAND, "LAND")])
def test_going_home_is_a_mode_and_harmless_on_the_ground(tmp_path: Path, kind: CommandKind, mode: str) -> None:
    flying, standing = Bench(tmp_path, in_flight()), Bench(tmp_path, aircraft())
    flying.fly(kind)
    standing.fly(kind)
    assert (flying.craft.did, standing.craft.did) == ([mode], [])


REFUSED = [
    (K.TAKE_OFF, in_flight(), "already in the air"),
    (K.TAKE_OFF, aircraft(battery_percent=22.0), "holds 22"),
    (K.TAKE_OFF, aircraft(clock_set=False), "time"),
    (K.BEGIN_FLIGHT, aircraft(home=None), "home"),
    (K.BEGIN_FLIGHT, aircraft(battery_percent=21.0), "battery"),
    (K.RESUME, in_flight(), "No flight is paused"),
]


@pytest.mark.parametrize(("kind", "seen", "why"), REFUSED)
def test_what_cannot_be_flown_now_is_refused(tmp_path: Path, kind: CommandKind, seen: Aircraft, why: str) -> None:
    with pytest.raises(NotReady, match=why):
        Bench(tmp_path, seen).pilot.check(command(kind))


def test_nothing_is_accepted_from_a_silent_autopilot(tmp_path: Path) -> None:
    with pytest.raises(AutopilotSilent):
        Bench(tmp_path, aircraft(connected=False)).pilot.check(command(K.RETURN_HOME))


@pytest.mark.parametrize(
    ("phase", "kind", "why"),
    [
        (Phase.FLYING, K.BEGIN_FLIGHT, "still under way"),
        (Phase.ENDED, K.BEGIN_FLIGHT, "flown already"),
        (Phase.RETURNING, K.RESUME, "No flight is paused"),
        (Phase.FLYING, K.RESUME, "not holding"),
    ],
)
def test_a_flights_state_decides(tmp_path: Path, phase: Phase, kind: CommandKind, why: str) -> None:
    bench = Bench(tmp_path, in_flight())
    bench.flights.save(flight(phase=phase))
    with pytest.raises(NotReady, match=why):
        bench.pilot.check(command(kind))


class Desk:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, AckState, str]] = []
        self.preempted: list[str] = []
        self.kept: list[bool] = []

    def conclude(self, command_id: str, state: AckState, code: str = "", detail: str = "", hint: str = "") -> None:
        self.ended.append((command_id, state, code))

    def recover(self, keep: Callable[[Entry], bool]) -> None:
        self.kept = [keep(Entry(f"cmd-{n}", K.BEGIN_FLIGHT, "", AckState.EXECUTING)) for n in (1, 2)]

    def preempt(self, why: str) -> None:
        self.preempted.append(why)


class Watched(Bench):
    """A pilot with a monitor."""

    def __init__(self, folder: Path, start: Aircraft) -> None:
        super().__init__(folder, start)
        self.desk, self.events, self.offline_s = Desk(), Announcements(), 0.0
        self.monitor = Monitor(
            self.craft.look, self.pilot, self.desk, self.flights, self.events, lambda: self.offline_s
        )


def _wait(reached: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(500):
        if reached():
            return
        done.wait(0.01)
    raise AssertionError("It never happened.")


@pytest.mark.parametrize(
    ("phase", "seen", "after", "kept"),
    [
        (Phase.FLYING, in_flight(), Phase.FLYING, [True, False]),
        (Phase.PREPARING, in_flight(), Phase.FLYING, [True, False]),
        (Phase.PREPARING, aircraft(), Phase.ABANDONED, [False, False]),
        (Phase.PREPARING, in_flight(mode="GUIDED"), Phase.ABANDONED, [False, False]),
        (Phase.FLYING, aircraft(), Phase.ENDED, [True, False]),
    ],
)
def test_a_restarted_agent_takes_up_the_flight_it_finds(
    tmp_path: Path, phase: Phase, seen: Aircraft, after: Phase, kept: list[bool]
) -> None:
    bench = Watched(tmp_path, seen)
    bench.flights.save(flight(phase=phase))
    bench.monitor.step()
    assert bench.desk.kept == kept
    assert Flights(tmp_path / "recordings").known("flt-1").phase is after


@pytest.mark.parametrize(
    ("changes", "offline_s", "code"),
    [
        ({"fix": aircraft(up=130.0).fix}, 0.0, "fence"),
        ({"battery_percent": 15.0}, 0.0, "battery"),
        ({}, 400.0, "link"),
    ],
)
def test_a_broken_rule_brings_it_home_once_and_latches(
    tmp_path: Path, changes: dict[str, Any], offline_s: float, code: str
) -> None:
    bench = Watched(tmp_path, in_flight()._replace(**changes))
    bench.offline_s = offline_s
    bench.flights.save(flight(phase=Phase.FLYING))
    for _ in range(5):
        bench.monitor.step()
    _wait(lambda: "RTL" in bench.craft.did)
    bench.monitor.step()
    said = [fields["code"] for kind, fields in bench.events.said if kind is DroneEventKind.SAFETY]
    assert said == [code]
    assert bench.desk.preempted
    assert bench.desk.ended == [("cmd-1", AckState.FAILED, "interrupted")]
    bench.craft.now(mode="LOITER", connected=True)
    with pytest.raises(PlatformError):
        bench.pilot.check(command(K.RESUME))
    bench.craft.now(landed=Landed.ON_GROUND, armed=False)
    bench.monitor.step()
    assert bench.pilot.latched is None


def test_telemetry_knows_where_it_is_going(tmp_path: Path) -> None:
    bench = Watched(tmp_path, in_flight(reached_seq=3))
    bench.flights.save(flight(phase=Phase.FLYING))
    bench.monitor.step()
    assert bench.monitor.situation() == ("on_route", "flt-1", 1)
    assert bench.pilot.itinerary() is not None
    assert bench.craft.look().home == HOME
