"""QGroundControl plans: what is read, what comes back, what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from contracts.errors import InvalidInput
from interchange import conversion
from interchange.formats import Format
from interchange.mission import Altitude, AltitudeReference, Area, FenceCircle, FencePolygon, Foreign, LatLon, Waypoint
from tests.unit.interchange import samples


def read(document: dict[str, Any]) -> Any:
    return conversion.read(samples.as_bytes(document), Format.QGC_PLAN)[0]


@pytest.mark.parametrize("document", samples.PUBLISHED.values(), ids=samples.PUBLISHED.keys())
def test_a_published_plan_comes_back_with_every_field(document: dict[str, Any]) -> None:
    made = conversion.convert(samples.as_bytes(document), Format.QGC_PLAN, Format.QGC_PLAN)
    assert json.loads(made.content) == document
    assert made.report.losses == ()


def test_fields_nobody_knows_come_back() -> None:
    document = copy.deepcopy(samples.DOCUMENTED)
    document["customerNote"] = {"x": [1, None, "ü"]}
    document["mission"]["futureSetting"] = 3
    document["mission"]["items"][0]["futureField"] = "kept"
    document["mission"]["items"].append(samples.simple(31999, [1.5, None, 3, 4, 5, 6, 7], frame=1))
    made = conversion.convert(samples.as_bytes(document), Format.QGC_PLAN, Format.QGC_PLAN)
    back = json.loads(made.content)
    added = back["mission"]["items"][-1]
    assert added.pop("doJumpId") == 2
    assert back == document


def test_points_of_a_plan_are_latitude_first() -> None:
    mission = read(samples.DOCUMENTED)
    assert (mission.home.lat_deg, mission.home.lon_deg) == (47.3977419, 8.545594)
    take_off, survey, corridor, structure = mission.items
    assert take_off.point == LatLon(lat_deg=47.3985099, lon_deg=8.5451002)
    assert survey.outline[0] == LatLon(lat_deg=-37.75170619863631, lon_deg=144.98414811224316)
    assert (survey.closed, corridor.closed, structure.closed) == (True, False, True)
    polygon, circle = mission.fences
    assert isinstance(polygon, FencePolygon)
    assert isinstance(circle, FenceCircle)
    assert circle.centre.lat_deg == 47.39756763610029
    assert mission.rally_points[0].lon_deg == 8.5509154


def test_home_is_above_the_sea_and_rally_points_above_home() -> None:
    mission = read(samples.DOCUMENTED)
    assert mission.home.altitude == Altitude(value_m=487.989, reference=AltitudeReference.AMSL)
    assert mission.rally_points[0].altitude == Altitude(value_m=50, reference=AltitudeReference.TAKE_OFF)


@pytest.mark.parametrize(
    ("frame", "reference"),
    [
        (0, AltitudeReference.AMSL),
        (5, AltitudeReference.AMSL),
        (3, AltitudeReference.TAKE_OFF),
        (6, AltitudeReference.TAKE_OFF),
        (10, AltitudeReference.TERRAIN),
        (11, AltitudeReference.TERRAIN),
    ],
)
def test_the_frame_says_what_an_altitude_is_measured_from(frame: int, reference: AltitudeReference) -> None:
    # AltitudeMode contradicts on purpose: its numbers changed between versions of QGroundControl.
    item = samples.simple(16, [0, 0, 0, None, 47.0, 8.0, 120], frame=frame, AltitudeMode=2)
    (waypoint,) = read(samples.plan([item], [47.0, 8.0, 400])).items
    assert waypoint.altitude == Altitude(value_m=120, reference=reference)


def test_ardupilot_ignores_a_yaw_of_zero_and_px4_faces_north() -> None:
    document = samples.plan([samples.simple(16, [0, 0, 0, 0, 47.0, 8.0, 120], frame=3)], [47.0, 8.0, 400])
    assert read(document).items[0].heading_deg == 0
    document["mission"]["firmwareType"] = 3
    assert read(document).items[0].heading_deg is None


def test_a_survey_keeps_its_items_and_an_unknown_command_is_kept_as_foreign() -> None:
    mission = read(samples.DOCUMENTED)
    survey = mission.items[1]
    assert isinstance(survey, Area)
    assert [step.kind for step in survey.items] == ["waypoint", "start_photos", "waypoint", "stop_photos"]
    (foreign,) = read(samples.plan([samples.simple(177, [1, 3, 0, 0, 0, 0, 0])], [47.0, 8.0, 0])).items
    assert isinstance(foreign, Foreign)


def test_a_changed_item_is_written_anew_and_the_others_stay() -> None:
    mission = read(samples.MAVSDK_SAMPLE)
    first = mission.items[1]
    assert isinstance(first, Waypoint)
    higher = first.model_copy(update={"altitude": Altitude(value_m=60, reference=AltitudeReference.TAKE_OFF)})
    changed = mission.model_copy(update={"items": (mission.items[0], higher, *mission.items[2:])})
    content, _ = conversion.write(changed, Format.QGC_PLAN)
    back = json.loads(content)["mission"]["items"]
    assert back[1]["params"][6] == back[1]["Altitude"] == 60
    assert back[0] == samples.MAVSDK_SAMPLE["mission"]["items"][0]


def broken(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(samples.DOCUMENTED)
    *steps, last = path.split(".")
    inner: Any = document
    for step in steps:
        inner = inner[int(step) if step.isdigit() else step]
    inner[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("fileType", "Mission", "fileType"),
        ("mission", [], "mission"),
        ("mission.items", {}, "mission.items"),
        ("mission.items.0", 7, "mission.items[0]"),
        ("mission.items.0.type", "Odd", "mission.items[0].type"),
        ("mission.items.0.command", "22", "mission.items[0].command"),
        ("mission.items.0.params", [1, 2], "mission.items[0].params"),
        ("mission.items.0.params.4", 91, "mission.items[0]"),
        ("mission.items.0.params.4", "47", "mission.items[0].params[4]"),
        ("mission.items.1.complexItemType", None, "mission.items[1].complexItemType"),
        ("mission.items.1.polygon.0", [1], "mission.items[1].polygon[0]"),
        ("mission.items.1.TransectStyleComplexItem.Items.0.frame", -1, "TransectStyleComplexItem.Items[0].frame"),
        ("mission.plannedHomePosition", [1, 2], "mission.plannedHomePosition"),
        ("geoFence.polygons.0.polygon", [[1, 2]], "geoFence.polygons[0]"),
        ("geoFence.polygons.0.inclusion", None, "geoFence.polygons[0]"),
        ("geoFence.circles.0.circle.radius", -1, "geoFence.circles[0]"),
        ("rallyPoints.points.0", [1, 2], "rallyPoints.points[0]"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(path: str, value: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(broken(path, value))
    assert str(caught.value.field).endswith(field)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe{}",
        b'{"fileType": "Plan", "fileType": "Plan"}',
        b'{"fileType": "Plan", "mission": {"items": [NaN]}}',
        b'{"fileType": "Plan", "mission": {"items": [1e999]}}',
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b"[" * 200_000,
        b'{"fileType": "\\ud800"}',
        b"9" * 5000,
    ],
)
def test_what_is_no_json_plan_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        conversion.read(content, Format.QGC_PLAN)
