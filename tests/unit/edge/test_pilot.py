"""Each command becomes the right procedure on the autopilot; the monitor follows and guards the flight."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import SAFETY_INCREASING, AckState, Command, LimitsChange
from contracts.errors import PlatformError
from contracts.events import DroneEventKind
from contracts.routes import Corner, Fence, Route, Zone, ZoneKind
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft, Fix, Landed, MissionState
from edge.allowances import Allowances
from edge.flights import Flights, Phase
from edge.itinerary import Item
from edge.journal import Entry
from edge.latch import Latch
from edge.loan import Loan
from edge.mission import Conclude
from edge.monitor import Monitor, Surroundings
from edge.pilot import Outcome, Pilot
from edge.refusals import AutopilotRefused, AutopilotSilent, NotReady, Preempted, UnsafeRoute
from edge.retreat import habit_seen
from edge.returns import Habit, habit_of
from tests.unit.edge.world import (
    HOME,
    LIMITS,
    NOW_US,
    Announcements,
    aircraft,
    at,
    command,
    flight,
    in_flight,
    route,
    waypoint,
)

K = CommandKind
FENCED = "fence 1 below 120 m"
ARM, START, PAUSE = 400, 300, 193


class Craft:
    """A few lines of autopilot: obeys at once."""

    def __init__(self, start: Aircraft) -> None:
        self.picture = start
        self.did: list[str] = []
        self.items: tuple[Item, ...] = ()
        self.refuse: dict[str, int] = {}
        self.values: dict[str, float] = {}
        """Its parameters."""
        self.on: Callable[[str], None] = lambda _what: None

    def look(self) -> Aircraft:
        return self.picture

    def command(self, number: int, *params: float) -> None:
        self._do({ARM: "arm", START: "start", PAUSE: f"pause{params[:1]}"}[number])
        match number:
            case 400:
                self.now(armed=True)
            case 300:
                self.now(mission_state=MissionState.ACTIVE)
            case _:
                self.now(mission_state=MissionState.ACTIVE if params[0] else MissionState.PAUSED)

    def set_mode(self, mode: str) -> None:
        self._do(mode)
        self.now(mode=mode)

    def take_off(self, altitude_m: float) -> None:
        self._do("take off")
        self.now(landed=Landed.TAKING_OFF, fix=aircraft(up=altitude_m).fix)

    def learn_habit(self) -> Habit:
        return habit_seen(self.picture)

    def store_fence(self, items: tuple[Item, ...], ceiling_m: float, stop: threading.Event) -> None:
        self._do(f"fence {len(items)} below {ceiling_m:.0f} m")

    def upload(self, items: tuple[Item, ...], stop: threading.Event) -> None:
        self.items = items
        self._do(f"upload {len(items)}")

    def parameter(self, name: str) -> float | None:
        return self.values.get(name)

    def put_parameter(self, name: str, value: float) -> bool:
        self._do(f"{name}={value:g}")
        self.values[name] = value
        return True

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
        self.loan = Loan(folder / "loan.json", self.craft)
        allowances = Allowances(folder / "limits.json", LIMITS)
        self.pilot = Pilot(self.craft, self.flights, allowances, lambda: None, self.loan, Latch(folder / "latch.json"))
        self.stop = threading.Event()

    def fly(self, kind: CommandKind) -> Outcome:
        return self.pilot.fly(command(kind), self.stop)


def test_begin_on_the_ground_takes_off_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft(mode="RTL"))
    assert bench.fly(K.BEGIN_FLIGHT) is Outcome.FLYING
    assert bench.craft.did == [FENCED, "upload 12", "GUIDED", "arm", "take off", "AUTO", "start"]
    kept = Flights(tmp_path / "recordings").active()
    assert kept is not None
    assert (kept.flight_id, kept.route, kept.phase) == ("flt-1", route(), Phase.PREPARING)


def test_begin_in_the_air_uploads_and_goes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, in_flight(mode="GUIDED"))
    bench.fly(K.BEGIN_FLIGHT)
    assert bench.craft.did == [FENCED, "upload 12", "AUTO", "start"]


def test_a_mission_under_way_is_left_before_a_new_one_is_stored(tmp_path: Path) -> None:
    bench = Bench(tmp_path, in_flight())
    bench.fly(K.BEGIN_FLIGHT)
    assert bench.craft.did[:3] == ["HOLD", FENCED, "upload 12"]


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
    assert bench.craft.did[-1] == "HOLD", "nothing flies on by itself"


def test_a_take_off_is_done_when_it_climbs_no_more_so_that_a_flight_may_begin(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    rising = aircraft(up=30.0).fix
    assert rising is not None
    looks = iter([2.0, 1.0, 0.4])

    def settle(what: str) -> None:
        if what == "take off":
            bench.craft.look = lambda: bench.craft.picture._replace(  # type: ignore[method-assign]
                landed=Landed.TAKING_OFF, fix=rising._replace(vel_up_mps=next(looks, 0.0))
            )

    bench.craft.on = settle
    assert bench.fly(K.TAKE_OFF) is Outcome.DONE
    assert next(looks, None) is None, "it waited through the climb"
    bench.pilot.check(command(K.BEGIN_FLIGHT))


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
    assert bench.craft.did == ["pause(0,)", "HOLD", "AUTO"]


def test_what_left_its_mission_gets_the_rest_of_it_with_speed_and_camera(tmp_path: Path) -> None:
    bench = Flying(tmp_path)
    bench.flights.change("flt-1", reached=1)
    bench.fly(K.HOLD)
    bench.fly(K.RESUME)
    assert bench.craft.did == ["HOLD", "upload 6", "AUTO", "start"]
    assert [item.command for item in bench.craft.items[1:4]] == [178, 205, 16], "speed, camera, waypoint"
    kept = bench.flights.known("flt-1")
    assert (kept.joined_at, kept.reached, kept.stored) == (2, 1, True)


def test_heights_follow_a_home_that_arming_has_moved(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    higher = HOME.model_copy(update={"alt_m": HOME.alt_m + 1.5})
    bench.craft.on = lambda what: bench.craft.now(home=higher) if what == "arm" else None
    bench.fly(K.BEGIN_FLIGHT)
    assert bench.craft.did == [FENCED, "upload 12", "GUIDED", "arm", "take off", "upload 12", "AUTO", "start"]
    assert bench.craft.items[3].z == pytest.approx(28.5, abs=1e-3)


@pytest.mark.parametrize(("flags", "command"), [(None, 205), (256, 205), (256 | 1024, 1000)])
def test_a_gimbal_that_pans_is_pointed_from_north_and_another_by_the_nose(
    tmp_path: Path, flags: int | None, command: int
) -> None:
    bench = Bench(tmp_path, aircraft(gimbal_flags=flags))
    bench.fly(K.BEGIN_FLIGHT)
    looks = [item for item in bench.craft.items if item.command in (205, 1000)]
    assert {item.command for item in looks} == {command}
    assert (looks[0].params[0], looks[0].params[1 if command == 1000 else 2]) == (-5.0, 90.0)


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
    (K.TAKE_OFF, aircraft(battery_percent=None), "does not say how much charge"),
    (K.BEGIN_FLIGHT, aircraft(battery_percent=None), "does not say how much charge"),
]


@pytest.mark.parametrize(("kind", "seen", "why"), REFUSED)
def test_what_cannot_be_flown_now_is_refused(tmp_path: Path, kind: CommandKind, seen: Aircraft, why: str) -> None:
    with pytest.raises(NotReady, match=why):
        Bench(tmp_path, seen).pilot.check(command(kind))


@pytest.mark.parametrize(
    ("seen", "why"),
    [(aircraft(connected=False), "has been silent for 3 s"), (Aircraft(), "No autopilot has been heard yet")],
)
def test_a_silent_autopilot_is_sent_safety_commands_only(tmp_path: Path, seen: Aircraft, why: str) -> None:
    pilot = Bench(tmp_path, seen).pilot
    for kind in K:
        if kind in SAFETY_INCREASING or kind is K.SET_LIMITS:
            pilot.check(command(kind))
        else:
            with pytest.raises(AutopilotSilent, match=why):
                pilot.check(command(kind))


ON_ITS_WAY = 1


class Flying(Bench):
    """A flight on its route, past its first waypoint."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, in_flight())
        self.flights.save(flight(phase=Phase.FLYING, reached=0))
        self.look_closer = route().with_detour(0, (waypoint(0, 15, 0, 30, speed_mps=1.0),))

    def order(self, wanted: Route, **changes: Any) -> Command:
        return command(
            K.ADJUST_ROUTE,
            flight_id="flt-1",
            route=wanted,
            resume_at=ON_ITS_WAY,
            route_hash=wanted.content_hash(),
            **changes,
        )


