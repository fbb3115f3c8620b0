"""How an autopilot returns, where that leads into the asset, and the way back along the route before it."""

from __future__ import annotations

import itertools
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.commands import Preconditions
from contracts.events import DroneEventKind
from contracts.geo import Enu
from contracts.routes import Fence, Route, Solid
from contracts.vocabulary import AircraftState, CommandKind
from edge.aircraft import Aircraft, MissionState
from edge.bodies import bodies_of
from edge.flights import Phase
from edge.geometry import Leg
from edge.itinerary import NAV_RETURN_TO_LAUNCH, NAV_WAYPOINT
from edge.mission import aircraft_state, itinerary_for
from edge.refusals import NotReady, ReturnBlocked, UnsafeRoute
from edge.retreat import CLIMB_TO_M, Retreat, retreat_of
from edge.returns import Habit, habit_of
from edge.rules import Action
from edge.safety import Wind, percent_home
from tests.unit.edge.test_pilot import FENCED, Bench
from tests.unit.edge.test_rules import Watched, placed
from tests.unit.edge.world import HOME, aircraft, at, command, flight, in_flight, route, waypoint

ARDU = {"RTL_ALT": 1500.0, "RTL_CLIMB_MIN": 0.0, "RTL_CONE_SLOPE": 3.0, "RTL_ALT_TYPE": 0.0, "FENCE_MARGIN": 2.0}
ARDU |= {"FS_GCS_ENABLE": 5.0}  # its failsafes are tests/unit/edge/test_failsafes.py's
PX4 = {"RTL_RETURN_ALT": 60.0, "RTL_CONE_ANG": 45.0, "RTL_MIN_DIST": 15.0, "RTL_TYPE": 0.0}
HEIGHTS = [
    ("as delivered", "ArduPilot", ARDU, Enu(50, 0, 5), 15.0),
    ("above that already", "ArduPilot", ARDU, Enu(50, 0, 40), 40.0),
    ("in metres since 4.7", "ArduPilot", {"RTL_ALT_M": 30.0, "RTL_CLIMB_MIN_M": 0.0}, Enu(50, 0, 5), 30.0),
    ("a climb in any case", "ArduPilot", ARDU | {"RTL_CLIMB_MIN": 500.0}, Enu(50, 0, 40), 45.0),
    ("lower near home", "ArduPilot", ARDU, Enu(3, 0, 5), 9.0),
    ("a cone too flat to count", "ArduPilot", ARDU | {"RTL_CONE_SLOPE": 0.4}, Enu(3, 0, 5), 15.0),
    ("no higher than its own fence lets it", "ArduPilot", ARDU | {"RTL_ALT": 15000.0}, Enu(50, 0, 5), 118.0),
    ("and never down", "ArduPilot", ARDU | {"RTL_ALT": 15000.0}, Enu(50, 0, 119), 119.0),
    ("nothing told", "ArduPilot", {}, Enu(1, 0, 5), 15.0),
    ("as PX4 is delivered", "PX4", PX4, Enu(50, 0, 5), 60.0),
    ("PX4 near home", "PX4", PX4 | {"RTL_CONE_ANG": 30.0}, Enu(14, 0, 5), 14.0 * math.sqrt(3.0)),
    ("PX4 looks at no ceiling", "PX4", PX4 | {"RTL_RETURN_ALT": 150.0}, Enu(50, 0, 5), 150.0),
    ("nothing told by PX4", "PX4", {}, Enu(50, 0, 5), 60.0),
]


@pytest.mark.parametrize(("stack", "told", "place", "top_m"), [row[1:] for row in HEIGHTS], ids=[r[0] for r in HEIGHTS])
def test_how_high_an_autopilot_flies_home(stack: str, told: dict[str, float], place: Enu, top_m: float) -> None:
    habit = habit_of(stack, told)
    assert habit.top_m(place, ceiling_m=120.0) == pytest.approx(top_m)
    assert habit.assumed == (not told)


@pytest.mark.parametrize(
    ("stack", "told", "names"),
    [("ArduPilot", {"RTL_ALT_TYPE": 1.0}, "RTL_ALT_TYPE"), ("PX4", {"RTL_TYPE": 2.0}, "RTL_TYPE")],
)
def test_a_return_that_nobody_can_foresee_is_not_flown_from(stack: str, told: dict[str, float], names: str) -> None:
    with pytest.raises(NotReady, match=rf"{names} is .* Set it to 0"):
        Retreat(route(), HOME, habit_of(stack, told)).check()


LOW = habit_of("ArduPilot", ARDU)
ROOF = Solid(name="nacelle", start=at(60, -10, 40), end=at(60, 10, 40), radius_m=3.0, clearance_m=4.0)
"""A body under which the route leads."""
UNDER = route(
    waypoint(0, 20, 0, 10), waypoint(1, 50, 0, 10), waypoint(2, 60, 0, 10), waypoint(3, 20, 5, 10), solids=(ROOF,)
)
HIGH = LOW._replace(height_m=60.0)


