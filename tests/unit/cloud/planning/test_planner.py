"""Routes round turbines of every shape keep every limit, and the same inputs give the same bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cloud.planning import planner
from cloud.planning.checks import path_samples
from cloud.planning.drawing import CLEARANCE_M, TAKE_OFF_UP_M, draw
from cloud.planning.flying import Planned
from cloud.planning.obstacles import cones_of
from cloud.planning.pattern import BladesParams, PlanInputs
from cloud.planning.verdicts import Check
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, GeoPoint, Pose
from contracts.optics import camera_axes
from contracts.routes import Route, Waypoint, WaypointAction
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

FOOT = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)


def home_at(geometry: TurbineGeometry, bearing_deg: float, away_m: float, up_m: float = 0.5) -> GeoPoint:
    bearing = math.radians(bearing_deg)
    return geometry.frame().to_geo(Enu(away_m * math.sin(bearing), away_m * math.cos(bearing), up_m))


def inputs(geometry: TurbineGeometry | None = None, *, bearing_deg: float = 240.0, **params: Any) -> PlanInputs:
    shape = geometry or TurbineGeometry(foot=FOOT)
    return PlanInputs(
        asset_id="wt-01",
        geometry=shape,
        home=home_at(shape, bearing_deg, 60.0),
        blades=BladesParams.model_validate(params),
    )


@st.composite
def turbines(draw_from: st.DrawFn) -> TurbineGeometry:
    length_m = draw_from(st.floats(12.0, 70.0))
    scale = length_m / 25.0
    root_m = draw_from(st.floats(0.8, 1.6)) * scale
    return TurbineGeometry(
        foot=FOOT,
        hub_height_m=length_m + root_m + draw_from(st.floats(12.0, 60.0)),
        yaw_deg=draw_from(st.floats(0.0, 360.0)),
        rotor_azimuth_deg=draw_from(st.floats(0.0, 120.0)),
        blade_pitch_deg=draw_from(st.floats(-5.0, 92.0)),
        blade_length_m=length_m,
        root_radius_m=root_m,
        root_chord_m=draw_from(st.floats(1.5, 3.0)) * scale,
        root_thickness_m=draw_from(st.floats(0.4, 1.0)) * scale,
        taper=draw_from(st.floats(0.1, 0.5)),
        overhang_m=draw_from(st.floats(3.0, 5.0)) * scale**0.5,
        nacelle_length_m=draw_from(st.floats(5.0, 10.0)) * scale**0.5,
        nacelle_radius_m=draw_from(st.floats(1.2, 2.2)) * scale**0.5,
    )


def of(planned: Planned, name: str) -> Check:
    return next(check for check in planned.checks if check.name == name)


def points_of(route: Route, geometry: TurbineGeometry) -> list[Enu]:
    return [geometry.frame().to_enu(waypoint.point) for waypoint in route.waypoints]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(TurbineGeometry(foot=FOOT), 240.0, 10.0)
@example(TurbineGeometry(foot=FOOT, rotor_azimuth_deg=60.0), 60.0, 10.0)
@example(TurbineGeometry(foot=FOOT, blade_pitch_deg=90.0), 0.0, 8.0)
@given(turbines(), st.floats(0.0, 360.0), st.floats(6.0, 20.0))
def test_every_route_keeps_every_limit(geometry: TurbineGeometry, bearing_deg: float, standoff_m: float) -> None:
    reach_m = geometry.blade_length_m + geometry.root_radius_m + standoff_m
    request = PlanInputs(
        asset_id="wt-01",
        geometry=geometry,
        home=home_at(geometry, bearing_deg, reach_m + 20.0),
        blades=BladesParams(
            standoff_m=standoff_m,
            fence_radius_m=reach_m + 60.0,
            max_alt_rel_m=geometry.hub_height_m + reach_m + 20.0,
        ),
    )
    try:
        planned = planner.plan(request, "pln-1", 1)
    except InvalidInput as error:
        assert error.field in {"params", "home"}  # noqa: PT017 - some shapes cannot be flown; most can
        return
    geometric = {"clearance_tower", "clearance_nacelle", "clearance_blade", "fence", "ceiling", "floor", "recording"}
    blocked = [check for check in planned.checks if check.verdict == "block" and check.name in geometric]
    assert blocked == []
    _assert_clear_independently(planned.route, request)


def _assert_clear_independently(route: Route, request: PlanInputs) -> None:
    """Measure clearance against the blades' real surfaces, not the cones the planner used."""
    geometry = request.geometry
    start = geometry.frame().to_enu(request.home).plus(UP, TAKE_OFF_UP_M)
    sides = [geometry.facet(blade, side) for blade in Blade for side in (BladeSide.PS, BladeSide.SS)]
    surface = np.array([side.at(share / 12, offset) for side in sides for share in range(13) for offset in (0.0, 1.0)])
    flown = np.array([place.point for place in path_samples(start, points_of(route, geometry))])
    assert np.linalg.norm(flown[:, None] - surface, axis=2).min() >= CLEARANCE_M - 0.01