def test_a_changed_route_is_flown_from_its_detour_on(tmp_path: Path) -> None:
    bench = Flying(tmp_path)
    order = bench.order(bench.look_closer)
    bench.pilot.check(order)
    assert bench.pilot.lowers_margins(order) == []
    assert bench.pilot.fly(order, bench.stop) is Outcome.DONE
    assert bench.craft.did == ["HOLD", "upload 12", "AUTO", "start"]
    kept = Flights(tmp_path / "recordings").known("flt-1")
    assert (kept.route, kept.joined_at, kept.reached, kept.stored) == (bench.look_closer, 1, 0, True)


@pytest.mark.parametrize(
    ("breaks_at", "did"),
    [("upload 12", ["HOLD", "upload 12"]), ("start", ["HOLD", "upload 12", "AUTO", "start", "HOLD"])],
)
def test_after_a_change_that_broke_off_the_flight_goes_on_on_the_route_before(
    tmp_path: Path, breaks_at: str, did: list[str]
) -> None:
    bench = Flying(tmp_path)
    bench.craft.refuse = {breaks_at: 1}
    with pytest.raises(AutopilotRefused):
        bench.pilot.fly(bench.order(bench.look_closer), bench.stop)
    assert bench.craft.did == did, "a mix of two missions is not flown"
    kept = Flights(tmp_path / "recordings").known("flt-1")
    assert (kept.route, kept.reached, kept.stored) == (route(), 0, False), "what was told as failed is not flown"
    bench.craft.did.clear()
    bench.fly(K.RESUME)
    assert bench.craft.did == [FENCED, "upload 10", "AUTO", "start"]
    assert bench.flights.known("flt-1").joined_at == 1


