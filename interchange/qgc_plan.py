"""QGroundControl ``.plan`` (plan version 1, mission version 2).

Source: "Plan File Format" of the QGroundControl developer guide. Points are ``[lat, lon]``, altitudes of
``plannedHomePosition`` above mean sea level, of rally points above home; an item's is measured as its ``frame`` says
(``AltitudeMode`` is what the editor shows, and its numbers changed between versions). What we do not know is kept.
"""

from __future__ import annotations

import copy

from pydantic import JsonValue

from contracts.errors import InvalidInput
from interchange import altitudes, mavlink
from interchange.losses import Ledger
from interchange.mavlink_writing import read_command, record_of
from interchange.mission import (
    Altitude,
    AltitudeReference,
    Area,
    FenceCircle,
    FencePolygon,
    LatLon,
    Mission,
    Place,
    Step,
    Verbatim,
    strip,
)
from interchange.reading import make, mapping, number, number_or_none, rows, wrong
from interchange.text import dump_json, load_json

REFERENCES = (AltitudeReference.AMSL, AltitudeReference.TAKE_OFF, AltitudeReference.TERRAIN)
_MODE_OF_FRAME = {3: 1, 6: 1, 0: 2, 5: 2, 10: 4, 11: 4}
"""QGroundControl's AltMode: 1 relative, 2 absolute, 4 terrain frame."""
_NEW: dict[str, JsonValue] = {
    "fileType": "Plan",
    "version": 1,
    "groundStation": "Kestrel",
    "geoFence": {"circles": [], "polygons": [], "version": 2},
    "rallyPoints": {"points": [], "version": 2},
    "mission": {
        "version": 2,
        "firmwareType": 12,
        "vehicleType": 2,
        "globalPlanAltitudeMode": 0,
        "cruiseSpeed": 15,
        "hoverSpeed": 5,
        "plannedHomePosition": [0, 0, 0],
        "items": [],
    },
}


def read(content: bytes, ledger: Ledger) -> Mission:
    """Return the mission of a plan file.

    Raises:
        InvalidInput: Not a plan, or a value breaks a rule; the field is named.
        TooLarge: Too many bytes.

    """
    document = mapping(load_json(content), "file")
    if document.get("fileType") != "Plan":
        raise wrong("fileType", '"Plan"')
    mission = mapping(document.get("mission"), "mission")
    zero = _ignores_yaw(document)
    listed = rows(mission.get("items"), "mission.items")
    items = [_item(value, f"mission.items[{index}]", ledger, zero=zero) for index, value in enumerate(listed)]
    rest = copy.deepcopy(document)
    mapping(rest["mission"], "mission")["items"] = []
    return make(
        Mission,
        "mission",
        home=_home(document),
        speed_mps=_speed(mission, "hoverSpeed"),
        fixed_wing_speed_mps=_speed(mission, "cruiseSpeed"),
        items=tuple(items),
        fences=_fences(document),
        rally_points=_rally(document),
        verbatim=Verbatim(dialect="qgc_plan", record=rest),
    )


def _ignores_yaw(document: dict[str, JsonValue]) -> bool:
    return mapping(document.get("mission"), "mission").get("firmwareType") == mavlink.ARDUPILOT


def _item(value: JsonValue, where: str, ledger: Ledger, *, zero: bool) -> Step | Area:
    record = mapping(value, where)
    if record.get("type") == "ComplexItem":
        return _area(record, where, ledger, zero=zero)
    if record.get("type") != "SimpleItem":
        raise wrong(f"{where}.type", '"SimpleItem" or "ComplexItem"')
    step = mavlink.step_of(read_command(record, where), where, zero_yaw_is_none=zero)
    return mavlink.with_record(step, record)


def _area(record: dict[str, JsonValue], where: str, ledger: Ledger, *, zero: bool) -> Area:
    pattern = record.get("complexItemType")
    if not isinstance(pattern, str) or not pattern:
        raise wrong(f"{where}.complexItemType", "a text")
    key = "polyline" if "polyline" in record else "polygon"
    outline = _points(record.get(key, []), f"{where}.{key}")
    transects = record.get("TransectStyleComplexItem", {})
    made = mapping(transects, f"{where}.TransectStyleComplexItem").get("Items", [])
    path = f"{where}.TransectStyleComplexItem.Items"
    steps = [_item(item, f"{path}[{index}]", ledger, zero=zero) for index, item in enumerate(rows(made, path))]
    if any(isinstance(step, Area) for step in steps):
        raise wrong(path, "a list of simple items")
    return make(
        Area,
        where,
        pattern=pattern,
        outline=outline,
        closed=key == "polygon",
        items=tuple(strip(step) for step in steps),
        verbatim=Verbatim(dialect="qgc_complex", record=record),
    )


