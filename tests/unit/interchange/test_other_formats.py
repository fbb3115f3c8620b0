"""QGC WPL, Litchi, KML and GeoJSON: their own axes, units and traps, and what is refused by line or field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.errors import InvalidInput
from interchange import archive, conversion, formats
from interchange.altitudes import Given, shift_m
from interchange.formats import Format
from interchange.mission import (
    Altitude,
    AltitudeReference,
    FenceCircle,
    Hover,
    LatLon,
    LookAt,
    Mission,
    PointCamera,
    SetHeading,
    StartPhotos,
    Waypoint,
)
from tests.unit.interchange import samples, wpml_samples

AMSL, TAKE_OFF = AltitudeReference.AMSL, AltitudeReference.TAKE_OFF
TERRAIN, ELLIPSOID = AltitudeReference.TERRAIN, AltitudeReference.ELLIPSOID


def height(metres: float, reference: AltitudeReference) -> Altitude:
    return Altitude(value_m=metres, reference=reference)


def waypoints(content: bytes, source: Format) -> list[Waypoint]:
    return [item for item in conversion.read(content, source)[0].items if isinstance(item, Waypoint)]


def test_the_documented_waypoint_file_is_read_latitude_first() -> None:
    mission, losses = conversion.read(samples.DEVGUIDE_WPL, Format.QGC_WPL)
    assert mission.home is None
    first = mission.items[0]
    assert isinstance(first, Waypoint)
    assert (first.point.lat_deg, first.point.lon_deg) == (8.548, 47.376)
    assert first.altitude == height(550, AMSL)
    assert first.hold_s == 0.15
    assert [loss.field for loss in losses] == ["heading_deg"]


def test_a_true_north_survives_a_waypoint_file() -> None:
    north = Waypoint(point=LatLon(lat_deg=1, lon_deg=2), altitude=height(30, TAKE_OFF), heading_deg=0.0)
    content, _ = conversion.write(Mission(items=(north,)), Format.QGC_WPL)
    (back,) = waypoints(content, Format.QGC_WPL)
    assert back.heading_deg == 360.0


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("1\t0\t3\t16\t0\t0\t0\t0\t47\t8\t50", "line 3"),
        ("1\t0\t3\t16\tx\t0\t0\t0\t47\t8\t50\t1", "line 3, column 5"),
        ("1\t0\t3\t16\tinf\t0\t0\t0\t47\t8\t50\t1", "line 3, column 5"),
        ("1\t0\t3.5\t16\t0\t0\t0\t0\t47\t8\t50\t1", "line 3, column 3 (frame)"),
        ("1\t0\t3\t16\t0\t0\t0\t0\t97\t8\t50\t1", "line 3"),
        ("1\t0\t3\t16\t-1\t0\t0\t0\t47\t8\t50\t1", "line 3"),
    ],
)
def test_a_wrong_line_of_a_waypoint_file_is_named(line: str, field: str) -> None:
    home = "0\t1\t0\t16\t0\t0\t0\t0\t47\t8\t400\t1"
    with pytest.raises(InvalidInput) as caught:
        conversion.read(f"QGC WPL 110\n{home}\n{line}\n".encode(), Format.QGC_WPL)
    assert caught.value.field == field


LITCHI = (
    "latitude,longitude,altitude(ft),heading(deg),curvesize(ft),rotationdir,gimbalmode,gimbalpitchangle,"
    "actiontype1,actionparam1,actiontype2,actionparam2,altitudemode,speed(m/s),poi_latitude,poi_longitude,"
    "poi_altitude(ft),poi_altitudemode,photo_timeinterval,photo_distinterval\n"
    "47.1,8.1,100,270,10,1,2,-45,0,1500,4,90,0,3,0,0,0,0,-1,-1\n"
    "47.2,8.2,200,0,0,0,1,0,1,0,5,-30,1,0,47.5,8.5,50,0,2,-1\n"
)


def test_litchi_speaks_feet_milliseconds_and_degrees_from_north() -> None:
    mission, losses = conversion.read(LITCHI.encode(), Format.LITCHI)
    assert losses == ()
    first, second = [item for item in mission.items if isinstance(item, Waypoint)]
    assert first.altitude == height(30.48, TAKE_OFF)
    assert second.altitude == height(60.96, TERRAIN)
    assert first.heading_deg == 270
    assert first.corner_radius_m == pytest.approx(3.048)
    assert [item.time_s for item in mission.items if isinstance(item, Hover)] == [1.5]
    turn = next(item for item in mission.items if isinstance(item, SetHeading))
    assert (turn.heading_deg, turn.clockwise) == (90, False)
    assert [item.pitch_deg for item in mission.items if isinstance(item, PointCamera)] == [-45, -30]
    look = next(item for item in mission.items if isinstance(item, LookAt))
    assert look.point == LatLon(lat_deg=47.5, lon_deg=8.5)
    assert look.altitude == height(15.24, TAKE_OFF)
    assert [item.every_s for item in mission.items if isinstance(item, StartPhotos)] == [2]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("latitude,", "lat,", "line 1"),
        ("47.1", "north", "line 2, latitude"),
        ("47.1", "", "line 2, latitude"),
        ("47.1", "nan", "line 2, latitude"),
        ("47.1", "95", "line 2"),
        (",0,1500", ",9,1500", "line 2, actiontype1"),
        (",0,3,", ",7,3,", "line 2, altitudemode"),
        ("47.2,", "47.2,1,2,3,4,5,", "line 3"),
        ("longitude", "latitude", "line 1"),
    ],
)
def test_a_wrong_cell_of_a_csv_is_named(old: str, new: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        conversion.read(LITCHI.replace(old, new, 1).encode(), Format.LITCHI)
    assert caught.value.field == field


def test_a_column_that_is_not_litchis_is_booked() -> None:
    _, losses = conversion.read(b"latitude,longitude,altitude(m),mood\n1,2,3,good\n", Format.LITCHI)
    assert [loss.field for loss in losses] == ["mood"]


def kml(body: str) -> bytes:
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'.encode()


LINE = "<Placemark><LineString>{mode}<coordinates>8.5,47.4,90 8.6,47.5,91</coordinates></LineString></Placemark>"


@pytest.mark.parametrize(
    ("mode", "reference"),
    [("absolute", AMSL), ("relativeToGround", TERRAIN), ("clampToGround", None), (None, None)],
)
def test_kml_is_longitude_first_and_its_mode_says_the_height(mode: str | None, reference: Any) -> None:
    said = f"<altitudeMode>{mode}</altitudeMode>" if mode else ""
    mission, losses = conversion.read(kml(LINE.format(mode=said)), Format.KML)
    first = mission.items[0]
    assert isinstance(first, Waypoint)
    assert first.point == LatLon(lat_deg=47.4, lon_deg=8.5)
    assert first.altitude == (None if reference is None else height(90, reference))
    assert [loss.field for loss in losses] == ([] if reference else ["altitude"])


def test_a_drawn_line_is_flown_only_at_a_height_that_somebody_gives() -> None:
    drawn = kml(LINE.format(mode=""))
    with pytest.raises(InvalidInput, match="no altitude"):
        conversion.convert(drawn, Format.KML, Format.QGC_PLAN)
    made = conversion.convert(drawn, Format.KML, Format.QGC_PLAN, Given(altitude=height(40, TAKE_OFF)))
    assert [item["params"][6] for item in json.loads(made.content)["mission"]["items"]] == [40, 40]
    assert "altitude" in {loss.field for loss in made.report.losses if loss.severity == "defaulted"}


def test_a_kmz_with_a_drawing_is_told_from_a_wayline_and_both_are_read() -> None:
    drawing = archive.pack({"doc.kml": kml(LINE.format(mode=""))})
    wayline = archive.pack({"wpmz/waylines.wpml": wpml_samples.WAYLINES})
    assert formats.of_content(drawing, "x.kmz") is Format.KML
    assert formats.of_content(wayline, "x.kmz") is Format.WPML
    assert len(waypoints(drawing, Format.KML)) == 2


def test_points_beside_a_line_and_areas_are_booked() -> None:
    point = "<Placemark><name>A</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
    area = "<Placemark><Polygon><outerBoundaryIs/></Polygon></Placemark>"
    _, losses = conversion.read(kml(LINE.format(mode="") + point + area), Format.KML)
    assert {"Point", "Polygon"} <= {loss.field for loss in losses}
    assert [item.name for item in waypoints(kml(point), Format.KML)] == ["A"]
    with pytest.raises(InvalidInput):
        conversion.read(kml(area), Format.KML)


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def test_geojson_is_longitude_first_and_its_third_number_above_the_ellipsoid() -> None:
    line = feature({"type": "LineString", "coordinates": [[8.5, 47.4, 500], [8.6, 47.5]]})
    first, second = waypoints(collection(line), Format.GEOJSON)
    assert first.point == LatLon(lat_deg=47.4, lon_deg=8.5)
    assert (first.altitude, second.altitude) == (height(500, ELLIPSOID), None)
    stated = feature({"type": "Point", "coordinates": [8.5, 47.4]}, altitude_m=30, altitude_reference="take_off")
    assert waypoints(collection(stated), Format.GEOJSON)[0].altitude == height(30, TAKE_OFF)


def test_a_point_that_was_moved_in_another_program_is_believed() -> None:
    mission, _ = conversion.read(samples.as_bytes(samples.MAVSDK_SAMPLE), Format.QGC_PLAN)
    document = json.loads(conversion.write(mission, Format.GEOJSON)[0])
    moved = next(f for f in document["features"] if f["properties"].get("item", {}).get("kind") == "waypoint")
    moved["geometry"]["coordinates"] = [8.9, 47.9]
    back, _ = conversion.read(json.dumps(document).encode(), Format.GEOJSON)
    assert back.items[1].point == LatLon(lat_deg=47.9, lon_deg=8.9)  # type: ignore[union-attr]
    plan = json.loads(conversion.write(back, Format.QGC_PLAN)[0])
    assert plan["mission"]["items"][1]["params"][4:6] == [47.9, 8.9]


def test_a_plan_goes_through_geojson_without_a_loss() -> None:
    there = conversion.convert(samples.as_bytes(samples.DOCUMENTED), Format.QGC_PLAN, Format.GEOJSON)
    back = conversion.convert(there.content, Format.GEOJSON, Format.QGC_PLAN)
    assert json.loads(back.content) == samples.DOCUMENTED
    assert (there.report.losses, back.report.losses) == ((), ())


@pytest.mark.parametrize(
    ("features", "field"),
    [
        ([feature({"type": "Point", "coordinates": [8.5]})], "features[0].geometry.coordinates[0]"),
        ([feature({"type": "Point", "coordinates": [47.4, 97]})], "features[0].geometry.coordinates[0]"),
        ([feature({"type": "Point", "coordinates": [1, 2]}, altitude_m=3)], "features[0].properties"),
        ([feature(None, role="item", item={"kind": "fly"})], "features[0].properties.item"),
        ([feature({"type": "Point", "coordinates": [1, 2]}, role="fence", inside=True)], "features[0]"),
        ([feature({"type": "LineString", "coordinates": []}, role="fence")], "features[0].geometry.coordinates"),
        ([7], "features[0]"),
    ],
)
def test_a_wrong_feature_is_named(features: list[Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        conversion.read(collection(*features), Format.GEOJSON)
    assert str(caught.value.field).startswith(field)


def test_a_fence_of_another_program_keeps_its_sense() -> None:
    circle = feature({"type": "Point", "coordinates": [8.5, 47.4]}, role="fence", inside=False, radius_m=30)
    (fence,) = conversion.read(collection(circle), Format.GEOJSON)[0].fences
    assert isinstance(fence, FenceCircle)
    assert (fence.inside, fence.centre.lat_deg) == (False, 47.4)


@pytest.mark.parametrize(
    ("source", "target", "home", "geoid_m", "expected"),
    [
        (AMSL, AMSL, None, None, 0.0),
        (AMSL, ELLIPSOID, None, 48.0, 48.0),
        (ELLIPSOID, AMSL, None, 48.0, -48.0),
        (AMSL, ELLIPSOID, None, None, None),
        (AMSL, TAKE_OFF, height(500, AMSL), None, -500.0),
        (TAKE_OFF, AMSL, height(500, AMSL), None, 500.0),
        (TAKE_OFF, ELLIPSOID, height(500, AMSL), 48.0, 548.0),
        (TAKE_OFF, ELLIPSOID, height(500, AMSL), None, None),
        (ELLIPSOID, TAKE_OFF, height(548, ELLIPSOID), None, -548.0),
        (AMSL, TAKE_OFF, height(548, ELLIPSOID), 48.0, -500.0),
        (AMSL, TAKE_OFF, height(10, TAKE_OFF), 48.0, None),
        (TERRAIN, AMSL, height(500, AMSL), 48.0, None),
        (TAKE_OFF, TERRAIN, height(500, AMSL), 48.0, None),
    ],
)
def test_an_altitude_moves_by_known_numbers_only(
    source: AltitudeReference, target: AltitudeReference, home: Any, geoid_m: float | None, expected: float | None
) -> None:
    assert shift_m(source, target, home, geoid_m) == expected


def test_unspoken_params_of_mavlink_are_booked() -> None:
    made = conversion.convert(samples.as_bytes(samples.MAVSDK_SAMPLE), Format.QGC_PLAN, Format.LITCHI)
    booked = {(loss.item, loss.field) for loss in made.report.losses}
    assert (0, "param1") in booked
    assert (None, "firmwareType") in booked