def test_a_pass_looks_square_at_its_strip_from_the_standoff() -> None:
    request = inputs(max_camera_pitch_deg=90.0)
    planned, draft = planner.plan(request, "pln-1", 1), draw(request)
    assert max(abs(flown.tilt_deg) for flown in draft.passes) <= 15.0
    geometry = request.geometry
    points = points_of(planned.route, geometry)
    ends = [w for w in planned.route.waypoints if w.action is WaypointAction.STOP_VIDEO]
    assert len(ends) == len(draft.passes) == 12
    for waypoint, flown in zip(ends, draft.passes, strict=True):
        forward = camera_axes(_pose(waypoint))[2]
        hits = [geometry.intersect(points[n], forward) for n in (waypoint.seq - 1, waypoint.seq)]
        seen = [hit for hit in hits if hit is not None]
        assert seen, f"{flown.strip}: the camera looks past the blade"
        for hit in seen:
            assert (hit.place.blade, hit.place.side) == (flown.strip.blade, flown.strip.side)
            assert hit.distance_m == pytest.approx(10.0, abs=0.05)
            assert hit.incidence_deg <= abs(flown.tilt_deg) + 0.1


def _pose(waypoint: Waypoint) -> Pose:
    return Pose(point=waypoint.point, yaw_deg=waypoint.camera_yaw_deg, pitch_deg=waypoint.camera_pitch_deg)


def test_recordings_start_and_stop_round_each_pass() -> None:
    route = planner.plan(inputs(), "pln-1", 1).route
    actions = [w.action for w in route.waypoints if w.action is not WaypointAction.NONE]
    assert actions == [WaypointAction.START_VIDEO, WaypointAction.STOP_VIDEO] * 12
    for before, after in zip(route.waypoints, route.waypoints[1:], strict=False):
        if after.action is WaypointAction.STOP_VIDEO:
            assert before.action is WaypointAction.START_VIDEO
            assert before.strip == after.strip
            assert after.speed_mps == 4.0


def test_blades_are_gone_round_at_a_distance() -> None:
    request = inputs()
    draft = draw(request)
    cones = [cone for cone in cones_of(request.geometry) if cone.name.startswith("blade")]
    first, last = (
        draft.flown.actions.index(WaypointAction.START_VIDEO),
        len(draft.flown.actions) - 1 - draft.flown.actions[::-1].index(WaypointAction.STOP_VIDEO),
    )
    places = path_samples(draft.flown.points[first], draft.flown.points[first + 1 : last + 1])
    assert min(cone.distance_m(p.point) for p in places for cone in cones) >= 6.0


def test_the_same_inputs_give_the_same_bytes() -> None:
    first, second = (planner.plan(inputs(), "pln-1", 1).route for _ in range(2))
    assert first.model_dump_json() == second.model_dump_json()
    assert first.content_hash() == second.content_hash()
    assert planner.plan(inputs(standoff_m=11.0), "pln-1", 1).route.content_hash() != first.content_hash()


