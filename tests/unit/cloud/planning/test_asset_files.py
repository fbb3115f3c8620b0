"""Asset files: every format gives the same asset; what is wrong is named by feature and field, never guessed."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.planning import asset_files
from cloud.planning.asset_files import Draft
from cloud.planning.datums import separation_m
from contracts.errors import InvalidInput, PlatformError, TooLarge
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.turbine import TurbineGeometry

SEA_M = separation_m(54.9, 8.3)
KML = """<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>Turbine 3</name>
<ExtendedData><Data name="external_id"><value>WEA-3</value></Data><Data name="kind"><value>wind_turbine</value></Data>
<Data name="hub_height_m"><value>60</value></Data></ExtendedData>
<Point><altitudeMode>{mode}</altitudeMode><coordinates>8.3,54.9,5.0</coordinates></Point></Placemark></Document></kml>"""
CSV = "external_id,kind,name,lat_deg,lon_deg,alt_m,hub_height_m\nWEA-3,wind_turbine,Turbine 3,54.9,8.3,5.0,60\n"


def geojson(*features: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def feature(shape: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": shape, "coordinates": coordinates}, "properties": properties}


TURBINE = feature(
    "Point", [8.3, 54.9, 5.0], external_id="WEA-3", kind="wind_turbine", name="Turbine 3", hub_height_m=60,
    altitude_reference="amsl",
)  # fmt: skip


def kmz(text: str, name: str = "doc.kml") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.geojson", geojson(TURBINE)),
        ("a.kml", KML.format(mode="absolute").encode()),
        ("a.kmz", kmz(KML.format(mode="absolute"))),
        ("a.csv", CSV.encode()),
        ("a.CSV", b"\xef\xbb\xbf" + CSV.encode()),
    ],
)
def test_every_format_gives_the_same_turbine(filename: str, content: bytes) -> None:
    [draft], faults = asset_files.read(content, filename)
    assert faults == []
    assert (draft.external_id, draft.kind, draft.name) == ("WEA-3", "wind_turbine", "Turbine 3")
    assert isinstance(draft.geometry, TurbineGeometry)
    assert draft.geometry.hub_height_m == 60.0
    assert (draft.geometry.foot.lat_deg, draft.geometry.foot.lon_deg) == (54.9, 8.3)
    assert draft.geometry.foot.alt_m == pytest.approx(5.0 + SEA_M, abs=0.001)


def test_geojson_counts_altitudes_from_the_ellipsoid() -> None:
    plain = {**TURBINE, "properties": {**TURBINE["properties"], "altitude_reference": None}}
    [draft], _ = asset_files.read(geojson(plain), "a.geojson")
    assert isinstance(draft.geometry, TurbineGeometry)
    assert draft.geometry.foot.alt_m == 5.0


def test_lines_become_towers_and_centre_lines() -> None:
    row = [[8.3, 54.9, 40.0], [8.304, 54.9, 41.0], [8.308, 54.9, 42.0]]
    line = feature("LineString", row, external_id="L1", kind="power_line", height_m=40, attachment_height_m=30)
    pipe = feature("LineString", row, external_id="P1", kind="pipeline", right_of_way_m=30)
    drafts, faults = asset_files.read(geojson(line, pipe), "a.json")
    assert faults == []
    line_shape, pipe_shape = (draft.geometry for draft in drafts)
    assert isinstance(line_shape, PowerLine)
    assert [tower.attachment_height_m for tower in line_shape.towers] == [30.0, 30.0, 30.0]
    assert isinstance(pipe_shape, Pipeline)
    assert pipe_shape.right_of_way_m == 30.0


def test_rows_of_a_csv_make_a_line_in_their_sequence() -> None:
    rows = [(2, 8.304), (1, 8.300), (3, 8.308)]
    body = "".join(f"P1,pipeline,54.9,{lon},40,{sequence}\n" for sequence, lon in rows)
    [draft], _ = asset_files.read(f"external_id,kind,lat_deg,lon_deg,alt_m,sequence\n{body}".encode(), "a.csv")
    assert isinstance(draft.geometry, Pipeline)
    assert [point.lon_deg for point in draft.geometry.centre_line] == [8.300, 8.304, 8.308]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"external_id": ""}, "external_id"),
        ({"kind": "windmill"}, "kind"),
        ({"hub_height_m": "tall"}, "hub_height_m"),
        ({"colour": "red"}, "colour"),
        ({"altitude_reference": "egm2008"}, "altitude_reference"),
    ],
)
def test_a_fault_names_its_field(changed: dict[str, Any], field: str) -> None:
    wrong = {**TURBINE, "properties": {**TURBINE["properties"], **changed}}
    drafts, [fault] = asset_files.read(geojson(wrong), "a.geojson")
    assert (drafts, fault.where, fault.field) == ([], "features.0", field)


@pytest.mark.parametrize(
    ("shape", "coordinates", "field"),
    [
        ("Point", [8.3, 54.9], "alt_m"),
        ("Point", [8.3, 154.9, 5.0], "geometry"),
        ("Point", ["x", "y", "z"], "geometry"),
        ("LineString", [[8.3, 54.9, 5.0], [8.31, 54.9, 5.0]], "geometry"),
        ("Polygon", [], "kind"),
    ],
)
def test_a_place_that_is_none_is_named(shape: str, coordinates: Any, field: str) -> None:
    wrong = feature(shape, coordinates, **TURBINE["properties"])
    _, [fault] = asset_files.read(geojson(wrong), "a.geojson")
    assert fault.field == field


def test_heights_above_a_ground_that_the_file_does_not_hold_are_refused() -> None:
    _, [fault] = asset_files.read(KML.format(mode="clampToGround").encode(), "a.kml")
    assert fault.field == "alt_m"


def test_the_same_external_id_twice_is_a_fault() -> None:
    drafts, [fault] = asset_files.read(geojson(TURBINE, TURBINE), "a.geojson")
    assert (len(drafts), fault.where, fault.field) == (1, "features.1", "external_id")


@pytest.mark.parametrize(
    ("filename", "content", "error"),
    [
        ("a.shp", b"", InvalidInput),
        ("a.geojson", b"[]", InvalidInput),
        ("a.kml", b'<!DOCTYPE k [<!ENTITY a "b">]><kml>&a;</kml>', InvalidInput),
        ("a.kmz", b"PK", InvalidInput),
        ("a.kmz", kmz("x", "readme.txt"), InvalidInput),
        ("a.kmz", kmz("<kml>" + " " * 21_000_000 + "</kml>"), TooLarge),
        ("a.csv", b"name\nx\n", InvalidInput),
        ("a.csv", b"\xff\xfe", InvalidInput),
        ("a.geojson", geojson(*[{"type": "Feature"}] * 5001), TooLarge),
    ],
    ids=["suffix", "no collection", "entities", "no zip", "no kml", "bomb", "columns", "encoding", "too many"],
)
def test_a_file_that_is_not_of_its_format_is_refused(filename: str, content: bytes, error: type[PlatformError]) -> None:
    with pytest.raises(error):
        asset_files.read(content, filename)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(JSON, max_size=3), st.sampled_from(["a.geojson", "a.kml", "a.kmz", "a.csv"]), st.binary(max_size=200))
def test_whatever_is_sent_becomes_drafts_or_named_faults(features: list[Any], filename: str, noise: bytes) -> None:
    content = geojson(*features) if filename == "a.geojson" else noise
    try:
        drafts, faults = asset_files.read(content, filename)
    except PlatformError as error:
        assert error.message  # noqa: PT017 - refused as a whole, in words
        return
    assert all(fault.field and fault.message for fault in faults)
    assert all(isinstance(draft, Draft) for draft in drafts)
