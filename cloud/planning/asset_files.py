"""Assets from files: GeoJSON, KML, KMZ and CSV become asset drafts; what is wrong is said by feature and field.

Altitudes: ``alt_m`` with ``altitude_reference`` amsl (EGM96; KML's own meaning) or ellipsoid (GeoJSON's). GeoJSON and
KML write longitude first, CSV has columns with names.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from pydantic import TypeAdapter, ValidationError

from cloud.planning.datums import separation_m
from cloud.planning.surveys import AnyGeometry
from contracts.errors import InvalidInput, TooLarge
from contracts.geo import GeoPoint
from interchange.archive import UNREADABLE

MAX_FEATURES = 5000
MAX_UNPACKED_BYTES = 20_000_000
_GEOMETRIES: TypeAdapter[AnyGeometry] = TypeAdapter(AnyGeometry)
_KINDS = ("wind_turbine", "power_line", "telecom_tower", "pipeline")
_OWN = ("external_id", "kind", "name", "functional_location", "altitude_reference", "sequence")
_LINES = ("power_line", "pipeline")


class Feature(NamedTuple):
    """One thing of a file before it is understood: its places as (lat, lon, alt or None), and what is said of it."""

    where: str
    places: tuple[tuple[float, float, float | None], ...]
    values: dict[str, Any]
    datum: str


class Draft(NamedTuple):
    """An asset as a file describes it."""

    where: str
    external_id: str
    kind: str
    name: str
    functional_location: str
    geometry: AnyGeometry


class Fault(NamedTuple):
    """Why one feature cannot become an asset."""

    where: str
    field: str
    message: str


def read(content: bytes, filename: str) -> tuple[list[Draft], list[Fault]]:
    """Return what a file describes, and what of it is faulty.

    Raises:
        InvalidInput: The file as a whole is not of its format.
        TooLarge: More features or bytes than are taken.

    """
    suffix = filename.rsplit(".", 1)[-1].lower()
    readers = {"geojson": _geojson, "json": _geojson, "kml": _kml, "kmz": _kmz, "csv": _csv}
    if suffix not in readers:
        raise InvalidInput(
            f"{filename!r} is no asset file.", hint="Send .geojson, .kml, .kmz or .csv.", field="filename"
        )
    drafts: list[Draft] = []
    faults: list[Fault] = []
    seen: dict[str, str] = {}
    for number, feature in enumerate(readers[suffix](content)):
        if number >= MAX_FEATURES:
            raise TooLarge(f"The file has more than {MAX_FEATURES} features.", hint="Split it.")
        made = _draft(feature)
        if isinstance(made, Draft) and made.external_id in seen:
            again = f"{made.external_id!r} stands at {seen[made.external_id]} already"
            made = Fault(feature.where, "external_id", again)
        if isinstance(made, Draft):
            seen[made.external_id] = made.where
            drafts.append(made)
        else:
            faults.append(made)
    return drafts, faults


def _draft(feature: Feature) -> Draft | Fault:
    external_id = str(feature.values.get("external_id") or "").strip()
    kind = str(feature.values.get("kind") or "").strip().lower()
    if not external_id or len(external_id) > 120:
        return Fault(feature.where, "external_id", "is needed, up to 120 characters: it makes an import repeatable")
    if kind not in _KINDS:
        return Fault(feature.where, "kind", f"{kind!r} is none of {', '.join(_KINDS)}")
    try:
        geometry = _GEOMETRIES.validate_python(_geometry(feature, kind))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part not in _KINDS)
        return Fault(feature.where, field or "geometry", str(first["msg"]))
    except InvalidInput as error:
        return Fault(feature.where, error.field or "geometry", error.message)
    name = str(feature.values.get("name") or external_id)[:120]
    return Draft(
        feature.where, external_id, kind, name, str(feature.values.get("functional_location") or "")[:40], geometry
    )


def _geometry(feature: Feature, kind: str) -> dict[str, Any]:
    points = [_point(feature, place) for place in feature.places]
    values: dict[str, Any] = {key: value for key, value in feature.values.items() if key not in _OWN}
    if kind in _LINES and len(points) < 2:
        raise InvalidInput(f"A {kind} needs a line of two points or more.", field="geometry")
    if kind not in _LINES and len(points) != 1:
        raise InvalidInput(f"A {kind} stands at one point; there are {len(points)}.", field="geometry")
    match kind:
        case "wind_turbine":
            return {"foot": points[0], **values}
        case "telecom_tower":
            return {"kind": kind, "foot": points[0], **values}
        case "pipeline":
            return {"kind": kind, "centre_line": points, **values}
        case _:
            tower = {key: values.pop(key) for key in ("height_m", "attachment_height_m") if key in values}
            towers = [{"name": f"{number + 1}", "foot": point, **tower} for number, point in enumerate(points)]
            return {"kind": kind, "towers": towers, **values}


def _point(feature: Feature, place: tuple[float, float, float | None]) -> dict[str, float]:
    lat_deg, lon_deg, alt_m = place
    datum = str(feature.values.get("altitude_reference") or feature.datum).lower()
    if alt_m is None:
        raise InvalidInput("has no altitude; three coordinates are needed", field="alt_m")
    if datum not in ("amsl", "ellipsoid"):
        raise InvalidInput(f"{datum!r} is neither amsl nor ellipsoid", field="altitude_reference")
    if not (math.isfinite(alt_m) and abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0):
        words = f"{lat_deg}, {lon_deg}, {alt_m} is no place; GeoJSON and KML write longitude first"
        raise InvalidInput(words, field="geometry")
    height_m = alt_m + (separation_m(lat_deg, lon_deg) if datum == "amsl" else 0.0)
    return GeoPoint(lat_deg=lat_deg, lon_deg=lon_deg, alt_m=round(height_m, 3)).model_dump()


def _geojson(content: bytes) -> Iterator[Feature]:
    try:
        document = json.loads(content)
        features = document["features"]
        assert isinstance(features, list)  # noqa: S101 - said as bad input below
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError) as error:
        raise InvalidInput("The file is no GeoJSON FeatureCollection.", field="content") from error
    for number, feature in enumerate(features):
        where = f"features.{number}"
        shape = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(shape, dict) or shape.get("type") not in ("Point", "LineString"):
            yield Feature(where, (), {**_properties(feature), "kind": "no Point or LineString"}, "ellipsoid")
            continue
        found = shape.get("coordinates")
        rows = [found] if shape["type"] == "Point" else found if isinstance(found, list) else []
        yield Feature(where, tuple(_lon_lat(row) for row in rows), _properties(feature), "ellipsoid")


def _properties(feature: Any) -> dict[str, Any]:
    found = feature.get("properties") if isinstance(feature, dict) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _lon_lat(row: Any) -> tuple[float, float, float | None]:
    """Return (lat, lon, alt) of coordinates that are longitude first; what are no numbers becomes no place."""
    try:
        numbers = [float(value) for value in row]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) < 2:
        return math.nan, math.nan, math.nan
    return numbers[1], numbers[0], numbers[2] if len(numbers) > 2 else None


def _kmz(content: bytes) -> Iterator[Feature]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [info for info in archive.infolist() if info.filename.lower().endswith(".kml")]
            if not names:
                raise InvalidInput("The KMZ holds no KML.", field="content")
            if names[0].file_size > MAX_UNPACKED_BYTES:
                raise TooLarge(f"The KML unpacks to {names[0].file_size} bytes; {MAX_UNPACKED_BYTES} are taken.")
            with archive.open(names[0]) as file:
                text = file.read(MAX_UNPACKED_BYTES + 1)
    except UNREADABLE as error:
        raise InvalidInput("The file is no KMZ (zip) archive.", field="content") from error
    if len(text) > MAX_UNPACKED_BYTES:
        raise TooLarge(f"The KML unpacks to more than {MAX_UNPACKED_BYTES} bytes.")
    yield from _kml(text)


def _kml(content: bytes) -> Iterator[Feature]:
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise InvalidInput(f"The file is no KML: {error}.", field="content") from error
    for number, mark in enumerate(root.iterfind(".//{*}Placemark")):
        values = {data.get("name", ""): (data.findtext("{*}value") or "") for data in mark.iterfind(".//{*}Data")}
        values |= {data.get("name", ""): (data.text or "") for data in mark.iterfind(".//{*}SimpleData")}
        values.setdefault("name", mark.findtext("{*}name") or "")
        shape = mark.find("{*}Point") if mark.find("{*}Point") is not None else mark.find("{*}LineString")
        text = (shape.findtext("{*}coordinates") if shape is not None else "") or ""
        mode = (shape.findtext("{*}altitudeMode") if shape is not None else "") or "clampToGround"
        places = tuple(_lon_lat(row.split(",")) for row in text.split())
        if mode != "absolute":
            # Heights of other modes count from a ground that the file does not hold.
            places = tuple((lat, lon, None) for lat, lon, _ in places)
        yield Feature(f"Placemark {number}", places, {k: v for k, v in values.items() if k}, "amsl")


def _csv(content: bytes) -> Iterator[Feature]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("The CSV is not UTF-8.", field="content") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = {"external_id", "kind", "lat_deg", "lon_deg", "alt_m"} - set(reader.fieldnames or ())
        read = list(reader)
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} of the CSV cannot be read: {error}.", field="content") from error
    if missing:
        raise InvalidInput(f"The CSV has no column {', '.join(sorted(missing))}.", field="content")
    things: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, row in enumerate(read, start=2):
        clean = {str(key): value for key, value in row.items() if key and isinstance(value, str) and value != ""}
        things.setdefault(clean.get("external_id", f"line {line}"), []).append((line, clean))
    for rows in things.values():
        ordered = sorted(rows, key=lambda pair: (_number(pair[1].get("sequence", "0")), pair[0]))
        places = tuple(_csv_place(row) for _, row in ordered)
        values: dict[str, Any] = {}
        for _, row in reversed(ordered):
            values |= {key: value for key, value in row.items() if key not in ("lat_deg", "lon_deg", "alt_m")}
        yield Feature(f"line {ordered[0][0]}", places, values, "amsl")


def _csv_place(row: dict[str, str]) -> tuple[float, float, float | None]:
    alt_m = row.get("alt_m")
    return (
        _number(row.get("lat_deg", "")),
        _number(row.get("lon_deg", "")),
        None if alt_m is None else _number(alt_m),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def slug(external_id: str) -> str:
    """Return an asset id for a customer's id."""
    return re.sub(r"[^a-z0-9]+", "-", external_id.lower()).strip("-")[:60] or "asset"
