"""DJI WPML: the documented example files, axes, heights, times, actions and photo series."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import InvalidInput
from interchange import archive, conversion, markup
from interchange.altitudes import Aircraft, Given
from interchange.formats import Format
from interchange.markup import Node
from interchange.mission import (
    Altitude,
    AltitudeReference,
    Area,
    Item,
    LatLon,
    Loiter,
    LookAt,
    Mission,
    Orbit,
    Place,
    PointCamera,
    ReturnToLaunch,
    StartPhotos,
    TakeOff,
    Waypoint,
)
from tests.unit.interchange import samples, wpml_samples

HERE = LatLon(lat_deg=23.98057, lon_deg=115.987663)


def height(metres: float, reference: AltitudeReference = AltitudeReference.TAKE_OFF) -> Altitude:
    return Altitude(value_m=metres, reference=reference)


def waypoint(metres: float = 50, reference: AltitudeReference = AltitudeReference.TAKE_OFF) -> Waypoint:
    return Waypoint(point=HERE, altitude=height(metres, reference))


def documents(content: bytes) -> dict[str, Node]:
    found = archive.members(content, re.compile(".*"))
    return {name: markup.parse(body, name) for name, body in found.items()}


def written(*items: Item, given: Given | None = None, home: Place | None = None) -> tuple[dict[str, Node], list[str]]:
    mission = Mission(speed_mps=5, items=items, home=home)
    content, losses = conversion.write(mission, Format.WPML, given or Given(aircraft=Aircraft.M3E))
    return documents(content), [f"{loss.severity}:{loss.kind}.{loss.field}" for loss in losses]


def said(root: Node, name: str) -> list[str]:
    return [node.text for node in root.walk() if node.name.removeprefix("wpml:") == name]


def test_the_documented_waylines_are_read() -> None:
    mission, losses = conversion.read(wpml_samples.WAYLINES, Format.WPML)
    assert losses == ()
    kinds = [item.kind for item in mission.items]
    assert kinds == ["take_off", "waypoint", "waypoint", "set_speed", "point_camera", "take_photo", "return_to_launch"]
    first, camera = mission.items[1], mission.items[4]
    assert isinstance(first, Waypoint)
    assert first.point == HERE
    assert first.altitude == height(116.57, AltitudeReference.ELLIPSOID)
    assert isinstance(camera, PointCamera)
    assert (camera.yaw_deg, camera.pitch_deg, camera.yaw_from_nose) == (30, None, False)
    assert mission.speed_mps == 10


def test_the_documented_files_come_back_with_every_element() -> None:
    both = archive.pack({"wpmz/template.kml": wpml_samples.TEMPLATE, "wpmz/waylines.wpml": wpml_samples.WAYLINES})
    made = conversion.convert(both, Format.WPML, Format.WPML, Given(geoid_separation_m=0))
    back, before = documents(made.content), documents(both)
    for name in ("flyToWaylineMode", "exitOnRCLost", "executeRCLostAction", "globalTransitionalSpeed", "executeHeight"):
        assert said(back["wpmz/waylines.wpml"], name) == said(before["wpmz/waylines.wpml"], name)
    for name in ("author", "updateTime", "createTime", "positioningType", "takeOffRefPoint", "gimbalPitchMode"):
        if name not in ("positioningType", "gimbalPitchMode"):
            assert said(back["wpmz/template.kml"], name) == said(before["wpmz/template.kml"], name), name
    kinds = [node.text for node in back["wpmz/waylines.wpml"].walk() if node.name == "wpml:actionActuatorFunc"]
    assert kinds == ["gimbalRotate", "takePhoto"]


def test_a_template_alone_is_read_with_its_own_height_mode() -> None:
    mission, losses = conversion.read(wpml_samples.TEMPLATE, Format.WPML)
    assert [loss.field for loss in losses] == []
    first = mission.items[1]
    assert isinstance(first, Waypoint)
    assert first.altitude == height(100, AltitudeReference.AMSL)


def test_a_mapping_template_without_waylines_is_refused() -> None:
    mapping = wpml_samples.TEMPLATE.replace(b">waypoint<", b">mapping2d<")
    with pytest.raises(InvalidInput, match="mapping2d"):
        conversion.read(archive.pack({"wpmz/template.kml": mapping}), Format.WPML)


def test_waypoints_are_longitude_first_and_reference_points_latitude_first() -> None:
    home = Place(lat_deg=47.5, lon_deg=8.25, altitude=height(460, AltitudeReference.ELLIPSOID))
    look = LookAt(point=LatLon(lat_deg=47.25, lon_deg=8.75))
    found, _ = written(waypoint(), look, waypoint(), home=home)
    waylines, template = found["wpmz/waylines.wpml"], found["wpmz/template.kml"]
    assert said(waylines, "coordinates")[0] == "115.987663,23.98057"
    assert said(waylines, "waypointPoiPoint")[0] == "47.25,8.75,0"
    assert said(template, "takeOffRefPoint") == ["47.5,8.25,460"]


@pytest.mark.parametrize(
    ("reference", "execute", "template"),
    [
        (AltitudeReference.TAKE_OFF, "relativeToStartPoint", "relativeToStartPoint"),
        (AltitudeReference.ELLIPSOID, "WGS84", "EGM96"),
        (AltitudeReference.TERRAIN, "realTimeFollowSurface", "aboveGroundLevel"),
    ],
)
def test_each_reference_has_its_height_mode(reference: AltitudeReference, execute: str, template: str) -> None:
    found, _ = written(waypoint(100, reference), given=Given(geoid_separation_m=48))
    assert said(found["wpmz/waylines.wpml"], "executeHeightMode") == [execute]
    assert said(found["wpmz/waylines.wpml"], "executeHeight") == ["100"]
    assert said(found["wpmz/template.kml"], "heightMode") == [template]
    ellipsoid = reference is AltitudeReference.ELLIPSOID
    assert said(found["wpmz/template.kml"], "height") == ["52" if ellipsoid else "100"]


def test_sea_level_needs_the_geoid_or_home_and_says_which_it_took() -> None:
    sea = waypoint(520, AltitudeReference.AMSL)
    found, losses = written(sea, given=Given(geoid_separation_m=48))
    assert said(found["wpmz/waylines.wpml"], "executeHeight") == ["568"]
    assert "approximated:waypoint.altitude" in losses
    home = Place(lat_deg=47.5, lon_deg=8.25, altitude=height(500, AltitudeReference.AMSL))
    found, losses = written(sea, home=home)
    assert said(found["wpmz/waylines.wpml"], "executeHeight") == ["20"]
    assert "approximated:waypoint.altitude" in losses
    with pytest.raises(InvalidInput, match="above mean sea level") as caught:
        written(sea)
    assert caught.value.field == "items[0].altitude"


def test_two_references_in_one_wayline_are_said_against_one_or_refused() -> None:
    mixed = (waypoint(50), waypoint(520, AltitudeReference.AMSL))
    home = Place(lat_deg=47.5, lon_deg=8.25, altitude=height(500, AltitudeReference.AMSL))
    found, _ = written(*mixed, home=home)
    assert said(found["wpmz/waylines.wpml"], "executeHeight") == ["50", "20"]
    with pytest.raises(InvalidInput):
        written(waypoint(50), waypoint(40, AltitudeReference.TERRAIN), home=home)


def test_times_are_unix_milliseconds() -> None:
    mission, _ = conversion.read(
        archive.pack({"wpmz/template.kml": wpml_samples.TEMPLATE, "wpmz/waylines.wpml": wpml_samples.WAYLINES}),
        Format.WPML,
    )
    assert mission.created_at == datetime(2021, 11, 22, 17, 6, 47, 44000, tzinfo=UTC)
    late = mission.created_at + timedelta(microseconds=5)
    _, losses = conversion.write(mission.model_copy(update={"created_at": late}), Format.WPML, Given())
    assert "template" in {loss.field for loss in losses}


@pytest.mark.parametrize(
    ("heading", "angle"), [(0.0, "0"), (90.0, "90"), (180.0, "180"), (270.0, "-90"), (450.0, "90")]
)
def test_headings_are_from_north_and_signed(heading: float, angle: str) -> None:
    found, _ = written(waypoint().model_copy(update={"heading_deg": heading}))
    assert said(found["wpmz/waylines.wpml"], "waypointHeadingAngle") == [angle]


def test_straight_down_is_minus_ninety_for_dji_and_mavlink_alike() -> None:
    item = samples.simple(1000, [-90, None, None, None, 64, 0, 0])
    place = samples.shown(16, [0, 0, 0, None, 47.0, 8.0, 50], 1)
    plan = samples.plan([place, item], [47.0, 8.0, 400])
    made = conversion.convert(samples.as_bytes(plan), Format.QGC_PLAN, Format.WPML)
    waylines = documents(made.content)["wpmz/waylines.wpml"]
    assert said(waylines, "gimbalPitchRotateAngle") == ["-90.0"]
    assert said(waylines, "gimbalYawRotateEnable") == ["0"]


def test_a_series_of_photos_runs_from_one_waypoint_to_another() -> None:
    found, _ = written(waypoint(), StartPhotos(every_m=12.5), waypoint(), waypoint())
    waylines = found["wpmz/waylines.wpml"]
    assert said(waylines, "actionTriggerType") == ["multipleDistance"]
    assert said(waylines, "actionTriggerParam") == ["12.5"]
    assert (said(waylines, "actionGroupStartIndex"), said(waylines, "actionGroupEndIndex")) == (["0"], ["2"])


def test_the_centre_of_a_circle_is_never_flown_to() -> None:
    circle = Loiter(point=LatLon(lat_deg=1, lon_deg=2), altitude=height(80), turns=2, radius_m=30)
    orbit = Orbit(point=LatLon(lat_deg=1, lon_deg=2), altitude=height(80), radius_m=30)
    found, losses = written(waypoint(), circle, orbit)
    assert len(said(found["wpmz/waylines.wpml"], "coordinates")) == 1
    assert {"dropped:loiter.kind", "dropped:orbit.kind"} <= set(losses)


def test_what_lies_between_is_booked_item_by_item() -> None:
    _, losses = written(TakeOff(altitude=height(5000)), waypoint(), ReturnToLaunch(), waypoint())
    assert "dropped:return_to_launch.kind" in losses
    assert "approximated:mission.take_off" in losses


def test_a_survey_flies_the_items_it_was_saved_with_and_a_bare_scan_is_booked() -> None:
    made = conversion.convert(samples.as_bytes(samples.DOCUMENTED), Format.QGC_PLAN, Format.WPML)
    waylines = documents(made.content)["wpmz/waylines.wpml"]
    assert len(said(waylines, "coordinates")) == 4
    assert said(waylines, "actionTriggerParam") == ["25", "25"]
    words = {(loss.kind, loss.field, loss.severity.value) for loss in made.report.losses}
    assert ("area", "pattern", "approximated") in words
    assert ("area", "pattern", "dropped") in words
    assert ("mission", "fences", "dropped") in words
    assert any(isinstance(item, Area) for item in made.mission.items)


def test_settings_of_dji_that_others_cannot_hold_are_booked() -> None:
    made = conversion.convert(wpml_samples.WAYLINES, Format.WPML, Format.GEOJSON)
    assert made.report.losses == ()
    made = conversion.convert(wpml_samples.WAYLINES, Format.WPML, Format.QGC_PLAN, Given(geoid_separation_m=20))
    fields = {loss.field for loss in made.report.losses}
    assert {"exitOnRCLost", "executeRCLostAction", "droneInfo", "payloadInfo", "flyToWaylineMode"} <= fields


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b"WGS84", b"Mars", "executeHeightMode"),
        (b"116.57", b"high", "executeHeight"),
        (b"115.987663,23.980570", b"115.98", "coordinates"),
        (b"115.987663,23.980570", b"23.980570,115.987663", "Placemark[0]"),
        (b"<wpml:index>1<", b"<wpml:index>0<", "index"),
        (b"<wpml:index>1<", b"<wpml:index>x<", "index"),
        (b"GroupStartIndex>1<", b"GroupStartIndex>1.5<", "actionGroupStartIndex"),
        (b"<wpml:executeHeight>116.57</wpml:executeHeight>", b"", "executeHeight"),
    ],
)
def test_a_wrong_element_is_refused_by_its_name(old: bytes, new: bytes, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        conversion.read(wpml_samples.WAYLINES.replace(old, new, 1), Format.WPML)
    assert str(caught.value.field).endswith(field)