def test_a_change_is_checked_again_from_where_it_holds(tmp_path: Path) -> None:
    """While it brakes it flies on: from there the first leg may break what it kept from where it was."""
    bench = Flying(tmp_path)
    place = at(7.5, 5, 0)
    keep_out = Zone(kind=ZoneKind.KEEP_OUT, centre=Corner(lat_deg=place.lat_deg, lon_deg=place.lon_deg), radius_m=2)
    fence = route().fence.model_copy(update={"zones": (keep_out,)})
    order = bench.order(bench.look_closer.model_copy(update={"fence": fence}))
    bench.craft.now(habit=habit_of("ArduPilot", {"FS_GCS_ENABLE": 5.0}))  # its own return would cross the zone
    bench.pilot.check(order)
    bench.craft.on = lambda what: (
        bench.craft.now(fix=Fix(NOW_US, at(0, 10, 30), 30.0, 0.0, 0.0, 0.0)) if what == "HOLD" else None
    )
    with pytest.raises(UnsafeRoute, match="zone 0") as refused:
        bench.pilot.fly(order, bench.stop)
    assert "holds" in refused.value.hint
    assert bench.craft.did == ["HOLD"]
    kept = bench.flights.known("flt-1")
    assert (kept.route, kept.reached) == (route(), 0)


@pytest.mark.parametrize("mode", ["STABILIZE", "LOITER", "RTL"])
@pytest.mark.parametrize("kind", [K.ADJUST_ROUTE, K.RESUME, K.BEGIN_FLIGHT])
def test_who_takes_it_while_a_mission_is_stored_keeps_it(tmp_path: Path, kind: CommandKind, mode: str) -> None:
    """A pilot with a transmitter, or the autopilot for its battery: the mission is not started over them."""
    bench = Flying(tmp_path) if kind is not K.BEGIN_FLIGHT else Bench(tmp_path, in_flight())
    if kind is K.RESUME:
        bench.craft.now(mode="HOLD")
    bench.craft.on = lambda what: bench.craft.now(mode=mode) if what.startswith("upload") else None
    order = bench.order(bench.look_closer) if isinstance(bench, Flying) else None
    with contextlib.suppress(Preempted):
        bench.pilot.fly(order if order and kind is K.ADJUST_ROUTE else command(kind), bench.stop)
    assert "AUTO" not in bench.craft.did
    assert bench.craft.look().mode == mode


WRONG_CHANGES: list[tuple[str, Callable[[Route], Route], dict[str, Any], str]] = [
    ("another base", lambda r: r, {"preconditions": {"route_hash": "0" * 64}}, "route_changed"),
    ("another flight", lambda r: r, {"flight_id": "flt-2"}, "not_ready"),
    ("another asset", lambda r: r.model_copy(update={"asset_id": "wt-02"}), {}, "not_ready"),
    ("outside", lambda r: r.with_detour(1, (waypoint(0, 230, 0, 30),)), {}, "unsafe_route"),
    ("too far for the battery", lambda r: r.with_detour(1, (waypoint(0, 0, 190, 30, speed_mps=0.1),)), {}, "not_ready"),
]