def _points(value: JsonValue, where: str) -> tuple[LatLon, ...]:
    return tuple(_point(item, f"{where}[{index}]") for index, item in enumerate(rows(value, where)))


def _point(value: JsonValue, where: str) -> LatLon:
    pair = rows(value, where)
    if len(pair) < 2:
        raise wrong(where, "[latitude, longitude]")
    return make(LatLon, where, lat_deg=number(pair[0], where), lon_deg=number(pair[1], where))


def _place(value: JsonValue, where: str, reference: AltitudeReference) -> Place:
    triple = rows(value, where)
    if len(triple) != 3:
        raise wrong(where, "[latitude, longitude, altitude]")
    lat, lon, alt = number(triple[0], where), number(triple[1], where), number_or_none(triple[2], where)
    altitude = None if alt is None else make(Altitude, where, value_m=alt, reference=reference)
    return make(Place, where, lat_deg=lat, lon_deg=lon, altitude=altitude)


def _home(document: dict[str, JsonValue]) -> Place | None:
    where = "mission.plannedHomePosition"
    value = mapping(document.get("mission"), "mission").get("plannedHomePosition")
    return None if value is None else _place(value, where, AltitudeReference.AMSL)


def _speed(mission: dict[str, JsonValue], key: str) -> float | None:
    speed = number_or_none(mission.get(key), f"mission.{key}")
    return speed if speed is None or speed > 0 else None


def _fences(document: dict[str, JsonValue]) -> tuple[FencePolygon | FenceCircle, ...]:
    section = mapping(document.get("geoFence", {}), "geoFence")
    found: list[FencePolygon | FenceCircle] = []
    for index, value in enumerate(rows(section.get("polygons", []), "geoFence.polygons")):
        where = f"geoFence.polygons[{index}]"
        record = mapping(value, where)
        vertices = _points(record.get("polygon"), f"{where}.polygon")
        found.append(make(FencePolygon, where, vertices=vertices, inside=record.get("inclusion")))
    for index, value in enumerate(rows(section.get("circles", []), "geoFence.circles")):
        where = f"geoFence.circles[{index}]"
        record = mapping(value, where)
        circle = mapping(record.get("circle"), f"{where}.circle")
        centre = _point(circle.get("center"), f"{where}.circle.center")
        radius = number(circle.get("radius"), f"{where}.circle.radius")
        found.append(make(FenceCircle, where, centre=centre, radius_m=radius, inside=record.get("inclusion")))
    return tuple(found)


def _rally(document: dict[str, JsonValue]) -> tuple[Place, ...]:
    section = mapping(document.get("rallyPoints", {}), "rallyPoints")
    points = enumerate(rows(section.get("points", []), "rallyPoints.points"))
    return tuple(_place(value, f"rallyPoints.points[{i}]", AltitudeReference.TAKE_OFF) for i, value in points)


def write(mission: Mission, ledger: Ledger, given: altitudes.Given) -> bytes:
    """Return the plan file of a mission.

    Raises:
        InvalidInput: An altitude is missing, or cannot be said as MAVLink says it; the item is named.

    """
    fitted = _rally_above_home(altitudes.fit(mission, REFERENCES, given, ledger), given, ledger)
    ours = mission.verbatim is not None and mission.verbatim.dialect == "qgc_plan"
    document = copy.deepcopy(mission.verbatim.record) if ours and mission.verbatim else copy.deepcopy(_NEW)
    mapping(document.get("mission"), "verbatim.mission")
    _write_settings(document, fitted, ledger, kept=ours)
    zero = _ignores_yaw(document)
    records: list[JsonValue] = []
    for index, item in enumerate(fitted.items):
        with ledger.at(index, item.kind):
            records += _records(item, ledger, zero=zero)
    _number(records)
    mapping(document["mission"], "mission")["items"] = records
    return dump_json(document)


def _number(records: list[JsonValue]) -> None:
    """Give new items a ``doJumpId`` that none has; jumps of the old ones still find their target."""
    simple = [r for r in records if isinstance(r, dict) and r.get("type") == "SimpleItem"]
    used = [value for value in (record.get("doJumpId") for record in simple) if isinstance(value, int)]
    following = max(used, default=0) + 1
    for record in simple:
        if "doJumpId" not in record:
            record["doJumpId"] = following
            following += 1


