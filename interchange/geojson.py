"""GeoJSON (RFC 7946): a feature an item, which other programs see as points, lines and areas.

Positions are ``[lon, lat]``. A third number is metres above the WGS 84 ellipsoid, so it is written for such altitudes
only; every altitude stands in the properties with its reference. Our own files keep the whole mission: the item is in
the property ``item``. Where a point has been moved in another program, its geometry is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from contracts.errors import InvalidInput
from interchange.altitudes import Given
from interchange.losses import Ledger
from interchange.mission import (
    Altitude,
    AltitudeReference,
    Area,
    FenceCircle,
    FencePolygon,
    Item,
    LatLon,
    Mission,
    Place,
    Waypoint,
)
from interchange.reading import make, mapping, number, rows, wrong
from interchange.text import dump_json, label, load_json

_ITEM: TypeAdapter[Item] = TypeAdapter(Item)
_SETTINGS = ("name", "created_at", "speed_mps", "fixed_wing_speed_mps", "verbatim")
_ROLES = ("item", "home", "rally_point", "fence")
_KNOWN = {"name", "altitude_m", "altitude_reference"}
_PAIR = 2


def write(mission: Mission, _: Ledger, __: Given) -> bytes:
    """Return the GeoJSON file of a mission; it holds everything."""
    settings = mission.model_dump(mode="json", include=set(_SETTINGS), exclude_defaults=True)
    features: list[JsonValue] = []
    if mission.home is not None:
        features.append(_feature("home", _position(mission.home, mission.home.altitude), mission.home.altitude, {}))
    for item in mission.items:
        body = {"item": _dump(item)}
        features.append(_feature("item", _geometry(item), getattr(item, "altitude", None), body))
    features += [
        _feature("rally_point", _position(place, place.altitude), place.altitude, {}) for place in mission.rally_points
    ]
    features += [_fence(fence) for fence in mission.fences]
    return dump_json({"type": "FeatureCollection", "mission": settings, "features": features})


def _dump(item: Item) -> dict[str, Any]:
    """Return an item without its defaults, but with its kind, and the kinds of those inside it."""
    said = item.model_dump(mode="json", exclude_defaults=True) | {"kind": item.kind}
    if isinstance(item, Area):
        said["items"] = [_dump(step) for step in item.items]
    return said


def _feature(role: str, geometry: JsonValue, altitude: Altitude | None, body: dict[str, Any]) -> JsonValue:
    said: dict[str, JsonValue] = {}
    if altitude is not None:
        said = {"altitude_m": altitude.value_m, "altitude_reference": altitude.reference.value}
    return {"type": "Feature", "geometry": geometry, "properties": {"role": role, **said, **body}}


def _position(point: LatLon | None, altitude: Altitude | None) -> JsonValue:
    if point is None:
        return None
    height: list[JsonValue] = []
    if altitude is not None and altitude.reference is AltitudeReference.ELLIPSOID:
        height = [altitude.value_m]
    return {"type": "Point", "coordinates": [point.lon_deg, point.lat_deg, *height]}


def _geometry(item: Item) -> JsonValue:
    if not isinstance(item, Area):
        return _position(getattr(item, "point", None), getattr(item, "altitude", None))
    if len(item.outline) < (3 if item.closed else _PAIR):
        return None
    return _polygon(item.outline) if item.closed else {"type": "LineString", "coordinates": _pairs(item.outline)}


def _pairs(points: tuple[LatLon, ...]) -> list[JsonValue]:
    return [[point.lon_deg, point.lat_deg] for point in points]


def _polygon(points: tuple[LatLon, ...]) -> JsonValue:
    return {"type": "Polygon", "coordinates": [[*_pairs(points), *_pairs(points[:1])]]}


def _fence(fence: FencePolygon | FenceCircle) -> JsonValue:
    if isinstance(fence, FencePolygon):
        return _feature("fence", _polygon(fence.vertices), None, {"inside": fence.inside})
    body = {"inside": fence.inside, "radius_m": fence.radius_m}
    return _feature("fence", _position(fence.centre, None), None, body)


def read(content: bytes, ledger: Ledger) -> Mission:
    """Return the mission of a GeoJSON file: ours, or the lines and points of another program.

    Raises:
        InvalidInput: Not GeoJSON, or a value breaks a rule; the feature is named.
        TooLarge: Too many bytes.

    """
    document = mapping(load_json(content), "file")
    if document.get("type") == "Feature":
        document = {"type": "FeatureCollection", "features": [document]}
    if document.get("type") != "FeatureCollection":
        raise wrong("type", '"FeatureCollection" or "Feature"')
    settings = mapping(document.get("mission", {}), "mission")
    reading = _Reading(ledger)
    for index, value in enumerate(rows(document.get("features"), "features")):
        reading.take(mapping(value, f"features[{index}]"), f"features[{index}]")
    return make(
        Mission,
        "mission",
        **{key: value for key, value in settings.items() if key in _SETTINGS},
        home=reading.home,
        items=tuple(reading.items),
        fences=tuple(reading.fences),
        rally_points=tuple(reading.rally_points),
    )


class _Reading:
    """Collects features by their role."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.home: Place | None = None
        self.items: list[Item] = []
        self.fences: list[FencePolygon | FenceCircle] = []
        self.rally_points: list[Place] = []

    def take(self, feature: dict[str, JsonValue], where: str) -> None:
        properties = mapping(feature.get("properties") or {}, f"{where}.properties")
        geometry = mapping(feature.get("geometry") or {}, f"{where}.geometry")
        role = properties.get("role")
        if role not in _ROLES:
            self.items += self._foreign(geometry, properties, where)
        elif role == "item":
            self.items.append(_item(geometry, properties, where))
        elif role == "fence":
            self.fences.append(_read_fence(geometry, properties, where))
        else:
            place = _place(geometry, properties, where)
            if role == "home":
                self.home = place
            else:
                self.rally_points.append(place)

    def _foreign(self, geometry: dict[str, JsonValue], properties: dict[str, JsonValue], where: str) -> list[Waypoint]:
        kind, at = geometry.get("type"), f"{where}.geometry.coordinates"
        positions: list[JsonValue] = []
        if kind == "Point":
            positions = [geometry.get("coordinates")]
        elif kind in ("LineString", "MultiPoint"):
            positions = rows(geometry.get("coordinates"), at)
        elif kind == "MultiLineString":
            positions = [position for line in rows(geometry.get("coordinates"), at) for position in rows(line, at)]
            self._ledger.approximated("MultiLineString", f"{where}: its lines were read as one route.")
        else:
            self._ledger.dropped(where, f"{where} is a {str(kind)[:40]}; only points and lines are read as a route.")
        unknown = sorted(properties.keys() - _KNOWN)
        if positions and unknown:
            names = ", ".join(unknown)
            self._ledger.dropped(f"{where}.properties", f"{names:.200} mean nothing to a flight plan.")
        name = properties.get("name")
        said = label(name) if isinstance(name, str) and kind == "Point" else ""
        stated = _altitude(properties, where)
        return [_waypoint(position, stated, said, f"{at}[{i}]") for i, position in enumerate(positions)]


