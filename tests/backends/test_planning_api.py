"""Assets of every kind, their parts, zones of a site, and plans in several flights, over HTTP with a real database."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cloud import users
from cloud.schedules.timetable import Timetable
from cloud.services import Services
from contracts.geo import Enu, LocalFrame
from contracts.routes import Route
from contracts.vocabulary import Role
from infra.local.__main__ import app
from tests import platform
from tests.platform import FOOT, RouteShelf, Server
from tests.services import DatabaseServer


@pytest.fixture(scope="module")
def built(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as services:
        yield services


@pytest.fixture(scope="module")
def site_id(operator: httpx.Client) -> str:
    return str(operator.get("/v1/sites").json()["data"][0]["site_id"])


def place(east_m: float, north_m: float = 0.0) -> dict[str, float]:
    point = LocalFrame(FOOT).to_geo(Enu(east_m, north_m, 0.0))
    return {"lat_deg": point.lat_deg, "lon_deg": point.lon_deg, "alt_m": 45.0}


@pytest.fixture(scope="module")
def line_id(operator: httpx.Client, site_id: str) -> str:
    towers = [
        {"name": f"M{n}", "foot": place(300.0 * n, 2000.0), "external_id": f"GRID-{n}", "height_m": 30.0}
        for n in range(25)
    ]
    body = {
        "asset_id": "line-7",
        "site_id": site_id,
        "kind": "power_line",
        "name": "Line 7",
        "geometry": {"towers": towers},
    }
    answer = operator.post("/v1/assets", json=body)
    assert answer.status_code == 201, answer.text
    return "line-7"


def test_parts_of_a_line_are_a_tree_with_the_customers_names(operator: httpx.Client, line_id: str) -> None:
    rows = operator.get(f"/v1/assets/{line_id}/components", params={"limit": 200}).json()["data"]
    by_id = {row["component_id"]: row for row in rows}
    tower = by_id[f"{line_id}.tower-0003"]
    assert (tower["kind"], tower["external_id"], tower["parent_id"]) == ("line_tower", "GRID-3", None)
    assert by_id[f"{line_id}.tower-0003-string-1"]["parent_id"] == tower["component_id"]
    assert sum(row["kind"] == "span" for row in rows) == 24


def test_a_part_is_given_its_functional_location(operator: httpx.Client, line_id: str) -> None:
    part = f"{line_id}.span-0001"
    named = operator.patch(f"/v1/components/{part}", json={"functional_location": "GRID-SP-1", "external_id": "SP1"})
    assert (named.status_code, named.json()["functional_location"]) == (200, "GRID-SP-1")
    taken = operator.patch(f"/v1/components/{line_id}.span-0002", json={"external_id": "SP1"})
    assert (taken.status_code, taken.json()["field"]) == (409, "external_id")
    assert operator.patch("/v1/components/none.such", json={}).status_code == 404


def test_a_long_line_is_planned_as_several_flights(operator: httpx.Client, built: Services, line_id: str) -> None:
    made = operator.post("/v1/plans", json={"asset_id": line_id, "pattern": "corridor", "params": {}})
    assert made.status_code == 201, made.text
    first = made.json()
    assert first["parts"] > 1
    parts = operator.get(f"/v1/plans/{first['plan_id']}/1/parts").json()
    assert [part["part"] for part in parts] == list(range(1, first["parts"] + 1))
    assert len({part["content_hash"] for part in parts}) == len(parts)
    last = parts[-1]
    assert isinstance(built.routes, RouteShelf)
    built.routes.kept.clear()
    again = operator.get(f"/v1/plans/{last['plan_id']}/1/route").json()
    assert again["content_hash"] == last["content_hash"]
    assert Route.model_validate(again["route"]).pattern == "corridor"


def test_a_blade_survey_beyond_a_battery_is_several_flights_and_all_are_scheduled(
    operator: httpx.Client, built: Services
) -> None:
    body = {"asset_id": "wt-01", "params": {"speed_mps": 0.5, "transit_speed_mps": 1.0}}
    first = operator.post("/v1/plans", json=body).json()
    parts = operator.get(f"/v1/plans/{first['plan_id']}/1/parts").json()
    assert [part["part"] for part in parts] == list(range(1, first["parts"] + 1))
    assert first["parts"] > 1
    assert isinstance(built.routes, RouteShelf)
    built.routes.kept.clear()
    last = parts[-1]
    assert operator.get(f"/v1/plans/{last['plan_id']}/1/route").json()["content_hash"] == last["content_hash"]
    wish = {"name": "Slow", "plan_id": first["plan_id"], "drone_id": "kite-01", "starts_at": "2099-05-01T08:00:00Z"}
    kept = operator.post("/v1/schedules", json=wish | {"duration_min": 40})
    assert kept.status_code == 201, kept.text
    clash = operator.post("/v1/schedules", json=wish | {"starts_at": "2099-05-01T08:45:00Z"})
    assert clash.status_code == 409, "the second part flies then"
    Timetable(built.database).step(datetime(2099, 5, 1, 7, tzinfo=UTC))
    flights = operator.get("/v1/flights", params={"schedule_id": kept.json()["schedule_id"]}).json()["data"]
    assert {row["plan_id"] for row in flights} == {part["plan_id"] for part in parts}
    assert sorted(row["due_at"] for row in flights)[:2] == ["2099-05-01T08:00:00Z", "2099-05-01T08:40:00Z"]


def test_what_else_stands_on_the_site_is_in_the_way_and_named(operator: httpx.Client, site_id: str) -> None:
    near = {"foot": place(78.0), "hub_height_m": 55.0}
    other = {"asset_id": "wt-09", "site_id": site_id, "kind": "wind_turbine", "name": "WT-09", "geometry": near}
    assert operator.post("/v1/assets", json=other).status_code == 201
    planned = operator.post("/v1/plans", json={"asset_id": "wt-01"}).json()
    clearance = next(check for check in planned["checks"] if check["name"] == "obstacle_clearance")
    assert (clearance["verdict"], "WT-09 rotor" in clearance["sentence"]) == ("pass", True)
    assert clearance["worst"]["segment"] >= 0
    route = operator.get(f"/v1/plans/{planned['plan_id']}/1/route").json()["route"]
    assert [solid["name"] for solid in route["solids"][-2:]] == ["WT-09 tower", "WT-09 rotor"]
    ends = [place(78.0, -60.0), place(78.0, 60.0)]
    rows = ["QGC WPL 110", f"0\t1\t0\t16\t0\t0\t0\t0\t{FOOT.lat_deg}\t{FOOT.lon_deg - 0.001}\t5\t1"]
    rows += [f"{n + 1}\t0\t3\t16\t0\t0\t0\t0\t{e['lat_deg']}\t{e['lon_deg']}\t50\t1" for n, e in enumerate(ends)]
    content = base64.b64encode("\n".join(rows).encode()).decode()
    body = {"name": "a.waypoints", "content_base64": content, "site_id": site_id, "asset_id": "wt-01"}
    judged = operator.post("/v1/routes/checks", json=body).json()["checks"]
    assert any("WT-09" in check["sentence"] for check in judged if check["verdict"] == "block")
    imported = operator.post("/v1/routes/import", json={k: v for k, v in body.items() if k != "site_id"}).json()
    blocked = [check["sentence"] for check in imported["plan"]["checks"] if check["name"] == "obstacle_clearance"]
    assert "WT-09" in blocked[0]
    assert "WT-09 rotor" in [solid["name"] for solid in imported["route"]["solids"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"pattern": "corridor", "params": {"standoff_m": -1}}, "params.standoff_m"),
        ({"pattern": "corridor", "params": {"blades": ["A"]}}, "params.blades"),
        ({"pattern": "spiral"}, "pattern"),
        ({"pattern": "blades"}, "asset_id"),
        ({"pattern": "facade"}, "pattern"),
    ],
)
def test_a_wish_that_does_not_fit_is_refused_by_field(
    operator: httpx.Client, line_id: str, body: dict[str, Any], field: str
) -> None:
    refused = operator.post("/v1/plans", json={"asset_id": line_id, **body})
    assert refused.status_code == 422, refused.text
    named = [problem["field"] for problem in refused.json()["errors"]] or [refused.json()["field"]]
    assert field in named


def test_geometry_of_another_kind_is_refused(operator: httpx.Client, site_id: str) -> None:
    body = {"asset_id": "odd", "site_id": site_id, "kind": "pipeline", "name": "Odd", "geometry": {"towers": []}}
    refused = operator.post("/v1/assets", json=body)
    assert refused.status_code == 422
    assert refused.json()["field"].startswith("geometry.")


def test_a_no_fly_zone_across_the_route_blocks_the_plan_and_reaches_the_drone(
    operator: httpx.Client, site_id: str
) -> None:
    assert operator.post("/v1/plans", json={"asset_id": "wt-01"}).json()["checks"]
    across = [place(-12.0, -60.0), place(-8.0, -60.0), place(-8.0, 60.0), place(-12.0, 60.0)]
    corners = [{"lat_deg": c["lat_deg"], "lon_deg": c["lon_deg"]} for c in across]
    made = operator.post(f"/v1/sites/{site_id}/zones", json={"kind": "keep_out", "name": "School", "corners": corners})
    assert made.status_code == 201, made.text
    planned = operator.post("/v1/plans", json={"asset_id": "wt-01"}).json()
    blocked = next(check for check in planned["checks"] if check["name"] == "no_fly")
    assert blocked["verdict"] == "block"
    assert "School" in blocked["sentence"]
    assert f"segment {blocked['worst']['segment']}" in blocked["sentence"]
    route = operator.get(f"/v1/plans/{planned['plan_id']}/1/route").json()["route"]
    assert route["fence"]["zones"][0]["kind"] == "keep_out"
    zone_id = made.json()["zone_id"]
    assert [zone["zone_id"] for zone in operator.get(f"/v1/sites/{site_id}/zones").json()] == [zone_id]
    assert operator.delete(f"/v1/sites/{site_id}/zones/{zone_id}").status_code == 204
    after = operator.post("/v1/plans", json={"asset_id": "wt-01"}).json()
    assert "no_fly" not in {check["name"] for check in after["checks"]}


def test_a_zone_whose_outline_crosses_itself_is_refused(operator: httpx.Client, site_id: str) -> None:
    bow = [place(0, 0), place(10, 10), place(10, 0), place(0, 10)]
    corners = [{"lat_deg": c["lat_deg"], "lon_deg": c["lon_deg"]} for c in bow]
    refused = operator.post(f"/v1/sites/{site_id}/zones", json={"kind": "keep_out", "name": "Bow", "corners": corners})
    assert refused.status_code == 422
    assert "Self-intersection" in refused.text


def turbine_file(name: str, **properties: Any) -> str:
    spot = place(3000.0)
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [spot["lon_deg"], spot["lat_deg"], 45.0]},
        "properties": {"external_id": "WEA-77", "kind": "wind_turbine", "name": name, **properties},
    }
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    return base64.b64encode(text.encode()).decode()


def send(operator: httpx.Client, site_id: str, content: str, *, dry_run: bool = False) -> dict[str, Any]:
    body = {"filename": "t.geojson", "content_base64": content, "dry_run": dry_run}
    answer = operator.post(f"/v1/sites/{site_id}/assets/import", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_import_is_repeatable_and_writes_all_or_nothing(operator: httpx.Client, site_id: str) -> None:
    dry = send(operator, site_id, turbine_file("Seventy-seven"), dry_run=True)
    assert (dry["written"], dry["rows"][0]["outcome"]) == (False, "created")
    assert operator.get("/v1/assets/wea-77").status_code == 404
    first = send(operator, site_id, turbine_file("Seventy-seven"))
    assert (first["written"], first["rows"][0]["asset_id"]) == (True, "wea-77")
    assert operator.get("/v1/assets/wea-77/components").json()["data"]
    again = send(operator, site_id, turbine_file("Seventy-seven"))
    assert again["rows"][0]["outcome"] == "unchanged"
    renamed = send(operator, site_id, turbine_file("77", hub_height_m=70))
    assert renamed["rows"][0]["outcome"] == "updated"
    assert operator.get("/v1/assets/wea-77").json()["geometry"]["hub_height_m"] == 70.0
    refused = send(operator, site_id, turbine_file("77", hub_height_m=-1))
    assert (refused["written"], refused["rows"][0]["field"]) == (False, "hub_height_m")


def test_a_mast_has_faces_with_mounts_and_one_face_of_it_is_flown(operator: httpx.Client, site_id: str) -> None:
    foot = place(-1500.0, -1500.0)
    mounts = [{"name": "Dish 3", "face": 1, "height_m": 30.0, "reach_m": 1.5, "external_id": "ANT-3"}]
    shape = {"kind": "telecom_tower", "foot": foot, "faces": 3, "face_bearing_deg": 60.0, "mounts": mounts}
    body = {"asset_id": "mast-3", "site_id": site_id, "kind": "telecom_tower", "name": "Mast 3", "geometry": shape}
    assert operator.post("/v1/assets", json=body).status_code == 201
    rows = {row["component_id"]: row for row in operator.get("/v1/assets/mast-3/components").json()["data"]}
    dish = rows["mast-3.mount-0"]
    assert (dish["kind"], dish["external_id"], dish["parent_id"]) == ("mount", "ANT-3", "mast-3.face-1")
    assert rows["mast-3.face-1"]["place"]["bearing_deg"] == 180.0
    wish = {"asset_id": "mast-3", "pattern": "facade", "params": {"face": 1}, "home": place(-1460.0, -1540.0)}
    made = operator.post("/v1/plans", json=wish)
    assert made.status_code == 201, made.text
    plan = made.json()
    assert "block" not in {check["verdict"] for check in plan["checks"]}
    route = Route.model_validate(operator.get(f"/v1/plans/{plan['plan_id']}/1/route").json()["route"])
    frame = LocalFrame(route.home.model_copy(update=foot))
    filmed = [w for w in route.waypoints if w.action.value == "stop_video"]
    assert filmed
    for waypoint in filmed:
        assert waypoint.camera_yaw_deg == pytest.approx(0.0, abs=0.1), "the face looks south, the camera north"
        assert frame.to_enu(waypoint.point).north < -shape_radius_m(mounts) - 4.0
    refused = operator.post("/v1/plans", json=wish | {"params": {"face": 3}})
    assert (refused.status_code, refused.json()["field"]) == (422, "params.face")


def shape_radius_m(mounts: list[dict[str, Any]]) -> float:
    return max(float(mount["reach_m"]) for mount in mounts)


def test_assets_come_from_a_csv(operator: httpx.Client, site_id: str) -> None:
    one, two, mast = place(0.0, 9000.0), place(300.0, 9000.0), place(600.0, 9000.0)
    lines = [
        "external_id,kind,lat_deg,lon_deg,alt_m,altitude_reference,sequence,name,functional_location,height_m,faces"
    ]
    for number, foot in enumerate((two, one)):
        where = f"{foot['lat_deg']},{foot['lon_deg']},45,ellipsoid"
        lines.append(f"LINE-9,power_line,{where},{2 - number},Line 9,GRID-L9,28,")
    lines.append(f"MAST-9,telecom_tower,{mast['lat_deg']},{mast['lon_deg']},45,ellipsoid,,Mast 9,TEL-9,60,3")
    content = base64.b64encode("\n".join(lines).encode()).decode()
    path, body = f"/v1/sites/{site_id}/assets/import", {"filename": "all.csv", "content_base64": content}
    report = operator.post(path, json=body).json()
    assert (report["written"], [row["outcome"] for row in report["rows"]]) == (True, ["created", "created"])
    line, tower = (operator.get(f"/v1/assets/{name}").json() for name in ("line-9", "mast-9"))
    assert [t["foot"]["lon_deg"] for t in line["geometry"]["towers"]] == [one["lon_deg"], two["lon_deg"]]
    assert (line["functional_location"], tower["geometry"]["height_m"], tower["geometry"]["faces"]) == (
        "GRID-L9",
        60,
        3,
    )
    again = operator.post(path, json=body).json()
    assert {row["outcome"] for row in again["rows"]} == {"unchanged"}


def test_a_plan_of_another_program_is_judged_over_its_segments(operator: httpx.Client, site_id: str) -> None:
    corners = [place(90, -30), place(110, -30), place(110, 30), place(90, 30)]
    zone = {
        "kind": "keep_out",
        "name": "Prison",
        "corners": [{k: c[k] for k in ("lat_deg", "lon_deg")} for c in corners],
    }
    zone_id = operator.post(f"/v1/sites/{site_id}/zones", json=zone).json()["zone_id"]
    ends = [place(0.0), place(200.0)]
    rows = [
        "QGC WPL 110",
        f"0\t1\t0\t16\t0\t0\t0\t0\t{FOOT.lat_deg}\t{FOOT.lon_deg}\t5\t1",
        "1\t0\t3\t22\t0\t0\t0\t0\t0\t0\t50\t1",
    ]
    rows += [f"{n + 2}\t0\t3\t16\t0\t0\t0\t0\t{e['lat_deg']}\t{e['lon_deg']}\t50\t1" for n, e in enumerate(ends)]
    body = {
        "name": "over.waypoints",
        "content_base64": base64.b64encode("\n".join(rows).encode()).decode(),
        "site_id": site_id,
    }
    answer = operator.post("/v1/routes/checks", json=body)
    assert answer.status_code == 200, answer.text
    blocked = next(check for check in answer.json()["checks"] if check["name"] == "no_fly")
    assert (answer.json()["verdict"], blocked["verdict"]) == ("block", "block")
    assert blocked["worst"]["metre"] == pytest.approx(90.0, abs=1.0)
    operator.delete(f"/v1/sites/{site_id}/zones/{zone_id}")


def test_a_plan_is_judged_at_a_time(operator: httpx.Client) -> None:
    made = operator.post("/v1/plans", json={"asset_id": "wt-01"}).json()
    path = f"/v1/plans/{made['plan_id']}/1/checks"
    night = {"drone_id": "kite-01", "start_at": "2026-12-21T22:00:00Z", "wind_mps": 9.0, "storage_free_bytes": 10}
    answer = operator.post(path, json=night)
    assert answer.status_code == 200, answer.text
    found = {check["name"]: check["verdict"] for check in answer.json()["checks"]}
    assert (found["daylight"], found["wind"], found["storage"]) == ("block", "warn", "block")
    assert found["schedule"] == "pass"
    assert operator.post(path, json={**night, "drone_id": "none"}).status_code == 404


def test_the_verb_plans_at_the_running_platform(server: Server, built: Services) -> None:
    with built.database.session() as session:
        users.put_user(session, "pilot", "correct horse battery", [Role.OPERATOR])
    access = ["--url", server.url, "--username", "pilot", "--password", "correct horse battery"]
    done = CliRunner().invoke(app, ["plan", "--asset", "WT-01", "--pattern", "blades", "--json", *access])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    [flight] = found["flights"]
    assert (found["verdict"], flight["estimates"]["images"] > 0) == ("warn", True), "the way home from under a blade"
    assert len(flight["route"]["waypoints"]) > 20
    blocked = CliRunner().invoke(app, ["plan", "--asset", "wt-01", "--params", '{"shutter_s": 0.02}', *access])
    assert blocked.exit_code == 3
    assert "motion_blur" in blocked.stdout
    gone = CliRunner().invoke(app, ["plan", "--asset", "wt-01", "--url", "http://127.0.0.1:9", *access[2:]])
    assert gone.exit_code == 75
    wrong = CliRunner().invoke(app, ["plan", "--asset", "wt-01", "--params", "[", *access])
    assert wrong.exit_code == 1
