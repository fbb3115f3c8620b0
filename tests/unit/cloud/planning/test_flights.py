"""No route the planner emits fails its own go/no-go, whatever the asset, the camera and the wind.

KESTREL_PLANNER_EXAMPLES sets how many random assets are tried (the long run: 10000).
"""

from __future__ import annotations

import math
import os
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pyproj import Geod

from cloud.planning import patterns, planner
from cloud.planning.flying import SOLID_BYTES, WAYPOINT_BYTES, Planned
from cloud.planning.pattern import BladesParams, PlanInputs
from cloud.planning.splitting import BATTERY_PERCENT
from cloud.planning.surveys import SurveyInputs
from cloud.planning.verdicts import Verdict
from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.optics import CameraIntrinsics
from contracts.pipeline import Pipeline
from contracts.powerline import LineTower, PowerLine
from contracts.routes import Corner, Route, Solid, WaypointAction
from contracts.tower import Guy, Mount, TelecomTower
from contracts.turbine import TurbineGeometry
from tests.unit.cloud.planning.drone import refusal
from tests.unit.cloud.planning.park import solids

EXAMPLES = int(os.environ.get("KESTREL_PLANNER_EXAMPLES", "25"))
FOOT = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)
CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=3600.0)


def wandering(draw: st.DrawFn, count: int, step_m: tuple[float, float], turn_deg: float) -> list[GeoPoint]:
    """Return places of a line that turns a little and rises a little from one to the next."""
    places, heading = [FOOT], draw(st.floats(0.0, 360.0))
    for _ in range(count - 1):
        heading += draw(st.floats(-turn_deg, turn_deg))
        away_m = draw(st.floats(*step_m))
        bearing = math.radians(heading)
        rise_m = draw(st.floats(-0.03, 0.03)) * away_m
        frame = LocalFrame(places[-1])
        level = frame.to_geo(Enu(away_m * math.sin(bearing), away_m * math.cos(bearing), 0.0))
        places.append(level.model_copy(update={"alt_m": places[-1].alt_m + rise_m}))
    return places


@st.composite
def power_lines(draw: st.DrawFn) -> PowerLine:
    feet = wandering(draw, draw(st.integers(2, 12)), (80.0, 450.0), 50.0)
    height_m = draw(st.floats(22.0, 60.0))
    towers = [
        LineTower(name=f"T{n}", foot=foot, height_m=height_m, attachment_height_m=height_m * draw(st.floats(0.6, 0.95)))
        for n, foot in enumerate(feet)
    ]
    width_m = draw(st.floats(1.0, 12.0))
    constant_m = draw(st.floats(800.0, 2500.0))
    return PowerLine(towers=tuple(towers), phase_offsets_m=(-width_m, 0.0, width_m), catenary_constant_m=constant_m)


@st.composite
def masts(draw: st.DrawFn) -> TelecomTower:
    height_m = draw(st.floats(18.0, 90.0))
    faces = draw(st.integers(3, 4))
    mounts = [
        Mount(name=f"m{n}", face=n % faces, height_m=height_m * share, reach_m=draw(st.floats(0.3, 2.0)))
        for n, share in enumerate(draw(st.lists(st.floats(0.4, 1.0), max_size=4)))
    ]
    guyed = draw(st.booleans())
    guys = [
        Guy(height_m=height_m * 0.8, anchor_bearing_deg=120.0 * n, anchor_radius_m=height_m * 0.7) for n in range(3)
    ]
    return TelecomTower(
        foot=FOOT, height_m=height_m, faces=faces, mounts=tuple(mounts), guys=tuple(guys) if guyed else ()
    )


@st.composite
def turbines(draw: st.DrawFn) -> TurbineGeometry:
    length_m = draw(st.floats(12.0, 45.0))
    return TurbineGeometry(
        foot=FOOT,
        hub_height_m=length_m + 2.0 + draw(st.floats(12.0, 30.0)),
        yaw_deg=draw(st.floats(0.0, 360.0)),
        rotor_azimuth_deg=draw(st.floats(0.0, 120.0)),
        blade_length_m=length_m,
    )


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    line = wandering(draw, draw(st.integers(2, 8)), (30.0, 900.0), 60.0)
    return Pipeline(centre_line=tuple(line), right_of_way_m=draw(st.floats(5.0, 60.0)))


