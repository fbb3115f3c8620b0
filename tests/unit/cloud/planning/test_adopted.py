"""Plans of other programs as routes of ours: the same places, the same camera, and a word for all that is not done."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cloud.planning import imported, patterns
from cloud.planning.adopted import Adopted, adopt
from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import WaypointAction
from interchange import conversion, planned
from interchange.formats import Format
from interchange.losses import Ledger, Severity
from interchange.mission import (
    Altitude,
    AltitudeReference,
    Foreign,
    Hover,
    Land,
    LatLon,
    LookAt,
    Mission,
    Orbit,
    Place,
    PointCamera,
    ReturnToLaunch,
    SetSpeed,
    StartPhotos,
    StartVideo,
    StopPhotos,
    StopVideo,
    TakeOff,
    TakePhoto,
    Waypoint,
)
from tests.unit.cloud.planning.test_flights import corridor
from tests.unit.interchange import missions, samples

HOME = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)
FRAME = LocalFrame(HOME)
AT_HOME = Place(
    lat_deg=HOME.lat_deg,
    lon_deg=HOME.lon_deg,
    altitude=Altitude(value_m=HOME.alt_m, reference=AltitudeReference.ELLIPSOID),
)


def above(value_m: float) -> Altitude:
    return Altitude(value_m=value_m, reference=AltitudeReference.TAKE_OFF)


def at(east_m: float, north_m: float = 0.0) -> LatLon:
    point = FRAME.to_geo(Enu(east_m, north_m, 0.0))
    return LatLon(lat_deg=point.lat_deg, lon_deg=point.lon_deg)


def taken(*items: Any) -> tuple[Adopted, Ledger]:
    ledger = Ledger()
    return adopt(Mission(home=AT_HOME, speed_mps=6.0, items=items), ledger), ledger


def go(east_m: float, up_m: float = 30.0, **more: Any) -> Waypoint:
    return Waypoint(point=at(east_m), altitude=above(up_m), **more)


def test_places_speeds_and_cameras_are_flown_as_the_file_says() -> None:
    adopted, ledger = taken(
        TakeOff(altitude=above(20.0)),
        go(50.0),
        PointCamera(pitch_deg=-30.0, yaw_deg=10.0),
        SetSpeed(speed_mps=3.0),
        go(100.0, heading_deg=90.0),
        ReturnToLaunch(),
    )
    assert ledger.losses == []
    first, second, third = adopted.waypoints
    assert first.point == HOME.model_copy(update={"alt_m": 65.0})
    assert (second.camera_yaw_deg, second.camera_pitch_deg, second.speed_mps) == (10.0, -30.0, 6.0)
    assert (third.camera_yaw_deg, third.camera_pitch_deg, third.speed_mps) == (90.0, -30.0, 3.0)


def test_the_camera_keeps_looking_at_a_place() -> None:
    adopted, _ = taken(go(0.0), LookAt(point=at(100.0), altitude=above(30.0)), go(200.0), LookAt(point=None), go(300.0))
    yaws = [waypoint.camera_yaw_deg for waypoint in adopted.waypoints]
    assert yaws[:2] == pytest.approx([90.0, 270.0], abs=0.02)


def test_a_recording_that_ends_on_a_circle_ends_on_its_rim() -> None:
    circle = Orbit(point=at(60.0), altitude=above(30.0), radius_m=20.0, turns=1.0)
    adopted, _ = taken(go(10.0), circle, StartVideo(), StopVideo(), go(200.0))
    stops = next(waypoint for waypoint in adopted.waypoints if waypoint.action is WaypointAction.STOP_VIDEO)
    off_m = LocalFrame(stops.point).to_enu(FRAME.to_geo(Enu(60.0, 0.0, 30.0)))
    assert math.hypot(off_m.east, off_m.north) == pytest.approx(20.0, abs=0.02)


def test_without_a_heading_the_camera_looks_ahead() -> None:
    adopted, _ = taken(go(50.0), go(100.0), go(20.0))
    assert [w.camera_yaw_deg for w in adopted.waypoints] == pytest.approx([90.0, 90.0, 270.0], abs=0.02)


def test_video_and_series_of_photos_are_recorded_and_always_end() -> None:
    adopted, ledger = taken(go(10.0), StartPhotos(every_m=5.0), go(50.0), StopPhotos(), StartVideo(), go(90.0))
    actions = [waypoint.action for waypoint in adopted.waypoints if waypoint.action is not WaypointAction.NONE]
    assert actions == [WaypointAction.START_VIDEO, WaypointAction.STOP_VIDEO] * 2
    assert {loss.severity for loss in ledger.losses} == {Severity.APPROXIMATED}


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ((go(10.0, hold_s=4.0),), "hold_s"),
        ((go(10.0), Hover(time_s=4.0)), "time_s"),
        ((go(10.0), TakePhoto()), ""),
        ((go(10.0), Foreign(dialect="mavlink", name="DO_GRIPPER")), "name"),
        ((go(10.0), ReturnToLaunch(), go(20.0)), ""),
        ((go(10.0), PointCamera(roll_deg=5.0)), "roll_deg"),
        ((go(10.0, name="North face"),), "name"),
    ],
)
def test_what_our_aircraft_does_not_do_is_booked(items: tuple[Any, ...], field: str) -> None:
    _, ledger = taken(*items)
    assert [(loss.field, loss.severity) for loss in ledger.losses] == [(field, Severity.DROPPED)]


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ((), "items"),
        ((Orbit(point=at(50.0), altitude=above(30.0), radius_m=900.0),), "items.0.radius_m"),
        ((go(1.0), Orbit(point=at(50.0), altitude=above(30.0), radius_m=10.0, turns=60.0)), "items.1.turns"),
        ((go(10.0).model_copy(update={"altitude": Altitude(value_m=9, reference=AltitudeReference.TERRAIN)}),),
         "items.0.altitude"),
    ],
)  # fmt: skip
def test_what_cannot_be_flown_is_refused_by_item(items: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        taken(*items)
    assert caught.value.field == field


def test_circles_are_flown_whole_and_landing_is_at_home() -> None:
    circle = Orbit(point=at(60.0), altitude=above(30.0), radius_m=20.0, turns=1.5, speed_mps=4.0)
    adopted, ledger = taken(go(10.0), circle, Land(point=at(500.0)))
    flown = adopted.waypoints[1]
    assert flown.orbit is not None
    assert (flown.orbit.turns, flown.orbit.radius_m, flown.speed_mps) == (2, 20.0, 4.0)
    assert [loss.field for loss in ledger.losses] == ["turns", "point"]


def test_our_own_route_comes_back_as_it_was() -> None:
    """Every format that can say a route keeps it: places, speeds, camera, recordings."""
    route = patterns.flights(corridor(4), lambda part: (f"pln-{part}", 1))[0].route
    for target in (Format.QGC_PLAN, Format.GEOJSON):
        content, _ = conversion.write(planned.mission_of(route, Ledger()), target)
        mission, _ = conversion.read(content, target)
        ledger = Ledger()
        back = adopt(mission, ledger, home=route.home)
        assert ledger.losses == []
        assert len(back.waypoints) == len(route.waypoints) + 1, "the take-off climbs to the first height by itself"
        for mine, theirs in zip(route.waypoints, back.waypoints[1:], strict=True):
            assert LocalFrame(mine.point).to_enu(theirs.point).norm() < 0.02
            assert theirs.speed_mps == pytest.approx(mine.speed_mps, abs=0.01)
            assert theirs.action is mine.action
            assert theirs.camera_pitch_deg == pytest.approx(mine.camera_pitch_deg, abs=0.02)


@pytest.mark.parametrize("name", ["mavsdk", "developer guide"])
def test_published_plans_become_routes(name: str) -> None:
    mission, _ = conversion.read(samples.as_bytes(samples.PUBLISHED[name]), Format.QGC_PLAN)
    adopted = adopt(mission, Ledger())
    assert len(adopted.waypoints) >= 4


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(missions.PLAN)
def test_the_places_that_are_flown_are_those_that_are_judged(mission: Mission) -> None:
    try:
        adopted = adopt(mission, Ledger(), home=HOME)
    except InvalidInput as refused:
        assert refused.field  # noqa: PT017 - with the item
        return
    frame = LocalFrame(HOME)
    try:
        judged = imported.flown(mission, home=HOME).track
    except InvalidInput as refused:  # an item after the one that comes home: judged all the same
        assert refused.field  # noqa: PT017
        return
    ends = places_of(judged.legs)
    for waypoint in adopted.waypoints:
        if waypoint.orbit is None and LocalFrame(HOME).to_enu(waypoint.point).norm() > 1.0:
            place = frame.to_enu(waypoint.point)
            assert min(math.dist(place, end) for end in ends) < 0.02 + 1e-6 * place.norm()


def places_of(legs: Any) -> list[Enu]:
    return [place for leg in legs for place in (leg.start, leg.end)]