def _waypoint(position: JsonValue, stated: Altitude | None, name: str, where: str) -> Waypoint:
    point, height = _point(position, where)
    return make(Waypoint, where, point=point, altitude=stated or height, name=name)


def _point(value: JsonValue, where: str) -> tuple[LatLon, Altitude | None]:
    cells = rows(value, where)
    if len(cells) < _PAIR:
        raise wrong(where, "[longitude, latitude]")
    point = make(LatLon, where, lon_deg=number(cells[0], where), lat_deg=number(cells[1], where))
    if len(cells) == _PAIR:
        return point, None
    metres = number(cells[2], where)
    return point, make(Altitude, where, value_m=metres, reference=AltitudeReference.ELLIPSOID)


def _altitude(properties: dict[str, JsonValue], where: str) -> Altitude | None:
    if properties.get("altitude_m") is None:
        return None
    at = f"{where}.properties"
    metres = number(properties["altitude_m"], f"{at}.altitude_m")
    return make(Altitude, at, value_m=metres, reference=properties.get("altitude_reference"))


def _place(geometry: dict[str, JsonValue], properties: dict[str, JsonValue], where: str) -> Place:
    point, height = _point(geometry.get("coordinates"), f"{where}.geometry.coordinates")
    return Place(lat_deg=point.lat_deg, lon_deg=point.lon_deg, altitude=_altitude(properties, where) or height)


def _item(geometry: dict[str, JsonValue], properties: dict[str, JsonValue], where: str) -> Item:
    try:
        item = _ITEM.validate_python(properties.get("item"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join([f"{where}.properties.item", *(str(part) for part in first["loc"])])
        raise InvalidInput(f"{field:.200}: {first['msg']}.", hint="Correct the file.", field=field[:200]) from error
    if geometry.get("type") == "Point" and getattr(item, "point", None) is not None:
        moved, _ = _point(geometry.get("coordinates"), f"{where}.geometry.coordinates")
        return item.model_copy(update={"point": moved})
    return item


def _read_fence(
    geometry: dict[str, JsonValue], properties: dict[str, JsonValue], where: str
) -> FencePolygon | FenceCircle:
    at = f"{where}.geometry.coordinates"
    inside = properties.get("inside")
    if geometry.get("type") == "Point":
        centre, _ = _point(geometry.get("coordinates"), at)
        return make(FenceCircle, where, centre=centre, radius_m=properties.get("radius_m"), inside=inside)
    rings = list(_rings(geometry, at))
    if len(rings) != 1 or rings[0][:1] != rings[0][-1:]:
        raise wrong(at, "one closed ring")
    return make(FencePolygon, where, vertices=tuple(rings[0][:-1]), inside=inside)


def _rings(geometry: dict[str, JsonValue], where: str) -> Iterator[list[LatLon]]:
    if geometry.get("type") != "Polygon":
        raise wrong(where, "a Point or a Polygon")
    for ring in rows(geometry.get("coordinates"), where):
        yield [_point(position, where)[0] for position in rows(ring, where)]