def test_below_a_body_the_climb_is_in_the_way_and_beside_it_clear() -> None:
    ways = Retreat(UNDER, HOME, HIGH)
    assert ways.trouble(Enu(50, 0, 10)) is None
    found = ways.trouble(Enu(60, 0, 10))
    assert found is not None
    assert (found.top_m, "nacelle" in found.words) == (60.0, True)
    assert Retreat(UNDER, HOME, LOW).trouble(Enu(60, 0, 10)) is None


def test_from_below_it_flies_back_to_where_the_return_is_clear() -> None:
    ways = Retreat(UNDER, HOME, HIGH)
    assert ways.back(Enu(50, 0, 10), 1) == ()
    assert _metres(ways.back(Enu(60, 0, 10), 2)) == [(60, 0, 10), (50, 0, 10)]
    assert _metres(ways.back(Enu(57, 0, 10), 1)) == [(50, 0, 10)]


def _metres(way: tuple[Enu, ...] | None) -> list[tuple[int, int, int]]:
    assert way is not None
    return [(round(p.east), round(p.north), round(p.up)) for p in way]


def test_where_no_leg_leads_back_no_way_is_known() -> None:
    wall = Solid(name="wall", start=at(60, 30, 0), end=at(60, 30, 90), radius_m=12.0, clearance_m=4.0)
    shut = Solid(name="roof", start=at(80, 30, 40), end=at(82, 30, 40), radius_m=9.0, clearance_m=4.0)
    ways = Retreat(route(waypoint(0, 20, 30, 10), solids=(wall, shut)), HOME, HIGH)
    assert ways.back(Enu(80, 30, 10), 0) is None


def test_the_way_back_and_the_reserve_are_counted_in_the_battery() -> None:
    ways, calm = Retreat(UNDER, HOME, HIGH), Wind(0.0, 0.0)
    below, beside = Enu(60, 0, 10), Enu(30, 0, 10)
    assert ways.percent(below, 2, calm) > percent_home(below, calm)
    assert ways.percent(beside, 0, calm) == percent_home(beside, calm)


BLOCKED = [
    ("at the last waypoint", UNDER.waypoints[:3], HIGH, "From waypoint 2, 10 m above home, .* at 60 m .* of nacelle"),
    ("at the start", (waypoint(0, 20, 0, 10),), HIGH._replace(slope=0.0), "From its start, 10 m above home"),
]


@pytest.mark.parametrize(("way", "habit", "why"), [row[1:] for row in BLOCKED], ids=[row[0] for row in BLOCKED])
def test_a_flight_without_a_way_home_is_refused_with_the_parameter(way: Any, habit: Habit, why: str) -> None:
    over = ROOF.model_copy(update={"start": at(-20, 0, 40), "end": at(20, 0, 40)})
    solids = (over,) if len(way) == 1 else (ROOF,)
    with pytest.raises(UnsafeRoute, match=why) as refused:
        Retreat(route(*way, solids=solids), HOME, habit).check()
    assert "RTL_ALT" in refused.value.hint


def test_a_return_above_the_ceiling_is_refused_where_the_autopilot_does_not_look_at_it() -> None:
    low = route(fence=Fence(centre=HOME, radius_m=200.0, max_alt_rel_m=55.0))
    Retreat(low, HOME, LOW._replace(height_m=60.0)).check()
    with pytest.raises(UnsafeRoute, match=r"at 60 m breaks the fence: 5.0 m above the fence's ceiling of 55 m"):
        Retreat(low, HOME, habit_of("PX4", PX4)).check()


places = st.tuples(st.floats(10, 110), st.floats(-60, 60), st.floats(6, 90))


@settings(max_examples=25, deadline=None)
@given(
    corners=st.lists(places, min_size=1, max_size=5),
    mast=st.tuples(st.floats(30, 90), st.floats(-40, 40), st.floats(15, 100)),
    height_m=st.floats(0, 110),
    share=st.floats(0, 1),
)
def test_a_way_back_never_comes_nearer_than_is_kept_and_ends_where_the_return_is_clear(
    corners: list[tuple[float, float, float]], mast: tuple[float, float, float], height_m: float, share: float
) -> None:
    east, north, up = mast
    boom = Solid(name="boom", start=at(east, north - 15, up), end=at(east, north + 15, up), radius_m=1, clearance_m=4)
    flown = route(*(waypoint(i, *corner) for i, corner in enumerate(corners)), solids=(boom,))
    ways, body = Retreat(flown, HOME, LOW._replace(height_m=height_m)), bodies_of(flown, HOME)[0]
    whole = [Enu(0, 0, CLIMB_TO_M), *(Enu(*corner) for corner in corners)]
    here = whole[-2].plus(whole[-1].minus(whole[-2]), share)
    back = ways.back(here, len(corners) - 2)
    if back:
        for start, end in itertools.pairwise((here, *back)):
            kept_m = min(4.0 - body.tolerance_m, body.apart_m(Leg(here, here)))
            assert body.apart_m(Leg(start, end)) >= min(kept_m, 4.0) - 0.02
        assert ways.trouble(back[-1]) is None
    assert (back == ()) == (ways.trouble(here, here) is None)


