"""A flight goes on only by a way that a leg of its route may take, from wherever the aircraft has come to be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import PlatformError
from contracts.geo import Enu
from contracts.routes import Corner, Fence, Solid, Zone, ZoneKind
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft, Fix
from edge.bodies import bodies_of
from edge.flights import Phase
from edge.geometry import Leg
from edge.refusals import NotReady, UnsafeRoute
from edge.rejoining import check_rejoining
from edge.safety import Bounds
from tests.unit.edge.test_pilot import Bench
from tests.unit.edge.world import FRAME, HOME, LIMITS, NOW_US, at, command, flight, in_flight, route, waypoint

MAST = Solid(name="mast", start=at(50, 0, 0), end=at(50, 0, 60), radius_m=1.0)
KEEP_OUT = Zone(kind=ZoneKind.KEEP_OUT, centre=Corner(lat_deg=at(0, -60, 0).lat_deg, lon_deg=HOME.lon_deg), radius_m=20)
FENCE = Fence(centre=HOME, radius_m=200.0, max_alt_rel_m=120.0, zones=(KEEP_OUT,))
PLAN = route(waypoint(0, 20, 40, 30), waypoint(1, 37, 0, 30), waypoint(2, 37, -40, 30), solids=(MAST,), fence=FENCE)
"""Past the mast at its standoff of 12 m from the surface."""


def seen(east: float, north: float, up: float, **changes: Any) -> Aircraft:
    held = {"mode": "LOITER", "fix": Fix(NOW_US, at(east, north, up), up, 0.0, 0.0, 0.0)}
    return in_flight(**(held | changes))


WAYS = [
    ("where it stopped", seen(30, 15, 30), ""),
    ("swayed nearer than promised, and leads away", seen(38.5, 3, 30), ""),
    ("behind the mast", seen(70, 5, 30), "of mast; 12.0 m"),
    ("nearer than any sway", seen(44.5, 0, 30), "of mast; 12.0 m"),
    ("outside the fence", seen(205, 0, 30), "5.0 m outside the fence"),
    ("above its ceiling", seen(30, 15, 124), "above the fence's ceiling"),
    ("over a zone to keep out of", seen(0, -95, 30), "inside zone 0"),
    ("lower than level flight", seen(30, 15, 1.2), "1.2 m above home"),
    ("not enough charge to get there and home", seen(30, 15, 30, battery_percent=21.0), "holds 21 %"),
    ("no place", seen(30, 15, 30, fix=None), "does not know its place"),
]


@pytest.mark.parametrize(("found", "why"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_a_flight_resumes_only_by_a_way_that_a_leg_may_take(tmp_path: Path, found: Aircraft, why: str) -> None:
    bench = Bench(tmp_path, found)
    bench.flights.save(flight(route=PLAN, phase=Phase.FLYING, reached=0))
    if not why:
        bench.pilot.check(command(CommandKind.RESUME))
        return
    with pytest.raises((NotReady, UnsafeRoute), match=why) as refused:
        bench.pilot.check(command(CommandKind.RESUME))
    assert refused.value.hint, "it says what to do"


def test_the_battery_must_last_to_the_waypoint_and_home_not_to_the_end_of_the_route() -> None:
    long = route(waypoint(0, 20, 0, 30), waypoint(1, 0, 190, 30, speed_mps=0.1))
    check_rejoining(long, 0, seen(10, 0, 30, battery_percent=40.0), LIMITS)
    with pytest.raises(NotReady, match="holds 40 %"):
        check_rejoining(long, 1, seen(10, 0, 30, battery_percent=40.0), LIMITS)


def test_behind_the_last_waypoint_the_way_home_is_checked() -> None:
    with pytest.raises(UnsafeRoute, match="The way home comes within"):
        check_rejoining(PLAN, 3, seen(90, 0, 30), LIMITS)


def _sampled(found: Aircraft) -> list[Enu]:
    assert found.fix is not None
    start, end = FRAME.to_enu(found.fix.point), Enu(37.0, 0.0, 30.0)
    here = Enu(start.east, start.north, found.fix.alt_rel_m)
    return [here.plus(end.minus(here), step / 200) for step in range(201)]


@given(east=st.floats(-210, 210), north=st.floats(-210, 210), up=st.floats(0, 130))
def test_whatever_is_let_pass_keeps_fence_and_standoff_all_along(east: float, north: float, up: float) -> None:
    found = seen(east, north, up)
    places = _sampled(found)
    bounds, body = Bounds(FENCE, FRAME), bodies_of(PLAN, HOME)[0]
    worst_m = min(body.apart_m(Leg(place, place)) for place in places)
    start_m = body.apart_m(Leg(places[0], places[0]))
    outside = next((why for place in places if (why := bounds.breach(Leg(place, place)))), None)
    try:
        check_rejoining(PLAN, 1, found, LIMITS)
    except PlatformError:
        sound = outside is None and worst_m >= 11.6 and up >= 2.1
        assert not sound, "a way without fault is not refused"
        return
    assert outside is None or math.isclose(float(outside.split()[0]), 0.0, abs_tol=0.06)
    assert worst_m >= min(11.49, start_m - 0.02)
    assert worst_m >= 6.0