@st.composite
def areas(draw: st.DrawFn) -> list[Corner]:
    angles = sorted(draw(st.lists(st.floats(0.0, 6.28), min_size=4, max_size=8, unique=True)))
    frame = LocalFrame(FOOT)
    reach_m = draw(st.floats(30.0, 300.0))
    places = [frame.to_geo(Enu(reach_m * math.sin(a), reach_m * math.cos(a), 0.0)) for a in angles]
    return [Corner(lat_deg=place.lat_deg, lon_deg=place.lon_deg) for place in places]


PATTERNS = ("corridor", "corridor", "line_towers", "tower", "orbit", "facade", "right_of_way", "grid")


@st.composite
def wishes(draw: st.DrawFn) -> SurveyInputs:
    """Draw an asset with a pattern that fits, a camera, a wind."""
    camera = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=draw(st.floats(1800.0, 9000.0)))
    params: dict[str, Any] = {
        "wind_mps": draw(st.none() | st.floats(0.0, 16.0)),
        "shutter_s": draw(st.sampled_from([0.00025, 0.0005, 0.001])),
        "pattern": draw(st.sampled_from(PATTERNS)),
    }
    geometry: Any = None
    home: GeoPoint | None = LocalFrame(FOOT).to_geo(Enu(draw(st.floats(45.0, 90.0)), draw(st.floats(-60.0, 60.0)), 0.0))
    match params["pattern"]:
        case "corridor" | "line_towers":
            geometry, home = draw(power_lines()), None
            params["gsd_mm_px"] = draw(st.floats(2.0, 8.0))
        case "right_of_way":
            geometry, home = draw(pipelines()), None
            params["gsd_mm_px"] = draw(st.floats(6.0, 25.0))
        case "grid":
            params["corners"] = draw(areas())
            params["bearing_deg"] = draw(st.floats(0.0, 359.0))
        case "facade":
            geometry = draw(masts())
        case _:
            geometry = draw(masts() | turbines())
    values = {"asset_id": "a-1", "geometry": geometry, "home": home, "camera": camera, "params": params}
    return SurveyInputs.model_validate(values | {"neighbours": draw(parks())})


@st.composite
def parks(draw: st.DrawFn) -> tuple[Solid, ...]:
    """Draw up to two turbines beside the asset, some near enough to be in the way."""
    feet = draw(st.lists(st.tuples(st.floats(40.0, 400.0), st.floats(0.0, 6.28)), max_size=2))
    frame = LocalFrame(FOOT)
    places = (frame.to_geo(Enu(away_m * math.sin(turn), away_m * math.cos(turn), 0.0)) for away_m, turn in feet)
    return solids(*(TurbineGeometry(foot=place) for place in places))


def plan(inputs: SurveyInputs) -> list[Planned]:
    return patterns.flights(inputs, lambda part: (f"pln-{part:03d}", 1))


REFUSALS = {"params", "params.gsd_mm_px", "params.shutter_s", "params.wind_mps", "params.standoff_m", "home",
            "params.corners", "params.max_alt_rel_m"}  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(wishes())
def test_no_route_that_is_emitted_fails_its_own_checks(inputs: SurveyInputs) -> None:
    try:
        planned = plan(inputs)
    except InvalidInput as refused:
        event(f"{inputs.params.pattern} refused: {refused.field}")
        assert refused.field in REFUSALS, refused  # noqa: PT017 - some wishes cannot be flown; most can
        return
    event(f"{inputs.params.pattern}: {len(planned)} flights")
    for flight in planned:
        assert [check.sentence for check in flight.checks if check.verdict is Verdict.BLOCK] == []
        assert flight.estimates.battery_percent <= BATTERY_PERCENT
        assert refusal(flight.route) is None
        size = len(flight.route.model_dump_json()) + flight.route.model_dump_json().count('"')
        assert size < 2000 + len(flight.route.waypoints) * WAYPOINT_BYTES + len(flight.route.solids) * SOLID_BYTES
    _assert_wires_are_kept_off(inputs, [flight.route for flight in planned])