def under(**changes: Any) -> Aircraft:
    return in_flight(**({"habit": HIGH, "fix": placed(60, 0, 10).fix} | changes))


def test_an_aircraft_under_a_body_is_brought_back_along_its_route_before_it_climbs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, under())
    bench.flights.save(flight(route=UNDER, phase=Phase.FLYING, reached=2))
    bench.fly(CommandKind.RETURN_HOME)
    bench.fly(CommandKind.RETURN_HOME)
    assert bench.craft.did == ["HOLD", f"upload {len(bench.craft.items)}", "AUTO", "start"]
    commands = [item.command for item in bench.craft.items]
    assert commands.count(NAV_WAYPOINT) == 3  # home, and two corners
    assert commands[-1] == NAV_RETURN_TO_LAUNCH
    kept = bench.flights.known("flt-1")
    assert (kept.homeward, kept.stored) == (True, False)
    assert aircraft_state(bench.craft.look(), itinerary_for(kept, HOME)) is AircraftState.RETURNING
    bench.craft.now(mission_state=MissionState.PAUSED)
    assert aircraft_state(bench.craft.look(), itinerary_for(kept, HOME)) is AircraftState.PAUSED


def test_a_rule_that_brings_it_home_does_the_same_and_the_flight_is_told_as_interrupted(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.flights.change("flt-1", route=UNDER, reached=2)
    bench.craft.now(**under()._asdict())
    bench.full = True
    bench.wait(1)
    bench.until("HOLD", "upload 6", "AUTO", "start")
    assert bench.safety() == ["storage"]
    assert bench.flights.known("flt-1").phase is Phase.RETURNING
    assert bench.monitor.situation()[0] is AircraftState.RETURNING


def test_where_no_way_is_known_it_holds_says_so_and_tries_again_later(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.flights.change("flt-1", route=UNDER, reached=2)
    bench.craft.now(**under(fix=placed(60, 60, 10).fix)._asdict())
    over = ROOF.model_copy(update={"start": at(60, 50, 40), "end": at(60, 70, 40), "radius_m": 20.0})
    wall = Solid(name="wall", start=at(0, 30, 5), end=at(120, 30, 5), radius_m=8.0, clearance_m=4.0)
    bench.flights.change("flt-1", route=UNDER.model_copy(update={"solids": (over, wall)}))
    with pytest.raises(ReturnBlocked, match=r"return at 60 m comes within .* of nacelle"):
        bench.pilot.act(Action.RETURN)
    bench.full = True
    bench.craft.did.clear()
    bench.wait(1)
    bench.until()
    assert bench.safety() == ["storage", "return_blocked"]
    assert DroneEventKind.SAFETY in bench.events.kinds()


def test_from_below_a_body_a_changed_route_is_flown_all_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path, under())
    bench.flights.save(flight(route=UNDER, phase=Phase.FLYING, reached=2))
    changed = UNDER.with_detour(2, (waypoint(0, 62, 0, 10),))
    same = Preconditions(route_hash=UNDER.content_hash())
    order = command(
        CommandKind.ADJUST_ROUTE, route=changed, route_hash=changed.content_hash(), resume_at=3, preconditions=same
    )
    bench.pilot.check(order)


def test_an_aircraft_that_does_not_know_its_place_is_left_to_its_autopilot(tmp_path: Path) -> None:
    bench = Bench(tmp_path, under(gps_fix=1))
    bench.flights.save(flight(route=UNDER, phase=Phase.FLYING, reached=2))
    bench.fly(CommandKind.RETURN_HOME)
    assert bench.craft.did == ["RTL"]


def test_what_a_flight_is_checked_by_is_read_before_it_takes_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, aircraft(habit=LOW))
    ends: Route = UNDER.model_copy(update={"waypoints": UNDER.waypoints[:3]})
    order = command(CommandKind.BEGIN_FLIGHT, route=ends, route_hash=ends.content_hash())
    bench.pilot.check(order)

    def learn() -> Habit:
        bench.craft.now(habit=HIGH)
        return HIGH

    bench.craft.learn_habit = learn  # type: ignore[method-assign]
    with pytest.raises(UnsafeRoute, match="From waypoint 2"):
        bench.pilot.fly(order, threading.Event())
    assert FENCED not in bench.craft.did
    assert bench.flights.active() is None


def test_what_was_worked_out_is_kept() -> None:
    assert retreat_of(UNDER, HOME, LOW) is retreat_of(UNDER, HOME, LOW)
