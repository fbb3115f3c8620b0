"""What an autopilot does by itself is told, and flies back the way it came where the straight way is blocked."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft, MissionState
from edge.failsafes import BATTERIES, actions_of_monitors, ardupilot_failsafes
from edge.flights import Phase
from edge.refusals import UnsafeRoute
from edge.retreat import Retreat
from edge.returns import Habit, habit_of
from tests.unit.edge.test_pilot import Bench
from tests.unit.edge.test_retreat import PX4, UNDER
from tests.unit.edge.world import HOME, aircraft, command, flight, in_flight, route, waypoint

TOLD = {
    "RTL_ALT": 6000.0, "RTL_CLIMB_MIN": 0.0, "RTL_CONE_SLOPE": 3.0, "RTL_ALT_TYPE": 0.0, "FENCE_MARGIN": 2.0,
    "WPNAV_SPEED": 800.0, "FS_GCS_ENABLE": 1.0, "FS_THR_ENABLE": 1.0, "BATT_FS_LOW_ACT": 2.0, "BATT_FS_CRT_ACT": 1.0,
    "FENCE_ACTION": 1.0, "SRTL_POINTS": 300.0, "SRTL_ACCURACY": 2.0, "FS_OPTIONS": 16.0,
}  # fmt: skip
"""As ArduCopter is delivered, but higher, and with the failsafes on."""
BACK = {"FS_GCS_ENABLE": 3.0, "FS_THR_ENABLE": 4.0, "BATT_FS_LOW_ACT": 3.0, "FENCE_ACTION": 3.0}


def habit(**told: float | None) -> Habit:
    changed = {name: value for name, value in (TOLD | told).items() if value is not None}
    return habit_of("ArduPilot", changed)


def test_only_what_climbs_from_where_it_is_is_changed() -> None:
    ways = Retreat(UNDER, HOME, habit())
    ways.check()
    assert ways.failsafes(20.0) == BACK
    assert Retreat(UNDER, HOME, habit(FS_THR_ENABLE=0.0, FS_GCS_ENABLE=5.0)).failsafes(20.0) == {
        name: BACK[name] for name in ("BATT_FS_LOW_ACT", "FENCE_ACTION")
    }


def test_a_low_battery_flies_back_only_where_the_reserve_reaches() -> None:
    ways = Retreat(UNDER, HOME, habit())
    assert 0.0 < ways.percent_along < 20.0
    assert "BATT_FS_LOW_ACT" not in ways.failsafes(ways.percent_along - 0.01)


OTHERS = [monitor for monitor in BATTERIES if monitor != "BATT_MONITOR"]


@pytest.mark.parametrize("monitor", OTHERS)
def test_another_battery_monitor_that_is_on_is_changed_as_the_first_is(monitor: str) -> None:
    low, critical = BATTERIES[monitor]
    told = TOLD | {monitor: 4.0, low: 2.0, critical: 1.0}
    ways = Retreat(UNDER, HOME, habit(**told))
    ways.check()
    assert ways.failsafes(20.0) == BACK | {low: 3.0}
    assert not [name for name in ways.failsafes(ways.percent_along - 0.01) if "BATT" in name]
    assert f"{low} 2" in ardupilot_failsafes(told).words()


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({}, []),
        (dict.fromkeys(OTHERS, 0.0), []),
        ({"BATT2_MONITOR": 4.0}, ["BATT2_FS_LOW_ACT", "BATT2_FS_CRT_ACT"]),
        ({"BATT9_MONITOR": 8.0, "BATT9_FS_LOW_ACT": 2.0}, ["BATT9_FS_CRT_ACT"]),
    ],
)
def test_only_a_monitor_that_is_on_is_asked_what_it_does(told: dict[str, float], asked: list[str]) -> None:
    assert [name for (name,) in actions_of_monitors(told)] == asked


def test_where_every_return_is_clear_nothing_is_changed() -> None:
    assert Retreat(route(), HOME, habit()).failsafes(20.0) == {}


def test_a_place_between_two_corners_counts() -> None:
    through = UNDER.model_copy(update={"waypoints": (waypoint(0, 50, 0, 10), waypoint(1, 70, 0, 10))})
    ways = Retreat(through, HOME, habit())
    assert ways.blocked is not None
    assert ways.blocked.stop.waypoint == 1


UNREAD = "It has told nothing of BATT2_FS_LOW_ACT, though that battery monitor is on"
OFF: dict[str, float | None] = dict.fromkeys(BACK, 0.0)
REFUSED: list[tuple[str, dict[str, float | None], str]] = [
    ("before 4.0", {"FS_OPTIONS": None}, "no SmartRTL for its failsafes"),
    ("built without it", {"SRTL_POINTS": None}, "no SmartRTL for its failsafes"),
    ("switched off", {"SRTL_POINTS": 0.0}, "Its SmartRTL is off. Set SRTL_POINTS"),
    ("too short a track", {"SRTL_POINTS": 20.0}, r"SRTL_POINTS is 20 and this path needs \d+"),
    ("too coarse a track", {"SRTL_ACCURACY": 5.0}, "SRTL_ACCURACY is 5 m, with 4 m kept: it may be 2 at most"),
    ("a second monitor's action not told", {"BATT2_MONITOR": 4.0, "BATT2_FS_CRT_ACT": 1.0}, UNREAD),
    ("nor anything else that returns", {**OFF, "BATT2_MONITOR": 4.0, "BATT2_FS_CRT_ACT": 1.0}, UNREAD),
    ("the first one's not told", {"BATT_MONITOR": 4.0, "BATT_FS_LOW_ACT": None}, "nothing of BATT_FS_LOW_ACT, though"),
    ("nothing told", dict.fromkeys(BACK) | {"BATT_FS_CRT_ACT": None}, "has told nothing of its failsafes"),
]


def test_an_owners_own_way_back_must_be_long_enough_too() -> None:
    with pytest.raises(UnsafeRoute, match="SRTL_POINTS is 20"):
        Retreat(UNDER, HOME, habit(**BACK, SRTL_POINTS=20.0)).check()
    Retreat(UNDER, HOME, habit(**BACK)).check()


@pytest.mark.parametrize(("told", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_flight_whose_failsafes_would_climb_into_something_is_refused(
    told: dict[str, float | None], why: str
) -> None:
    with pytest.raises(UnsafeRoute, match=rf"way to waypoint 2, .* return at 60 m .* of nacelle.* {why}"):
        Retreat(UNDER, HOME, habit(**told)).check()


def test_px4_has_none_to_fly_back_with() -> None:
    with pytest.raises(UnsafeRoute, match="PX4 has one return for all its failsafes"):
        Retreat(UNDER, HOME, habit_of("PX4", PX4)).check()
    Retreat(route(), HOME, habit_of("PX4", PX4)).check()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (TOLD, "return straight (FS_GCS_ENABLE 1, FS_THR_ENABLE 1, BATT_FS_LOW_ACT 2, FENCE_ACTION 1). It can"),
        (TOLD | BACK, "None of its failsafes returns straight."),
        (TOLD | {"SRTL_POINTS": 0.0}, "Its SmartRTL is off."),
        (TOLD | BACK | {"BATT2_MONITOR": 4.0, "BATT2_FS_CRT_ACT": 0.0}, UNREAD),
        ({}, "It has told nothing of its failsafes."),
    ],
)
def test_a_person_is_told_what_it_does(told: dict[str, float], says: str) -> None:
    assert says in ardupilot_failsafes(told).words()
    assert says in habit_of("ArduPilot", told).words()


def begun(folder: Path, **changes: Any) -> Bench:
    """Return a bench whose aircraft has begun a flight under a body."""
    bench = Bench(folder, aircraft(**({"habit": habit()} | changes)))
    bench.craft.values = {name: TOLD[name] for name in (*BACK, "BATT_FS_CRT_ACT")}
    order = command(CommandKind.BEGIN_FLIGHT, route=UNDER, route_hash=UNDER.content_hash())
    bench.pilot.fly(order, threading.Event())
    return bench


def test_they_are_set_before_it_arms_and_given_back_after_the_flight(tmp_path: Path) -> None:
    bench = begun(tmp_path)
    did = bench.craft.did
    assert did.index("FENCE_ACTION=3") < did.index("arm")
    assert {name: bench.craft.values[name] for name in BACK} == BACK
    assert not bench.pilot.may_give_back()
    bench.craft.now(**aircraft(habit=habit())._asdict())
    assert not bench.pilot.may_give_back(), "the flight goes on as long as its record says so"
    bench.flights.change("flt-1", phase=Phase.ENDED)
    assert bench.pilot.may_give_back()
    bench.loan.give_back()
    assert bench.craft.values == {name: TOLD[name] for name in (*BACK, "BATT_FS_CRT_ACT")}


def test_before_it_was_asked_nothing_is_refused_and_then_it_does_not_take_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft())
    order = command(CommandKind.BEGIN_FLIGHT, route=UNDER, route_hash=UNDER.content_hash())
    bench.pilot.check(order)

    def learn() -> Habit:
        bench.craft.now(habit=habit(SRTL_POINTS=0.0))
        return habit(SRTL_POINTS=0.0)

    bench.craft.learn_habit = learn  # type: ignore[method-assign]
    with pytest.raises(UnsafeRoute, match="Its SmartRTL is off"):
        bench.pilot.fly(order, threading.Event())
    assert bench.craft.did == []


def test_a_flight_whose_failsafes_do_not_take_it_does_not_take_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft(habit=habit()))
    order = command(CommandKind.BEGIN_FLIGHT, route=UNDER, route_hash=UNDER.content_hash())
    with pytest.raises(Exception, match="has no parameter FS_GCS_ENABLE"):
        bench.pilot.fly(order, threading.Event())
    assert "arm" not in bench.craft.did
    assert bench.flights.active() is None


def test_what_an_earlier_flight_has_not_given_back_stays_for_the_next(tmp_path: Path) -> None:
    bench = begun(tmp_path)
    bench.flights.change("flt-1", phase=Phase.ENDED)
    bench.loan.due = True
    bench.craft.now(**aircraft(habit=habit(**BACK))._asdict())
    order = command(CommandKind.BEGIN_FLIGHT, seq=2, flight_id="flt-2", route=UNDER, route_hash=UNDER.content_hash())
    bench.pilot.fly(order, threading.Event())
    assert {name: bench.craft.values[name] for name in BACK} == BACK
    assert not bench.pilot.may_give_back()
    assert bench.loan.held["FS_GCS_ENABLE"] == (1.0, 3.0)


def below(**changes: Any) -> Aircraft:
    return in_flight(**({"habit": habit()} | changes))


def test_on_a_clear_way_home_they_are_given_back_in_the_air_lest_one_turns_it_round(tmp_path: Path) -> None:
    bench = begun(tmp_path)
    bench.craft.now(**below()._asdict())
    bench.fly(CommandKind.RETURN_HOME)
    assert bench.craft.did[-1] == "RTL"
    assert bench.pilot.may_give_back()
    bench.fly(CommandKind.RESUME)
    assert not bench.pilot.may_give_back(), "on its route again it comes back the way it came"


def test_on_the_way_back_along_its_route_they_stay(tmp_path: Path) -> None:
    bench = begun(tmp_path)
    bench.craft.now(**below(mission_state=MissionState.ACTIVE)._asdict())
    bench.flights.save(flight(route=UNDER, phase=Phase.RETURNING, reached=2, homeward=True))
    assert not bench.pilot.may_give_back()