@settings(max_examples=max(5, EXAMPLES // 10), deadline=None, suppress_health_check=list(HealthCheck))
@given(turbines(), st.floats(2500.0, 9000.0), st.none() | st.floats(0.0, 12.0))
def test_no_blades_route_with_chosen_numbers_fails_its_own_checks(
    geometry: TurbineGeometry, focal_px: float, wind_mps: float | None
) -> None:
    home = geometry.frame().to_geo(Enu(110.0, 0.0, 0.5))
    reach_m = geometry.hub_height_m + geometry.blade_length_m + 30.0
    blades = BladesParams(fence_radius_m=250.0, max_alt_rel_m=reach_m, wind_mps=wind_mps, blades=("A",))
    camera = CAMERA.model_copy(update={"focal_px": focal_px})
    try:
        planned = planner.plan(
            PlanInputs(asset_id="wt", geometry=geometry, home=home, camera=camera, blades=blades), "p", 1
        )
    except InvalidInput as refused:
        assert refused.field is not None  # noqa: PT017 - the same
        return
    assert [check.sentence for check in planned.checks if check.verdict is Verdict.BLOCK] == []


def _assert_wires_are_kept_off(inputs: SurveyInputs, routes: list[Route]) -> None:
    """Measure against the real catenaries, not the bodies the planner used."""
    if not isinstance(inputs.geometry, PowerLine):
        return
    frame = LocalFrame(FOOT)
    wires = [
        frame.to_enu(span.frame.to_geo(span.at(share / 20, offset)))
        for span in inputs.geometry.spans()
        for share in range(21)
        for offset in inputs.geometry.phase_offsets_m
    ]
    for route in routes:
        places = [frame.to_enu(waypoint.point) for waypoint in route.waypoints]
        for one, other in pairwise(places):
            for share in (0.0, 0.25, 0.5, 0.75):
                place = one.plus(other.minus(one), share)
                assert min(place.minus(wire).norm() for wire in wires) >= 4.0


def line(count: int, span_m: float = 300.0) -> PowerLine:
    frame = LocalFrame(FOOT)
    feet = [
        frame.to_geo(Enu(span_m * n, 20.0 * math.sin(n), 0.0)).model_copy(update={"alt_m": 45.0}) for n in range(count)
    ]
    return PowerLine(towers=tuple(LineTower(name=f"T{n:03d}", foot=foot) for n, foot in enumerate(feet)))


def corridor(count: int = 12, **params: Any) -> SurveyInputs:
    return SurveyInputs.model_validate(
        {"asset_id": "line-1", "geometry": line(count), "home": None, "params": {"pattern": "corridor", **params}}
    )


def test_a_long_line_becomes_battery_sized_flights_that_join_without_a_gap() -> None:
    planned = plan(corridor(60))
    assert len(planned) > 3
    wires_m = 2 * sum(span.length_m for span in line(60).spans())
    assert sum(flight.estimates.inspected_m for flight in planned) == pytest.approx(wires_m, rel=1e-3)
    geod = Geod(ellps="WGS84")
    for before, after in pairwise(planned):
        ends = [flight.route.waypoints for flight in (before, after)]
        first_path_end = next(w for w in ends[0] if w.action is WaypointAction.STOP_VIDEO).point
        next_start = next(w for w in ends[1] if w.action is WaypointAction.START_VIDEO).point
        gap = geod.inv(first_path_end.lon_deg, first_path_end.lat_deg, next_start.lon_deg, next_start.lat_deg)[2]
        assert gap < 1.0


@settings(max_examples=max(4, EXAMPLES // 6), deadline=None, suppress_health_check=list(HealthCheck))
@given(power_lines(), st.floats(0.0, 12.0), st.floats(1.0, 3.0))
def test_split_flights_record_every_metre_of_a_line_once(line: PowerLine, wind_mps: float, speed_mps: float) -> None:
    """Against the geodesic: end meets start from flight to flight, and what is recorded is as long as the line."""
    params = {"pattern": "corridor", "sides": ["left"], "wind_mps": wind_mps, "speed_mps": speed_mps}
    try:
        planned = plan(SurveyInputs.model_validate({"asset_id": "l", "geometry": line, "home": None, "params": params}))
    except InvalidInput:
        return  # some lines turn too sharply or dip too low
    geod, ends, recorded_m = Geod(ellps="WGS84"), [], 0.0
    for flight in planned:
        actions = [waypoint.action for waypoint in flight.route.waypoints]
        first, last = actions.index(WaypointAction.START_VIDEO), actions.index(WaypointAction.STOP_VIDEO)
        path = [waypoint.point for waypoint in flight.route.waypoints[first : last + 1]]
        ends.append((path[0], path[-1]))
        recorded_m += geod.line_length([p.lon_deg for p in path], [p.lat_deg for p in path])
    for (_, end), (start, _) in pairwise(ends):
        assert geod.inv(end.lon_deg, end.lat_deg, start.lon_deg, start.lat_deg)[2] < 0.5
    feet = [tower.foot for tower in line.towers]
    along_m = geod.line_length([p.lon_deg for p in feet], [p.lat_deg for p in feet])
    turned_m = 2.0 * len(feet) * (line.half_width_m + 42.0)  # beside a bend a path is longer or shorter
    assert abs(recorded_m - along_m) < turned_m


def test_each_flight_takes_off_beside_its_own_stretch() -> None:
    planned = plan(corridor(60))
    assert len({flight.route.home for flight in planned}) == len(planned)


def test_wind_makes_flights_shorter() -> None:
    calm, windy = plan(corridor(60, wind_mps=0.0)), plan(corridor(60, wind_mps=11.0))
    assert len(windy) > len(calm)


def test_the_corridor_follows_the_sag() -> None:
    inputs = corridor(3, sides=["left"])
    geometry = inputs.geometry
    assert isinstance(geometry, PowerLine)
    [flight] = plan(inputs)
    ups = [w.point.alt_m for w in flight.route.waypoints]
    recorded = ups[2:-2]
    sag_m = geometry.span(0).sag_m
    assert sag_m == pytest.approx(300.0**2 / (8 * 1200.0), rel=0.01)
    assert max(recorded) - min(recorded) == pytest.approx(sag_m, rel=0.05)


def test_the_same_wish_gives_the_same_bytes() -> None:
    for inputs in (corridor(30), SurveyInputs.model_validate_json(corridor(30).model_dump_json())):
        hashes = [flight.route.content_hash() for flight in plan(inputs)]
        assert hashes == [flight.route.content_hash() for flight in plan(corridor(30))]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"gsd_mm_px": 0.2}, "params.gsd_mm_px"),
        ({"shutter_s": 0.05, "max_blur_px": 0.2}, "params.shutter_s"),
        ({"wind_mps": 20.0}, "params.wind_mps"),
        ({"last_span": 99}, "params.last_span"),
    ],
)
def test_a_wish_that_cannot_be_flown_is_refused_by_field(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(corridor(**params))
    assert caught.value.field == field
    assert caught.value.message


def test_a_pattern_that_does_not_fit_the_asset_is_refused() -> None:
    wish = corridor().model_copy(update={"geometry": TelecomTower(foot=FOOT)})
    with pytest.raises(InvalidInput) as caught:
        plan(wish)
    assert (caught.value.field, caught.value.hint) == ("pattern", "It is for power lines.")


def test_speed_keeps_the_pictures_sharp() -> None:
    for shutter_s in (0.0005, 0.001, 0.002):
        [flight] = plan(corridor(3, shutter_s=shutter_s, front_overlap=0.0))
        assert flight.estimates.motion_blur_px <= 1.5


def test_what_a_turbines_rotor_hides_of_its_tower_is_said() -> None:
    turbine = TurbineGeometry(foot=FOOT)
    home = turbine.frame().to_geo(Enu(60.0, 0.0, 0.0))
    wish = {"asset_id": "wt", "geometry": turbine, "home": home, "params": {"pattern": "tower"}}
    [flight] = plan(SurveyInputs.model_validate(wish))
    coverage = next(check for check in flight.checks if check.name == "coverage")
    counted = Counter(check.verdict for check in flight.checks)
    assert counted[Verdict.BLOCK] == 0
    assert coverage.verdict in (Verdict.PASS, Verdict.WARN)
    assert (coverage.mend == "") == (coverage.verdict is Verdict.PASS)