@pytest.mark.parametrize(
    ("twist", "changes", "code"), [row[1:] for row in WRONG_CHANGES], ids=[r[0] for r in WRONG_CHANGES]
)
def test_a_changed_route_is_checked_again(
    tmp_path: Path, twist: Callable[[Route], Route], changes: dict[str, Any], code: str
) -> None:
    bench = Flying(tmp_path)
    order = bench.order(twist(bench.look_closer)).model_copy(update=changes)
    order = Command.model_validate({**dict(order), "preconditions": order.preconditions})
    with pytest.raises(PlatformError) as refused:
        bench.pilot.check(order)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "ways"),
    [
        ({"standoff_m": 8.0}, 1),
        ({"standoff_m": 20.0}, 0),
        ({"fence": Fence(centre=HOME, radius_m=300, max_alt_rel_m=120)}, 1),
    ],
)
def test_less_standoff_or_another_fence_lowers_margins(tmp_path: Path, changes: dict[str, Any], ways: int) -> None:
    bench = Flying(tmp_path)
    assert len(bench.pilot.lowers_margins(bench.order(bench.look_closer.model_copy(update=changes)))) == ways


def test_after_a_battery_swap_the_rest_is_flown_with_its_camera(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    order = command(K.BEGIN_FLIGHT, resume_at=1)
    bench.pilot.check(order)
    bench.pilot.fly(order, bench.stop)
    assert bench.craft.did[1] == "upload 10"
    kept = bench.flights.active()
    assert kept is not None
    assert (kept.joined_at, kept.reached) == (1, 0)


@pytest.mark.parametrize(
    ("change", "ways"),
    [
        ({"battery_reserve_percent": 15.0}, 1),
        ({"battery_reserve_percent": 30.0, "link_loss_return_s": 100.0}, 0),
        ({"link_loss_return_s": 600.0, "max_first_leg_m": 4000.0}, 2),
        ({"battery_min_v": 20.0}, 0),
    ],
)
def test_which_limits_lower_a_margin_and_that_they_last(tmp_path: Path, change: dict[str, float], ways: int) -> None:
    bench = Bench(tmp_path, aircraft())
    order = command(K.SET_LIMITS, limits=LimitsChange(**change))
    assert len(bench.pilot.lowers_margins(order)) == ways
    bench.pilot.fly(order, bench.stop)
    assert bench.pilot.limits._asdict().items() >= change.items()
    assert Allowances(tmp_path / "limits.json", LIMITS).limits == bench.pilot.limits
    assert bench.pilot.lowers_margins(order) == []


@pytest.mark.parametrize(
    ("phase", "kind", "why"),
    [
        (Phase.FLYING, K.BEGIN_FLIGHT, "still under way"),
        (Phase.ENDED, K.BEGIN_FLIGHT, "flown already"),
        (Phase.RETURNING, K.RESUME, "on its way home and goes on no more"),
        (Phase.PREPARING, K.RESUME, "No flight is paused"),
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

    def recover(self, ended: Callable[[Entry], Conclude | None]) -> None:
        self.kept = [ended(Entry(f"cmd-{n}", K.BEGIN_FLIGHT, "", AckState.EXECUTING)) is None for n in (1, 2)]

    def preempt(self, why: str) -> None:
        self.preempted.append(why)


class Watched(Bench):
    """A pilot with a monitor."""

    def __init__(self, folder: Path, start: Aircraft) -> None:
        super().__init__(folder, start)
        self.desk, self.events, self.offline_s = Desk(), Announcements(), 0.0
        self.monitor = Monitor(
            self.craft.look, self.pilot, self.desk, self.flights, self.events, Surroundings(lambda: self.offline_s)
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


def test_a_waypoint_is_on_disk_as_an_event_before_the_flight_counts_it(tmp_path: Path) -> None:
    bench = Watched(tmp_path, in_flight(reached_seq=3))
    bench.flights.save(flight(phase=Phase.FLYING))
    counted: list[int] = []

    def announce(kind: DroneEventKind, fields: dict[str, object]) -> Future[int]:
        told: Future[int] = Future()

        def settle() -> None:
            counted.append(Flights(tmp_path / "recordings").known("flt-1").reached)
            told.set_result(1)

        threading.Timer(0.05, settle).start()
        return told

    bench.monitor._announce = announce
    bench.monitor.step()
    assert counted
    assert set(counted) == {-1}, "a kill before this moment must find it uncounted"
    assert Flights(tmp_path / "recordings").known("flt-1").reached == 0
