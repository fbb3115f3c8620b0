"""Routes and flights that break a rule are refused or ended, with the rule and the metres."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Fence, Route, Waypoint
from edge.bodies import place_of
from edge.geometry import Leg
from edge.refusals import NotReady, UnsafeRoute
from edge.safety import (
    Bounds,
    Start,
    Wind,
    check_energy,
    check_route,
    percent_home,
    require_position,
    wind_of,
)
from tests.unit.edge.world import FRAME, HOME, LIMITS, aircraft, at, route, waypoint

START = Start(Enu(0.0, 0.0, 10.0))
FENCE = Fence(centre=HOME, radius_m=200.0, max_alt_rel_m=120.0)


def test_a_sound_route_passes() -> None:
    check_route(route(), HOME, START, LIMITS)


def _with_nan() -> Waypoint:
    sound = waypoint(0, 20, 0, 30)
    point = GeoPoint.model_construct(lat_deg=56.7, lon_deg=float("nan"), alt_m=70.0)
    return sound.model_copy(update={"point": point})


UNSAFE = [
    ("outside", route(waypoint(0, 203, 0, 30)), "3.0 m outside"),
    ("ceiling", route(waypoint(0, 20, 0, 121)), "1.0 m above"),
    ("low", route(waypoint(0, 20, 0, 1)), "1.0 m above home"),
    ("numbers", route(waypoint(0, 20, 0, 30), waypoint(2, 20, 9, 30)), "carries number 2"),
    ("not a number", route(_with_nan()), "not finite"),
    ("elsewhere", route(home=at(100, 0, 0)), "100 m from where"),
    ("sea level", route(home=at(0, 0, -41)), "-41.0 m off"),
    ("far start", route(waypoint(0, 0, 4000, 30), fence=FENCE.model_copy(update={"radius_m": 9000.0})), "4000 m away"),
]


@pytest.mark.parametrize(("planned", "why"), [row[1:] for row in UNSAFE], ids=[row[0] for row in UNSAFE])
def test_an_unsafe_route_is_refused_in_metres(planned: Route, why: str) -> None:
    with pytest.raises(UnsafeRoute, match=why):
        check_route(planned, HOME, START, LIMITS)


def test_a_leg_may_not_cut_a_corner_of_the_fence() -> None:
    fence = Fence(centre=at(150, 0, 0), radius_m=160.0, max_alt_rel_m=60.0)
    sound = route(waypoint(0, 150, 150, 30), waypoint(1, 150, -150, 30), fence=fence)
    check_route(sound, HOME, START, LIMITS)
    with pytest.raises(UnsafeRoute, match="leg to waypoint 1"):
        check_route(route(waypoint(0, 20, 0, 30), waypoint(1, 0, 60, 30), fence=fence), HOME, START, LIMITS)


@given(
    east=st.floats(-400, 400),
    north=st.floats(-400, 400),
    up=st.floats(3, 300),
)
def test_a_route_is_refused_exactly_when_its_place_is_outside(east: float, north: float, up: float) -> None:
    place = place_of(at(east, north, up), FRAME)
    inside = Bounds(FENCE, FRAME).breach(Leg(place, place)) is None and place.up >= 2.0
    try:
        check_route(route(waypoint(0, east, north, up)), HOME, START, LIMITS)
        passed = True
    except UnsafeRoute:
        passed = False
    assert passed == inside


def test_the_battery_must_last_the_route_and_the_way_home() -> None:
    long = route(waypoint(0, 0, 190, 30, speed_mps=1.0), waypoint(1, 0, -190, 30, speed_mps=1.0))
    check_energy(long, HOME, START, aircraft(battery_percent=60.0), LIMITS)
    with pytest.raises(NotReady, match="holds 40 %"):
        check_energy(long, HOME, START, aircraft(battery_percent=40.0), LIMITS)


def test_a_headwind_home_needs_more_battery() -> None:
    far = Enu(0.0, 1000.0, 50.0)
    still, against, behind = (percent_home(far, Wind(0.0, north_mps)) for north_mps in (0.0, 8.0, -8.0))
    assert behind == still
    assert against > 1.3 * still
    assert percent_home(far, Wind(0.0, 13.9)) > 100.0, "nobody gets home against that"


def test_the_wind_is_where_it_comes_from() -> None:
    wind = wind_of(aircraft(wind_mps=5.0, wind_from_deg=270.0))
    assert (wind.east_mps, wind.north_mps) == pytest.approx((5.0, 0.0))
    assert wind_of(aircraft()) == Wind(0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"fix": None}, "place"), ({"home": None}, "home"), ({"clock_set": False}, "time")],
)
def test_no_flight_without_place_home_and_time(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NotReady, match=why):
        require_position(aircraft(**changes))


def test_home_is_above_the_ellipsoid() -> None:
    assert require_position(aircraft()) == HOME
    assert LocalFrame(HOME).to_enu(HOME).norm() < 1e-6
