"""What goes with a route as the asset's solid parts: it holds the real body, and the drone judges by it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.planning import bodies, missions, planner
from cloud.planning.surveys import AnyGeometry, SurveyInputs
from cloud.planning.verdicts import Verdict
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.powerline import PowerLine
from contracts.routes import Route
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from edge.bodies import bodies_of
from edge.geometry import Leg
from interchange import mission as parts
from interchange.mission import Altitude, AltitudeReference, LatLon, Mission
from tests.unit.cloud.planning.drone import refusal
from tests.unit.cloud.planning.test_flights import EXAMPLES, line, masts, plan, power_lines
from tests.unit.cloud.planning.test_planner import FOOT, inputs, turbines
from tests.unit.edge.world import route

FEW = settings(max_examples=max(8, EXAMPLES // 3), deadline=None, suppress_health_check=list(HealthCheck))


def surface_of(geometry: AnyGeometry) -> Iterable[GeoPoint]:
    """Yield places on the real thing, whatever the planner takes it for."""
    match geometry:
        case TurbineGeometry():
            yield from map(geometry.frame().to_geo, _turbine(geometry))
        case TelecomTower():
            yield from map(geometry.frame().to_geo, _mast(geometry))
        case PowerLine():
            for span in geometry.spans():
                for share in range(13):
                    for offset_m in geometry.phase_offsets_m:
                        yield span.frame.to_geo(span.at(share / 12, offset_m))
            for tower in geometry.towers:
                yield LocalFrame(tower.foot).to_geo(UP.times(tower.height_m))


def _turbine(geometry: TurbineGeometry) -> Iterable[Enu]:
    for blade in Blade:
        for side in BladeSide:
            for along in range(6):
                for across in (0.0, 0.5, 1.0):
                    yield geometry.facet(blade, side).at(along / 5, across)
    for step in range(11):
        share = step / 10
        tower_m = geometry.tower_base_radius_m + share * (geometry.tower_top_radius_m - geometry.tower_base_radius_m)
        back = geometry.hub().plus(geometry.axis(), -share * geometry.nacelle_length_m)
        across_it = UP.cross(geometry.axis())
        for turn in range(8):
            angle = turn * math.pi / 4
            yield Enu(tower_m * math.sin(angle), tower_m * math.cos(angle), share * geometry.hub_height_m)
            out = across_it.times(math.cos(angle)).plus(UP, math.sin(angle))
            yield back.plus(out, geometry.nacelle_radius_m)


def _mast(mast: TelecomTower) -> Iterable[Enu]:
    yield UP.times(mast.height_m)
    for step in range(11):
        radius_m, up_m = mast.radius_at(step / 10 * mast.height_m), step / 10 * mast.height_m
        yield from (Enu(radius_m * math.sin(a), radius_m * math.cos(a), up_m) for a in (0.0, 1.5, 3.0, 4.5))
        for guy in mast.guys:
            bearing = math.radians(guy.anchor_bearing_deg)
            anchor = Enu(math.sin(bearing), math.cos(bearing), 0.0).times(guy.anchor_radius_m)
            yield anchor.plus(UP.times(guy.height_m).minus(anchor), step / 10)
    for mount in mast.mounts:
        reach_m = mast.radius_at(mount.height_m) + mount.reach_m
        yield mast.outward(mount.face).times(reach_m).plus(UP, mount.height_m)


@FEW
@given(turbines() | masts() | power_lines())
def test_the_solids_hold_every_place_of_the_body(geometry: Any) -> None:
    frame = LocalFrame(FOOT)
    solids = bodies.solids_of(bodies.of_asset(geometry, frame), frame, 4.0)
    parts_of_it = bodies_of(route(home=FOOT, solids=solids[:250]), FOOT)
    for point in surface_of(geometry):
        place = frame.to_enu(point)._replace(up=point.alt_m - FOOT.alt_m)
        assert any(part.apart_m(Leg(place, place), 0.002) <= 0.002 for part in parts_of_it), point


@FEW
@given(turbines(), st.floats(0.0, 360.0), st.floats(6.0, 15.0))
def test_the_drone_flies_what_passes_and_refuses_it_nearer(
    geometry: TurbineGeometry, bearing_deg: float, standoff_m: float
) -> None:
    reach_m = geometry.blade_length_m + geometry.root_radius_m + standoff_m
    room: dict[str, Any] = {
        "fence_radius_m": reach_m + 160.0,
        "max_alt_rel_m": geometry.hub_height_m + reach_m + 20.0,
    }
    try:
        request = inputs(geometry, bearing_deg=bearing_deg, standoff_m=standoff_m, blades=["A"], **room)
        flown = planner.plan(request, "pln-1", 1).route
    except InvalidInput:
        return  # some shapes cannot be flown; most can
    assert refusal(flown) is None
    assert "are to be kept" in str(refusal(_nearer(flown, standoff_m - 3.5)))


def _nearer(flown: Route, by_m: float) -> Route:
    """Return the route with every pass moved towards what its camera looks at."""
    moved = []
    for point in flown.waypoints:
        yaw, pitch = math.radians(point.camera_yaw_deg), math.radians(point.camera_pitch_deg)
        look = Enu(math.cos(pitch) * math.sin(yaw), math.cos(pitch) * math.cos(yaw), math.sin(pitch))
        there = LocalFrame(point.point).to_geo(look.times(by_m))
        moved.append(point if point.strip is None else point.model_copy(update={"point": there}))
    return flown.model_copy(update={"waypoints": tuple(moved)})


def test_a_turbines_route_carries_tower_nacelle_and_blades() -> None:
    flown = planner.plan(inputs(), "pln-1", 1).route
    assert [solid.name for solid in flown.solids] == ["tower", "nacelle", "blade A", "blade B", "blade C"]
    assert {solid.clearance_m for solid in flown.solids} == {4.0}
    assert Route.model_validate_json(flown.model_dump_json()).content_hash() == flown.content_hash()


def test_a_changed_route_in_flight_is_judged_by_the_same_solids() -> None:
    flown = planner.plan(inputs(), "pln-1", 1).route
    hub = LocalFrame(FOOT).to_geo(TurbineGeometry(foot=FOOT).hub())
    look = flown.waypoints[3].model_copy(update={"point": hub, "strip": None})
    changed = flown.with_detour(3, (look,))
    assert changed.solids == flown.solids
    assert "are to be kept" in str(refusal(changed))


def test_an_area_is_flown_over_beside_a_mast_only() -> None:
    mast = TelecomTower(foot=FOOT, height_m=60.0)
    frame = LocalFrame(FOOT)
    corners = [frame.to_geo(Enu(east, north, 0.0)) for east, north in ((-60, -60), (60, -60), (60, 60), (-60, 60))]
    params = {"pattern": "grid", "corners": [{"lat_deg": c.lat_deg, "lon_deg": c.lon_deg} for c in corners]}
    home = frame.to_geo(Enu(80.0, 0.0, 0.0))
    wish: dict[str, Any] = {"asset_id": "m-1", "geometry": mast, "home": home}
    with pytest.raises(InvalidInput, match="passes mast"):
        plan(SurveyInputs.model_validate(wish | {"params": params | {"standoff_m": 50.0}}))
    [over] = plan(SurveyInputs.model_validate(wish | {"params": params | {"standoff_m": 75.0}}))
    assert [solid.name for solid in over.route.solids] == ["mast"]
    assert refusal(over.route) is None


def test_a_long_lines_flights_fit_their_message_with_what_stands_along_it() -> None:
    wish = {"asset_id": "l-1", "geometry": line(30), "home": None, "params": {"pattern": "corridor"}}
    planned = plan(SurveyInputs.model_validate(wish))
    for flight in planned:
        assert refusal(flight.route) is None
        assert len(flight.route.solids) <= 250
        assert next(c for c in flight.checks if c.name == "message_size").verdict is Verdict.PASS


def test_a_foreign_plan_is_judged_against_the_asset_that_is_named() -> None:
    geometry = TurbineGeometry(foot=FOOT)
    up = Altitude(value_m=geometry.hub_height_m, reference=AltitudeReference.TAKE_OFF)
    frame = LocalFrame(FOOT)
    home = frame.to_geo(Enu(0.0, -80.0, 0.0))
    places = [frame.to_geo(Enu(0.0, north, 0.0)) for north in (-60.0, 60.0)]
    items = [parts.Waypoint(point=LatLon(lat_deg=p.lat_deg, lon_deg=p.lon_deg), altitude=up) for p in places]
    foreign = Mission.model_validate({"home": None, "items": (parts.TakeOff(altitude=up), *items)})
    judged = missions.judge(foreign, (), None, home=home, geometry=geometry)
    named = {check.name: check for check in judged}
    assert named["obstacle_clearance"].verdict is Verdict.BLOCK
    assert "obstacle_clearance" not in {check.name for check in missions.judge(foreign, (), None, home=home)}
