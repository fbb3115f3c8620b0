"""What else stands on a site is in the way: of the planner, of the go/no-go, of the way home, of the drone."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point
from sqlalchemy.orm import Session

from cloud.planning import missions, neighbours, patterns, planner
from cloud.planning.bodies import swept
from cloud.planning.flying import Planned
from cloud.planning.pattern import PlanInputs
from cloud.planning.surveys import SurveyInputs
from cloud.planning.verdicts import Check, Verdict
from cloud.tables import Asset
from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Corner, Route
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from interchange import mission as parts
from interchange.mission import Altitude, AltitudeReference, LatLon, Mission
from tests.unit.cloud.planning.drone import refusal
from tests.unit.cloud.planning.park import solids
from tests.unit.cloud.planning.test_flights import EXAMPLES, line
from tests.unit.cloud.planning.test_planner import FOOT, inputs, turbines

FEW = settings(max_examples=max(6, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
FRAME = LocalFrame(FOOT)


def at(east_m: float, north_m: float, up_m: float = 0.0) -> GeoPoint:
    return FRAME.to_geo(Enu(east_m, north_m, up_m))


def turbine_at(east_m: float, north_m: float, **shape: Any) -> TurbineGeometry:
    return TurbineGeometry(foot=at(east_m, north_m), **shape)


def check_of(planned: Planned, name: str) -> Check:
    return next(check for check in planned.checks if check.name == name)


def planned_with(*neighbours: TurbineGeometry, **params: Any) -> list[Planned]:
    wish = inputs(**params).model_copy(update={"neighbours": solids(*neighbours)})
    return planner.flights(wish, lambda part: (f"pln-{part}", 1))


@FEW
@given(turbines(), st.floats(0.0, 360.0), st.floats(0.0, 120.0), st.floats(-5.0, 92.0))
def test_a_turning_neighbour_stays_within_what_is_kept_clear(
    geometry: TurbineGeometry, yaw_deg: float, azimuth_deg: float, pitch_deg: float
) -> None:
    tower, rotor = swept(geometry)
    turned = {"yaw_deg": yaw_deg, "rotor_azimuth_deg": azimuth_deg, "blade_pitch_deg": pitch_deg}
    moved = geometry.model_copy(update=turned)
    for blade in Blade:
        for side in BladeSide:
            for along, across in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
                assert rotor.distance_m(moved.facet(blade, side).at(along, across)) < 1e-6
    back = moved.hub().plus(moved.axis(), -moved.nacelle_length_m + moved.overhang_m)
    assert rotor.distance_m(back) < 1e-6
    assert tower.length_m == geometry.hub_height_m


def _away_m(route: Route, neighbour: TurbineGeometry) -> float:
    """Measure with shapely from above: no leg may pass over, under or beside the circle that a rotor may reach."""
    frame = neighbour.frame()
    places = [frame.to_enu(point)[:2] for point in (route.home, *(waypoint.point for waypoint in route.waypoints))]
    reach_m = neighbour.root_radius_m + neighbour.blade_length_m
    return float(LineString(places).distance(Point(0.0, 0.0))) - reach_m


@FEW
@given(turbines(), st.floats(0.0, 360.0), st.floats(30.0, 120.0), st.floats(0.0, 360.0))
def test_no_blades_route_comes_near_a_neighbour(
    geometry: TurbineGeometry, bearing_deg: float, between_m: float, home_deg: float
) -> None:
    away_m = 2 * (geometry.blade_length_m + geometry.root_radius_m) + between_m
    bearing = math.radians(bearing_deg)
    neighbour = geometry.model_copy(update={"foot": at(away_m * math.sin(bearing), away_m * math.cos(bearing))})
    reach_m = geometry.hub_height_m + geometry.blade_length_m + 40.0
    room = {"fence_radius_m": 2 * away_m, "max_alt_rel_m": min(500.0, reach_m), "blades": ["A"]}
    wish = inputs(geometry, bearing_deg=home_deg, **room).model_copy(update={"neighbours": solids(neighbour)})
    try:
        planned = planner.flights(wish, lambda part: (f"pln-{part}", 1))
    except InvalidInput as refused:
        assert refused.field in {"home", "params"}  # noqa: PT017 - home may lie below the neighbour's rotor
        return
    for flight in planned:
        assert check_of(flight, "obstacle_clearance").verdict is Verdict.PASS
        assert [c.sentence for c in flight.checks if c.verdict is Verdict.BLOCK and c.name not in _OWN_NUMBERS] == []
        assert refusal(flight.route) is None
        names = {solid.name for solid in flight.route.solids}
        assert ("WT-02 rotor" in names) == (_away_m(flight.route, neighbour) < 150.0) or between_m > 100.0


_OWN_NUMBERS = {"ground_resolution", "motion_blur"}


def test_the_check_names_the_neighbour_and_the_drone_gets_it() -> None:
    [flight] = planned_with(turbine_at(75.0, 0.0), bearing_deg=240.0)
    clearance = check_of(flight, "obstacle_clearance")
    assert clearance.verdict is Verdict.PASS
    assert "WT-02 rotor" in clearance.sentence
    assert clearance.worst is not None
    assert [solid.name for solid in flight.route.solids[-2:]] == ["WT-02 tower", "WT-02 rotor"]
    assert refusal(flight.route) is None


def test_without_neighbours_the_bytes_are_those_of_before() -> None:
    alone, together = planner.plan(inputs(), "pln-1", 1), planned_with(turbine_at(900.0, 0.0))[0]
    assert together.route.model_copy(update={"plan_id": "pln-1"}).content_hash() == alone.route.content_hash()


def test_a_way_home_through_a_neighbour_is_a_warning_with_its_name() -> None:
    wish = inputs(bearing_deg=90.0, fence_radius_m=400.0)
    wish = wish.model_copy(update={"home": at(220.0, 0.0, 0.5), "neighbours": solids(turbine_at(120.0, 0.0))})
    [flight] = planner.flights(wish, lambda _: ("pln-1", 1))
    assert check_of(flight, "obstacle_clearance").verdict is Verdict.PASS, "the planner goes round it"
    home = check_of(flight, "return_path")
    assert home.verdict is Verdict.WARN
    assert refusal(flight.route) is not None or "WT-02" in home.sentence


def test_the_way_home_of_a_blades_flight_is_judged_against_the_turbine_itself() -> None:
    home = check_of(planner.plan(inputs(), "pln-1", 1), "return_path")
    assert home.verdict is Verdict.WARN
    assert "blade" in home.sentence
    assert home.worst is not None


def corridor(**params: Any) -> SurveyInputs:
    wish = {"asset_id": "l-1", "geometry": line(4), "home": None, "params": {"pattern": "corridor", **params}}
    return SurveyInputs.model_validate(wish)


def flights(wish: SurveyInputs) -> list[Planned]:
    return patterns.flights(wish, lambda part: (f"pln-{part}", 1))


def test_a_span_that_a_neighbour_hangs_over_is_left_out_and_said() -> None:
    near = corridor().model_copy(update={"neighbours": solids(turbine_at(450.0, 38.0))})
    planned = flights(near)
    assert len(planned) == 2, "before it and behind it"
    said = check_of(planned[0], "coverage")
    assert said.verdict is Verdict.WARN
    assert "span 1 (T001 to T002) not at all, for it passes WT-02 tower at" in said.sentence
    assert check_of(planned[1], "coverage").verdict is Verdict.PASS, "once"
    beside = corridor().model_copy(update={"neighbours": solids(turbine_at(450.0, 150.0))})
    for flight in [*planned, *flights(beside)]:
        assert check_of(flight, "obstacle_clearance").verdict is Verdict.PASS
        assert refusal(flight.route) is None
    [past] = flights(beside)
    assert "WT-02 rotor" in {solid.name for solid in past.route.solids}


def test_where_neighbours_are_in_the_way_of_everything_it_is_refused_with_a_name() -> None:
    under = tuple(turbine_at(east, 0.0) for east in (0.0, 150.0, 450.0, 750.0, 900.0))
    with pytest.raises(InvalidInput, match=r"span 0 \(T000 to T001\) not at all, for it passes WT-02 \w+ at \d"):
        flights(corridor().model_copy(update={"neighbours": solids(*under)}))


def test_a_mast_is_gone_round_between_its_neighbours() -> None:
    mast, params = TelecomTower(foot=FOOT), {"pattern": "orbit", "max_alt_rel_m": 100.0}
    wish = {"asset_id": "m", "geometry": mast, "home": at(60.0, 0.0), "params": params}
    plain = SurveyInputs.model_validate(wish)
    beside = plain.model_copy(update={"neighbours": solids(turbine_at(-42.0, 0.0))})
    alone, between = flights(plain), flights(beside)
    assert check_of(between[0], "coverage").verdict is Verdict.WARN, "the far side of each ring is not flown"
    assert sum(f.estimates.inspected_m for f in between) < sum(f.estimates.inspected_m for f in alone)
    for flight in between:
        assert check_of(flight, "obstacle_clearance").verdict is Verdict.PASS
        assert refusal(flight.route) is None


def test_the_lines_of_an_area_under_a_neighbours_rotor_are_left_out_and_said() -> None:
    corners = [at(east, north) for east, north in ((-60, -60), (60, -60), (60, 60), (-60, 60))]
    outline = [Corner(lat_deg=corner.lat_deg, lon_deg=corner.lon_deg) for corner in corners]
    params = {"pattern": "grid", "standoff_m": 50.0, "corners": outline}
    wish = SurveyInputs.model_validate({"asset_id": "a", "geometry": None, "home": at(80.0, 0.0), "params": params})
    planned = flights(wish.model_copy(update={"neighbours": solids(turbine_at(-40.0, 10.0))}))
    said = check_of(planned[0], "coverage")
    assert (said.verdict, "line 0 not at all, for it passes WT-02" in said.sentence) == ("warn", True)
    assert sum(f.estimates.inspected_m for f in planned) < sum(f.estimates.inspected_m for f in flights(wish))


def test_a_name_may_hold_anything() -> None:
    odd = solids(turbine_at(75.0, 0.0), name="{0} {value!r} %s")
    [flight] = planner.flights(inputs().model_copy(update={"neighbours": odd}), lambda _: ("pln-1", 1))
    assert "{0} {value!r} %s rotor" in check_of(flight, "obstacle_clearance").sentence


def test_a_plan_of_another_program_is_judged_against_neighbours() -> None:
    up = Altitude(value_m=50.0, reference=AltitudeReference.TAKE_OFF)
    places = [at(0.0, -60.0), at(0.0, 60.0)]
    items = [parts.Waypoint(point=LatLon(lat_deg=p.lat_deg, lon_deg=p.lon_deg), altitude=up) for p in places]
    foreign = Mission.model_validate({"home": None, "items": (parts.TakeOff(altitude=up), *items)})
    judged = missions.judge(foreign, (), None, home=at(0.0, -80.0), solids=solids(turbine_at(20.0, 0.0)))
    found = next(check for check in judged if check.name == "obstacle_clearance")
    assert found.verdict is Verdict.BLOCK
    assert "WT-02 rotor" in found.sentence


def test_inputs_with_neighbours_survive_json_to_the_same_route() -> None:
    wish = inputs().model_copy(update={"neighbours": solids(turbine_at(75.0, 0.0))})
    again = PlanInputs.model_validate(wish.model_dump(mode="json"))
    assert planner.plan(again, "p", 1).route.content_hash() == planner.plan(wish, "p", 1).route.content_hash()


def test_the_legs_between_two_neighbours_stay_out_of_both() -> None:
    both = (turbine_at(75.0, 0.0), turbine_at(0.0, 80.0))
    [flight] = planned_with(*both)
    places = [waypoint.point for waypoint in flight.route.waypoints]
    for neighbour in both:
        rotor = swept(neighbour)[1]
        for one, other in pairwise(neighbour.frame().to_enu(place) for place in places):
            assert min(rotor.distance_m(one.plus(other.minus(one), share / 8)) for share in range(9)) >= 4.0


class Rows:
    """A session that has read these assets."""

    def __init__(self, *rows: Asset) -> None:
        self._rows = rows

    def scalars(self, _: object) -> tuple[Asset, ...]:
        return self._rows


def standing(asset_id: str, kind: str, geometry: Any) -> Asset:
    body = geometry.model_dump(mode="json") if geometry else {}
    return Asset(asset_id=asset_id, site_id="s", kind=kind, name=asset_id.upper(), geometry=body)


PARK = (
    standing("wt-01", "wind_turbine", turbine_at(0.0, 0.0)),
    standing("wt-02", "wind_turbine", turbine_at(160.0, 0.0)),
    standing("wt-03", "wind_turbine", turbine_at(2000.0, 0.0)),
    standing("mast", "telecom_tower", TelecomTower(foot=at(-90.0, 0.0), height_m=60.0)),
    standing("l-7", "power_line", line(20)),
    standing("empty", "telecom_tower", None),
)


def names_of(wish: PlanInputs | SurveyInputs, *rows: Asset, but: str | None = "wt-01") -> set[str]:
    session = cast("Session", Rows(*rows))
    found = neighbours.of_site(session, "s", but=but, area=neighbours.area_of(wish))
    assert all(solid.clearance_m == 4.0 and len(solid.name) <= 40 for solid in found)
    return {solid.name for solid in found}


def test_what_stands_near_is_taken_with_its_assets_name_and_the_rest_is_not() -> None:
    names = names_of(inputs(), *PARK)
    assert {"WT-02 tower", "WT-02 rotor", "MAST mast", "L-7 span 0", "L-7 tower T000", "L-7 tower T001"} <= names
    assert not {name for name in names if name.startswith(("WT-01", "WT-03"))}
    assert "L-7 span 3" not in names, "of a long line only what is near"
    towers = [name for name in names if "tower T" in name]
    assert len(towers) == len(set(towers))


def test_along_a_line_everything_beside_it_counts_and_nothing_of_itself() -> None:
    assert names_of(corridor(), *PARK, but="l-7") == {
        "WT-01 tower", "WT-01 rotor", "WT-02 tower", "WT-02 rotor", "MAST mast",
    }  # fmt: skip


def test_where_nobody_says_what_is_flown_every_asset_counts_as_it_stands() -> None:
    names = names_of(inputs(), *PARK, but=None)
    assert {"WT-01 blade A", "WT-01 nacelle", "WT-02 blade C"} <= names
    assert "WT-02 rotor" not in names


def test_a_wish_about_an_asset_without_a_shape_has_no_area() -> None:
    params = {"pattern": "corridor"}
    wish = SurveyInputs.model_validate({"asset_id": "x", "geometry": None, "home": None, "params": params})
    assert neighbours.area_of(wish) is None
