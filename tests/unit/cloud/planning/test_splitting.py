"""A blade survey that is too much for one battery becomes several flights, each from home and back, no side cut."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.planning import planner, splitting
from cloud.planning.drawing import TAKE_OFF_UP_M, strips_of
from cloud.planning.flying import Planned
from cloud.planning.pattern import PlanInputs
from cloud.planning.splitting import BATTERY_PERCENT
from cloud.planning.verdicts import Verdict
from contracts.errors import InvalidInput
from contracts.geo import UP, LocalFrame
from contracts.routes import Route, Strip, WaypointAction
from contracts.turbine import TurbineGeometry
from tests.unit.cloud.planning.drone import refusal
from tests.unit.cloud.planning.test_flights import EXAMPLES
from tests.unit.cloud.planning.test_planner import FOOT, home_at, inputs, of, turbines

LONG = TurbineGeometry(foot=FOOT, hub_height_m=110.0, blade_length_m=65.0, root_radius_m=2.0, root_chord_m=3.5)
ROOM: dict[str, Any] = {"fence_radius_m": 300.0, "max_alt_rel_m": 250.0}
OWN_NUMBERS = {"ground_resolution", "motion_blur"}


def flights(wish: PlanInputs) -> list[Planned]:
    return planner.flights(wish, lambda part: (f"pln-{part:02d}", 1))


def filmed(route: Route) -> list[Strip]:
    """Return the sides in the order flown; each recording begins and ends on the same side."""
    found = []
    for before, after in zip(route.waypoints, route.waypoints[1:], strict=False):
        if after.action is WaypointAction.STOP_VIDEO:
            assert (before.action, before.strip) == (WaypointAction.START_VIDEO, after.strip)
            assert after.strip is not None
            found.append(after.strip)
    return found


def _assert_sound(wish: PlanInputs, planned: list[Planned]) -> None:
    """Every flight may be flown, begins and ends at home, and together they film each side once and as a whole."""
    for flight in planned:
        blocked = [c.sentence for c in flight.checks if c.verdict is Verdict.BLOCK and c.name not in OWN_NUMBERS]
        assert blocked == []
        assert refusal(flight.route) is None
        assert flight.route.home == planned[0].route.home
        over_home = LocalFrame(flight.route.home).to_enu(flight.route.waypoints[-1].point)
        assert over_home.minus(UP.times(TAKE_OFF_UP_M)).norm() < 0.02
        assert len(flight.route.waypoints) == flight.route.waypoints[-1].seq + 1
    seen = [strip for flight in planned for strip in filmed(flight.route)]
    assert len(set(seen)) == len(seen)
    missed = [strip for strip in strips_of(wish) if strip not in seen]
    said = " ".join(of(flight, "coverage").sentence for flight in planned)
    assert all(f"blade {strip.blade.value} {strip.side.value} not at all" in said for strip in missed)
    assert [strip for strip in strips_of(wish) if strip in seen] == seen, "in the order of one flight"


@settings(max_examples=max(6, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
@given(turbines(), st.floats(0.0, 360.0), st.floats(0.5, 4.0), st.floats(1.0, 6.0), st.none() | st.floats(0.0, 12.0))
def test_no_split_route_fails_its_own_checks(
    geometry: TurbineGeometry, bearing_deg: float, speed_mps: float, transit_mps: float, wind_mps: float | None
) -> None:
    reach_m = geometry.blade_length_m + geometry.root_radius_m + 20.0
    room = {"fence_radius_m": reach_m + 100.0, "max_alt_rel_m": min(500.0, geometry.hub_height_m + reach_m + 20.0)}
    speeds: dict[str, Any] = {"speed_mps": speed_mps, "transit_speed_mps": transit_mps, "wind_mps": wind_mps}
    wish = inputs(geometry, **room, **speeds)
    wish = wish.model_copy(update={"home": home_at(geometry, bearing_deg, reach_m + 20.0)})
    try:
        planned = flights(wish)
    except InvalidInput as error:
        assert error.field in {"params", "home"}  # noqa: PT017 - some wishes cannot be flown; most can
        return
    _assert_sound(wish, planned)
    if len(planned) > 1:
        assert planner.plan(wish, "pln-1", 1).estimates.battery_percent > BATTERY_PERCENT, "only what is too much"


def test_a_long_blade_survey_becomes_flights_that_each_fit_a_battery() -> None:
    wish = inputs(LONG, speed_mps=0.7, **ROOM)
    assert of(planner.plan(wish, "pln-1", 1), "battery").verdict == "block"
    planned = flights(wish)
    assert len(planned) > 1
    _assert_sound(wish, planned)
    assert all(flight.estimates.battery_percent <= BATTERY_PERCENT for flight in planned)
    assert [flight.route.plan_id for flight in planned] == [f"pln-{n + 1:02d}" for n in range(len(planned))]
    assert sum(f.estimates.inspected_m for f in planned) == pytest.approx(12 * (LONG.blade_length_m - 3.0), rel=0.01)


def test_what_fits_one_battery_stays_one_flight_with_the_same_bytes() -> None:
    [flight] = flights(inputs())
    assert flight.route.content_hash() == planner.plan(inputs(), "pln-01", 1).route.content_hash()


def test_the_same_wish_splits_into_the_same_bytes() -> None:
    wish = inputs(LONG, speed_mps=0.7, **ROOM)
    hashes = [[flight.route.content_hash() for flight in flights(wish)] for _ in range(2)]
    assert hashes[0] == hashes[1]


def test_a_side_that_no_flight_can_look_at_is_said_once() -> None:
    low = TurbineGeometry(foot=FOOT, rotor_azimuth_deg=60.0, hub_height_m=30.0)
    wish = inputs(low, speed_mps=0.5, transit_speed_mps=0.8)
    planned = flights(wish)
    assert len(planned) > 1
    _assert_sound(wish, planned)
    said = [of(flight, "coverage").sentence.count("not at all") for flight in planned]
    assert sum(said) == len(strips_of(wish)) - sum(len(filmed(flight.route)) for flight in planned)


def test_more_wind_than_may_be_flown_blocks_one_flight() -> None:
    [flight] = flights(inputs(LONG, speed_mps=0.7, wind_mps=14.0, **ROOM))
    assert of(flight, "wind").verdict == "block"


def test_one_side_that_no_battery_reaches_is_refused() -> None:
    far = inputs(transit_speed_mps=0.5, fence_radius_m=900.0)
    with pytest.raises(InvalidInput) as caught:
        flights(far.model_copy(update={"home": home_at(far.geometry, 240.0, 800.0)}))
    assert (caught.value.field, "of the battery" in caught.value.message) == ("params", True)
    assert "transit_speed_mps" in caught.value.hint


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(30, 90))
def test_sections_are_cut_greedily(costs: list[int], limit: int) -> None:
    """Against the plain walk: as many sections as fit, from the first on."""
    first, flown = 0, []
    while first < len(costs):
        last, sections = splitting.grown(
            first,
            len(costs),
            costs[first : first + 1],
            lambda last, first=first: costs[first : last + 1],  # type: ignore[misc]
            lambda some: sum(some) <= limit,
        )
        assert sections == costs[first : last + 1]
        assert sum(sections) <= limit
        assert last == len(costs) - 1 or sum(costs[first : last + 2]) > limit
        flown += sections
        first = last + 1
    assert flown == costs
    assert [key for key, _ in groupby(flown)] == [key for key, _ in groupby(costs)]
