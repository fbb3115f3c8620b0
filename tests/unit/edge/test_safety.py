"""Routes and flights that break a rule are refused or ended, with the rule and the metres."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.geo import GeoPoint, LocalFrame
from contracts.routes import Fence, Route, Waypoint
from edge.refusals import NotReady, UnsafeRoute
from edge.safety import check_energy, check_route, fence_breach, must_return, require_position
from tests.unit.edge.world import FRAME, HOME, LIMITS, aircraft, at, in_flight, route, waypoint

FENCE = Fence(centre=HOME, radius_m=200.0, max_alt_rel_m=120.0)


def test_a_sound_route_passes() -> None:
    check_route(route(), HOME, 10.0, LIMITS)


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
        check_route(planned, HOME, 10.0, LIMITS)


def test_a_leg_may_not_cut_a_corner_of_the_fence() -> None:
    fence = Fence(centre=at(150, 0, 0), radius_m=160.0, max_alt_rel_m=60.0)
    sound = route(waypoint(0, 150, 150, 30), waypoint(1, 150, -150, 30), fence=fence)
    check_route(sound, HOME, 10.0, LIMITS)
    with pytest.raises(UnsafeRoute, match="leg to waypoint 1"):
        check_route(route(waypoint(0, 20, 0, 30), waypoint(1, 0, 60, 30), fence=fence), HOME, 10.0, LIMITS)


@given(
    east=st.floats(-400, 400),
    north=st.floats(-400, 400),
    up=st.floats(3, 300),
)
def test_a_route_is_refused_exactly_when_its_place_is_outside(east: float, north: float, up: float) -> None:
    inside = fence_breach(FENCE, FRAME, FRAME.to_enu(at(east, north, up))) is None
    try:
        check_route(route(waypoint(0, east, north, up)), HOME, 10.0, LIMITS)
        passed = True
    except UnsafeRoute:
        passed = False
    assert passed == inside


def test_the_battery_must_last_the_route_and_the_way_home() -> None:
    long = route(waypoint(0, 0, 190, 30, speed_mps=1.0), waypoint(1, 0, -190, 30, speed_mps=1.0))
    check_energy(long, HOME, 60.0, LIMITS)
    with pytest.raises(NotReady, match="holds 40 %"):
        check_energy(long, HOME, 40.0, LIMITS)


@pytest.mark.parametrize(
    ("changes", "offline_s", "code"),
    [
        ({}, 0.0, None),
        ({"fix": aircraft(up=130.0).fix}, 0.0, "fence"),
        ({"fix": aircraft(up=123.0).fix}, 0.0, None),
        ({"battery_percent": 19.0}, 0.0, "battery"),
        ({"battery_percent": None}, 0.0, None),
        ({}, 301.0, "link"),
        ({"fix": None}, 0.0, None),
    ],
)
def test_in_flight_rules(changes: dict[str, Any], offline_s: float, code: str | None) -> None:
    breach = must_return(in_flight()._replace(**changes), FENCE, offline_s, LIMITS)
    assert (breach.code if breach else None) == code


def test_the_voltage_counts_where_the_percentage_lies() -> None:
    limits = LIMITS._replace(battery_min_v=21.0)
    breach = must_return(in_flight(battery_percent=98.0, battery_v=20.5), FENCE, 0.0, limits)
    assert breach is not None
    assert "20.50 V" in breach.detail


def test_farther_out_more_battery_is_needed() -> None:
    far = in_flight(battery_percent=22.0)._replace(fix=aircraft().fix._replace(point=at(0, 1900, 40)))  # type: ignore[union-attr]
    near = in_flight(battery_percent=22.0)
    wide = Fence(centre=HOME, radius_m=5000.0, max_alt_rel_m=120.0)
    assert must_return(near, wide, 0.0, LIMITS) is None
    assert must_return(far, wide, 0.0, LIMITS) is not None


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