def _write_settings(document: dict[str, JsonValue], mission: Mission, ledger: Ledger, *, kept: bool) -> None:
    section = mapping(document["mission"], "mission")
    if _home(document) != mission.home or not kept:
        section["plannedHomePosition"] = _home_record(mission.home, ledger)
    _write_speed(section, "hoverSpeed", mission.speed_mps, ledger)
    _write_speed(section, "cruiseSpeed", mission.fixed_wing_speed_mps, ledger)
    if not kept:
        ledger.defaulted("firmwareType", "A plan names an autopilot and a vehicle: PX4 and a quadrotor were written.")
    if mission.name or mission.created_at:
        ledger.dropped("name", "A plan has neither a name nor a date.")
    if _fences(document) != mission.fences:
        document["geoFence"] = _fence_records(mission)
    if _rally(document) != mission.rally_points:
        points: list[JsonValue] = [
            [place.lat_deg, place.lon_deg, place.altitude.value_m if place.altitude else None]
            for place in mission.rally_points
        ]
        document["rallyPoints"] = {"points": points, "version": 2}


def _write_speed(section: dict[str, JsonValue], key: str, speed_mps: float | None, ledger: Ledger) -> None:
    if speed_mps is None and _speed(section, key) is not None:
        ledger.defaulted(key, f"A plan needs {key}: {section[key]} m/s was written.")
    elif speed_mps != _speed(section, key):
        section[key] = speed_mps


def _home_record(home: Place | None, ledger: Ledger) -> JsonValue:
    if home is None:
        ledger.defaulted("home", "A plan needs a planned home: 0, 0, 0 was written; the vehicle sets the true one.")
        return [0, 0, 0]
    altitude = home.altitude
    if altitude is not None and altitude.reference is not AltitudeReference.AMSL:
        ledger.dropped(
            "home.altitude", f"Home's altitude is said {altitudes.WORDS[altitude.reference]}, not above sea."
        )
        altitude = None
    return [home.lat_deg, home.lon_deg, altitude.value_m if altitude else None]


def _fence_records(mission: Mission) -> dict[str, JsonValue]:
    polygons: list[JsonValue] = [
        {"inclusion": fence.inside, "polygon": [[v.lat_deg, v.lon_deg] for v in fence.vertices], "version": 1}
        for fence in mission.fences
        if isinstance(fence, FencePolygon)
    ]
    circles: list[JsonValue] = [
        {
            "inclusion": fence.inside,
            "circle": {"center": [fence.centre.lat_deg, fence.centre.lon_deg], "radius": fence.radius_m},
            "version": 1,
        }
        for fence in mission.fences
        if isinstance(fence, FenceCircle)
    ]
    return {"circles": circles, "polygons": polygons, "version": 2}


def _rally_above_home(mission: Mission, given: altitudes.Given, ledger: Ledger) -> Mission:
    only = mission.model_copy(update={"items": ()})
    said = altitudes.fit(only, (AltitudeReference.TAKE_OFF,), given, ledger)
    return mission.model_copy(update={"rally_points": said.rally_points})


def _records(item: Step | Area, ledger: Ledger, *, zero: bool) -> list[JsonValue]:
    if not isinstance(item, Area):
        record = record_of(item, ledger, zero_yaw_is_none=zero)
        return [] if record is None else [_shown(record)]
    if item.verbatim is not None and item.verbatim.dialect == "qgc_complex":
        again = _area(item.verbatim.record, ledger.where, Ledger(), zero=zero)
        if again == item:
            return [dict(item.verbatim.record)]
    if not item.items:
        raise InvalidInput(
            f"{ledger.where} is a {item.pattern} without the items it flies; they cannot be made here.",
            hint="Save it with its items in the program it comes from.",
            field=f"{ledger.where}.items",
        )
    ledger.approximated("pattern", f"The {item.pattern} became the {len(item.items)} items it flies.")
    found = [record_of(step, ledger, zero_yaw_is_none=zero) for step in item.items]
    return [_shown(record) for record in found if record is not None]


def _shown(record: dict[str, JsonValue]) -> JsonValue:
    """Return the record with what QGroundControl's editor shows of an altitude."""
    params, frame = record.get("params"), record.get("frame")
    if (
        "Altitude" in record
        or not isinstance(frame, int)
        or frame not in _MODE_OF_FRAME
        or not isinstance(params, list)
    ):
        return record
    shown = {"AMSLAltAboveTerrain": None, "Altitude": params[6], "AltitudeMode": _MODE_OF_FRAME[frame]}
    return {**record, **shown}