def test_inputs_survive_json_to_the_same_route() -> None:
    request = inputs(blades=["A"])
    again = PlanInputs.model_validate(request.model_dump(mode="json"))
    assert planner.plan(again, "p", 1).route.content_hash() == planner.plan(request, "p", 1).route.content_hash()


@pytest.mark.parametrize(
    ("params", "name", "verdict"),
    [
        ({}, "battery", "pass"),
        ({"speed_mps": 8.0, "shutter_s": 0.001}, "motion_blur", "warn"),
        ({"shutter_s": 0.01}, "motion_blur", "block"),
        ({"standoff_m": 20.0}, "ground_resolution", "block"),
        ({"wind_mps": 9.0}, "wind", "warn"),
        ({"wind_mps": 14.0}, "wind", "block"),
        ({"start_at_m": 0.0}, "coverage", "warn"),
    ],
)
def test_verdicts(params: dict[str, Any], name: str, verdict: str) -> None:
    check = of(planner.plan(inputs(**params), "pln-1", 1), name)
    assert check.verdict == verdict, check.sentence
    assert (check.mend == "") == (verdict == "pass")


def test_a_calm_default_turbine_has_nothing_to_complain_of_but_the_way_home_from_under_its_blades() -> None:
    found = {check.name: check.verdict.value for check in planner.plan(inputs(), "pln-1", 1).checks}
    assert found.pop("return_path") == "warn"
    assert set(found.values()) == {"pass"}


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"standoff_m": math.nan}, "standoff_m"),
        ({"standoff_m": 1.0}, "standoff_m"),
        ({"speed_mps": math.inf}, "speed_mps"),
        ({"blades": []}, "blades"),
        ({"blades": ["D"]}, "blades"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_parameters_are_refused_by_name(params: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BladesParams.model_validate(params)
    assert caught.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"start_at_m": 24.0}, "params.start_at_m"),
        ({"fence_radius_m": 40.0}, "home"),
        ({"max_alt_rel_m": 20.0}, "home"),
    ],
)
def test_what_cannot_be_flown_is_refused_by_name(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        planner.plan(inputs(**params), "pln-1", 1)
    assert caught.value.field == field
    assert caught.value.hint or field.startswith("params")


def test_a_blade_in_front_of_the_tower_is_looked_at_past_it() -> None:
    hanging = TurbineGeometry(foot=FOOT, rotor_azimuth_deg=60.0)
    draft = draw(inputs(hanging, blades=["B"]))
    behind = next(flown for flown in draft.passes if flown.strip.side is BladeSide.SS)
    assert abs(behind.tilt_deg) >= 15.0
    assert draft.skipped == ()


def test_a_side_that_cannot_be_flown_is_named() -> None:
    hanging = TurbineGeometry(foot=FOOT, rotor_azimuth_deg=60.0, hub_height_m=30.0)
    planned = planner.plan(inputs(hanging, blades=["B"]), "pln-1", 1)
    check = of(planned, "coverage")
    assert check.verdict == "warn"
    assert "blade B" in check.sentence
    assert not any(check.verdict == "block" for check in planned.checks)


def test_the_camera_never_looks_higher_than_the_gimbal_can() -> None:
    for limit_deg in (20.0, 45.0, 90.0):
        route = planner.plan(inputs(max_camera_pitch_deg=limit_deg), "pln-1", 1).route
        recorded = [w.camera_pitch_deg for w in route.waypoints if w.strip is not None]
        assert max(recorded) <= limit_deg + 0.01


def test_the_worst_place_is_named() -> None:
    planned = planner.plan(inputs(), "pln-1", 1)
    worst = of(planned, "clearance_tower").worst
    assert worst is not None
    geometry = inputs().geometry
    tower = next(cone for cone in cones_of(geometry) if cone.name == "tower")
    place = geometry.frame().to_enu(GeoPoint(lat_deg=worst.lat_deg, lon_deg=worst.lon_deg, alt_m=worst.alt_m))
    assert tower.distance_m(place) == pytest.approx(of(planned, "clearance_tower").value, abs=0.02)
