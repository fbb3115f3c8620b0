"""A flight that was broken off is joined where its drone lets it: the way from take-off leads through nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import LineString, Polygon

from cloud.planning import planner, resuming
from contracts.errors import InvalidInput
from contracts.geo import Enu, LocalFrame
from contracts.routes import Corner, Route, Zone, ZoneKind
from contracts.turbine import TurbineGeometry
from edge.refusals import UnsafeRoute
from edge.safety import Start, check_route
from tests.unit.cloud.planning.drone import LIMITS
from tests.unit.cloud.planning.test_flights import EXAMPLES
from tests.unit.cloud.planning.test_planner import FOOT, inputs, turbines

FRAME = LocalFrame(FOOT)


def why_not(route: Route, first: int, up_m: float = 10.0) -> str | None:
    """Return why the drone refuses to join a route at a waypoint; None when it does."""
    try:
        check_route(route, route.home, Start(Enu(0.0, 0.0, up_m), first), LIMITS)
    except UnsafeRoute as error:
        return error.message
    return None


@settings(max_examples=max(5, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
@given(turbines(), st.floats(0.0, 360.0), st.floats(0.0, 1.0), st.sampled_from([10.0, 15.0, 20.0]))
def test_wherever_a_flight_breaks_off_the_drone_joins_it_again(
    geometry: TurbineGeometry, bearing_deg: float, share: float, up_m: float
) -> None:
    room = {
        "fence_radius_m": 300.0,
        "max_alt_rel_m": min(500.0, geometry.hub_height_m + geometry.blade_length_m + 40.0),
    }
    try:
        route = planner.plan(inputs(geometry, bearing_deg=bearing_deg, blades=["A"], **room), "pln-1", 1).route
    except InvalidInput:
        assume(False)
    reached = int(share * (len(route.waypoints) - 2))
    first = resuming.joins(route, reached)
    assert first <= reached
    assert why_not(route, first, up_m) is None


def test_what_is_flown_again_and_what_was_flown_make_the_whole_route() -> None:
    """Against pyproj's lengths: nothing of the route is left out between the two flights."""
    route, geod = planner.plan(inputs(), "pln-1", 1).route, Geod(ellps="WGS84")
    points = [waypoint.point for waypoint in route.waypoints]

    def level_m(first: int, last: int) -> float:
        some = points[first : last + 1]
        return float(geod.line_length([p.lon_deg for p in some], [p.lat_deg for p in some]))

    for reached in range(len(points) - 1):
        first = resuming.joins(route, reached)
        flown, again = level_m(0, reached), level_m(first, len(points) - 1)
        assert flown + again - level_m(first, reached) == pytest.approx(level_m(0, len(points) - 1), abs=1e-6)


def test_little_is_flown_twice() -> None:
    """Round the usual turbine at least every other place can be joined where the flight broke off."""
    route = planner.plan(inputs(), "pln-1", 1).route
    again = [reached - resuming.joins(route, reached) for reached in range(len(route.waypoints) - 1)]
    assert sum(number == 0 for number in again) > len(again) / 2


def test_a_zone_between_is_not_flown_through() -> None:
    route = planner.plan(inputs(blades=["A"]), "pln-1", 1).route
    last = len(route.waypoints) - 2
    frame = LocalFrame(route.home)
    there = frame.to_enu(route.waypoints[last].point)
    middle = there.times(0.5)
    outline = [middle.plus(Enu(east, north, 0.0)) for east, north in ((-2, -2), (2, -2), (2, 2), (-2, 2))]
    corners = tuple(
        Corner(lat_deg=point.lat_deg, lon_deg=point.lon_deg) for point in (frame.to_geo(place) for place in outline)
    )
    zoned = route.model_copy(
        update={"fence": route.fence.model_copy(update={"zones": (Zone(kind=ZoneKind.KEEP_OUT, corners=corners),)})}
    )
    first = resuming.joins(zoned, last)
    way = LineString([(0.0, 0.0), frame.to_enu(zoned.waypoints[first].point)[:2]])
    assert first == 0 or not way.intersects(Polygon([place[:2] for place in outline]))
    assert first < last
