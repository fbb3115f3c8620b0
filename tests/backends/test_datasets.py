"""The analysts' views, the files made of them, and Parquet with the Glue tables that describe it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import polars as pl
import pytest
from defusedxml.ElementTree import fromstring
from sqlalchemy import select, text
from typer.testing import CliRunner

from cloud import __main__ as program
from cloud.datasets import formats
from cloud.datasets.exports import exported
from cloud.datasets.publish import publish
from cloud.datasets.rows import Table, read
from cloud.datasets.views import VIEWS
from cloud.db import Database
from cloud.tables import Finding
from contracts.errors import NotFound
from contracts.lake import SCHEMA
from simulators.history import HistoryPlan, history
from tests.clean_database import empty
from tests.factories import MemoryObjects
from tests.histories import seed

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "datasets.md"


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    empty(opened)
    with opened.session() as session:
        seed(session, history(HistoryPlan(seed=5, turbines=1, inspections=3, years=2, defects=5)))
    yield opened
    opened.close()


def test_the_page_describes_every_view_and_column_and_no_other(database: Database) -> None:
    query = text("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = :schema")
    with database.session() as session:
        there = {(view, column) for view, column in session.execute(query, {"schema": SCHEMA})}
    described, view = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("### `"):
            view = line.split("`")[1]
        elif line.startswith("| `"):
            described |= {(view, name) for name in line.split("|")[1].replace("`", "").replace(" ", "").split(",")}
    assert described == there
    assert {view for view, _ in there} == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_read(database: Database, view: str) -> None:
    with database.session() as session:
        table = read(session, view)
    assert (len(table.rows) > 0) == (view in {"findings", "sightings", "defects", "coverage"})


def test_a_defect_is_one_row_with_its_latest_finding(database: Database) -> None:
    with database.session() as session:
        defects = read(session, "defects").records()
        findings = read(session, "findings").records()
    assert sorted(d["defect_id"] for d in defects) == sorted({f["defect_id"] for f in findings})
    assert sum(d["sightings"] for d in defects) == len(findings)


def test_csv_has_a_header_and_disarms_formulas(database: Database) -> None:
    with database.session() as session:
        rows = list(csv.DictReader(io.StringIO(exported(session, "csv", "findings", None))))
        assert len(rows) == len(read(session, "findings").rows)
    armed = Table("x", ["name"], [("=HYPERLINK(1)",), ("plain",)])
    assert formats.as_csv(armed) == "name\n'=HYPERLINK(1)\nplain\n"


def test_geojson_and_kml_put_longitude_first(database: Database) -> None:
    with database.session() as session:
        first = read(session, "findings").records()[0]
        features = json.loads(exported(session, "geojson", "findings", None))["features"]
        kml: Element = fromstring(exported(session, "kml", "findings", None))
    place = next(f for f in features if f["id"] == first["finding_id"])["geometry"]["coordinates"]
    assert place[:2] == [first["lon_deg"], first["lat_deg"]]
    spots = [e.text for e in kml.iter("{http://www.opengis.net/kml/2.2}coordinates")]
    assert len(spots) == len(features)
    assert ",".join(str(part) for part in place) in spots


def test_a_finding_without_a_position_has_no_geometry(database: Database) -> None:
    with database.session() as session:
        table = read(session, "findings")
    lost = table._replace(
        rows=[
            tuple(None if c.endswith("_deg") else v for c, v in zip(table.columns, row, strict=True))
            for row in table.rows[:1]
        ]
    )
    assert json.loads(formats.as_geojson(lost))["features"][0]["geometry"] is None
    assert "Placemark" not in formats.as_kml(lost)
    assert f"{len(lost.rows)} findings have no position and are not in this file." in formats.as_kml(lost)


def test_a_place_on_a_tower_is_in_the_views_and_in_words_in_kml(database: Database) -> None:
    place = {"face": 1, "faces": 4, "face_bearing_deg": 90.0, "bearing_deg": 84.0, "radius_m": 1.2, "height_m": 31.25}
    with database.session() as session:
        found = session.scalars(select(Finding).order_by(Finding.detected_at.desc(), Finding.finding_id)).first()
        assert found is not None
        found.blade, found.place = None, place
        session.flush()
        told = next(r for r in read(session, "findings").records() if r["finding_id"] == found.finding_id)
        kml = exported(session, "kml", "findings", None)
        session.rollback()
    at = (told["tower_face_bearing_deg"], told["tower_bearing_deg"], told["tower_height_m"])
    assert at == (90.0, 84.0, 31.25)
    assert f"{told['asset_name']}, tower, east face, 31.2 m up, rank" in kml
    assert re.search(r", blade [ABC] [A-Z]{2} \d+\.\d m, rank", kml)


def test_coco_boxes_are_pixels_of_their_frames(database: Database) -> None:
    with database.session() as session:
        coco = json.loads(exported(session, "coco", "findings", None))
    (image,) = [i for i in coco["images"] if i["id"] == coco["annotations"][0]["image_id"]]
    assert (image["width"], image["height"]) == (3840, 2160)
    assert coco["annotations"][0]["bbox"] == [1536.0, 864.0, 384.0, 216.0]
    assert {a["category_id"] for a in coco["annotations"]} <= {c["id"] for c in coco["categories"]}


def test_only_the_named_asset_is_exported(database: Database) -> None:
    with database.session() as session:
        assert json.loads(exported(session, "geojson", "findings", "wt-99"))["features"] == []
        with pytest.raises(NotFound):
            read(session, "users")


def test_parquet_holds_the_rows_and_glue_describes_its_columns(database: Database) -> None:
    shelf = MemoryObjects()
    with database.session() as session:
        counts = publish(session, shelf, "kestrel-media", NOW)
        again = publish(session, shelf, "kestrel-media", NOW)
    assert counts == again
    glue = json.loads(shelf.get(f"datasets/{SCHEMA}/glue.json"))
    assert [t["Name"] for t in glue["Tables"]] == list(VIEWS)
    for table in glue["Tables"]:
        frame = pl.read_parquet(io.BytesIO(shelf.get(f"datasets/{SCHEMA}/{table['Name']}/day=2026-11-25/part.parquet")))
        assert frame.height == counts[table["Name"]]
        assert [c["Name"] for c in table["StorageDescriptor"]["Columns"]] == frame.columns
    kinds = {c["Name"]: c["Type"] for c in glue["Tables"][0]["StorageDescriptor"]["Columns"]}
    assert (kinds["length_mm"], kinds["severity_rank"], kinds["detected_at"]) == ("double", "bigint", "timestamp")


def test_the_verb_writes_the_file(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUD_DATABASE_URL", database_url)
    out = tmp_path / "findings.csv"
    done = CliRunner().invoke(program.app, ["export", "csv", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    with database.session() as session:
        assert out.read_text() == exported(session, "csv", "findings", None)
    refused = CliRunner().invoke(program.app, ["export", "csv", "--out", str(out), "--view", "users"])
    assert refused.exit_code == 1
