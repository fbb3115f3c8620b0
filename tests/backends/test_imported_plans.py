"""Plans of other programs on the shelf: judged, approved by their warnings' names, and flown like planned ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cloud import users
from cloud.services import Services
from contracts.geo import Enu, LocalFrame
from contracts.routes import Route
from contracts.vocabulary import Role
from infra.local.__main__ import app
from tests import platform
from tests.platform import FOOT, HOME, RouteShelf, Server
from tests.services import DatabaseServer
from tests.unit.cloud.planning.drone import refusal
from tests.unit.interchange import samples


@pytest.fixture(scope="module")
def built(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as services:
        yield services


def round_the_turbine(away_m: float = 40.0, up_m: float = 60.0) -> dict[str, Any]:
    """Return a .plan that flies past wt-01 at a distance, filming."""
    frame, items = LocalFrame(FOOT), []
    for east, north in ((away_m, -away_m), (away_m, away_m), (-away_m, away_m)):
        place = frame.to_geo(Enu(east, north, 0.0))
        items.append(samples.simple(16, [0, 0, 0, None, place.lat_deg, place.lon_deg, up_m], frame=3))
        items.append(samples.simple(2500 if len(items) == 1 else 93, [0, 0, 0, 0, 0, 0, 0]))
    items = [item for item in items if item["command"] != 93]
    return samples.plan(
        [*items, samples.simple(2501, [0, 0, 0, 0, 0, 0, 0]), samples.simple(20, [0, 0, 0, 0, 0, 0, 0])],
        [HOME.lat_deg, HOME.lon_deg, 5.0],
    )


def body(content: bytes | dict[str, Any], **more: Any) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else samples.as_bytes(content)
    home = {"lat_deg": HOME.lat_deg, "lon_deg": HOME.lon_deg, "alt_m": HOME.alt_m}
    return {"asset_id": "wt-01", "content_base64": base64.b64encode(raw).decode(), "home": home, **more}


def stored(http: httpx.Client, content: bytes | dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = http.post("/v1/routes/import", json=body(content, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def warnings(plan: dict[str, Any]) -> list[str]:
    return [check["name"] for check in plan["checks"] if check["verdict"] == "warn"]


def test_an_imported_plan_is_stored_like_a_planned_one(operator: httpx.Client, built: Services) -> None:
    made = stored(operator, round_the_turbine(), name="past.plan")
    plan = made["plan"]
    assert (plan["pattern"], plan["version"], plan["parts"]) == ("imported", 1, 1)
    assert (made["report"]["source"], made["report"]["target"]) == ("qgc-plan", None)
    assert {"obstacle_clearance", "no_fly", "floor", "battery", "recording"} <= {c["name"] for c in plan["checks"]}
    assert not [check for check in plan["checks"] if check["verdict"] == "block"]
    path = f"/v1/plans/{plan['plan_id']}/1"
    assert isinstance(built.routes, RouteShelf)
    built.routes.kept.clear()
    again = operator.get(f"{path}/route").json()
    assert again["content_hash"] == plan["content_hash"]
    assert refusal(Route.model_validate(again["route"])) is None, "the drone accepts it"
    leaves = operator.get(f"/v1/routes/{plan['plan_id']}/1", params={"format": "wpml"})
    assert leaves.status_code == 200
    conditions = {"drone_id": "kite-01", "start_at": "2026-06-01T12:00:00Z", "wind_mps": 3.0}
    assert operator.post(f"{path}/checks", json=conditions).json()["verdict"] == "warn"


def test_it_flies_only_when_its_warnings_are_acknowledged_by_name(operator: httpx.Client) -> None:
    plan = stored(operator, round_the_turbine())["plan"]
    wanted = {"plan_id": plan["plan_id"], "version": 1, "drone_id": "kite-01"}
    flight = operator.post("/v1/flights", json=wanted).json()["flight_id"]
    refused = operator.post(f"/v1/flights/{flight}/approve", json={"acknowledged": []})
    assert (refused.status_code, refused.json()["field"]) == (409, "acknowledged")
    approved = operator.post(f"/v1/flights/{flight}/approve", json={"acknowledged": warnings(plan)})
    assert approved.json()["state"] == "approved", approved.text


@pytest.mark.parametrize(
    ("plan", "check"),
    [(round_the_turbine(away_m=3.0, up_m=40.0), "obstacle_clearance"), (round_the_turbine(up_m=2.0), "floor"),
     (round_the_turbine(up_m=400.0), "altitude")],
)  # fmt: skip
def test_a_plan_that_a_check_blocks_is_kept_and_never_approved(
    operator: httpx.Client, plan: dict[str, Any], check: str
) -> None:
    made = stored(operator, plan)["plan"]
    assert check in [found["name"] for found in made["checks"] if found["verdict"] == "block"]
    wanted = {"plan_id": made["plan_id"], "version": 1, "drone_id": "kite-01"}
    flight = operator.post("/v1/flights", json=wanted).json()["flight_id"]
    refused = operator.post(f"/v1/flights/{flight}/approve", json={"acknowledged": warnings(made)})
    assert (refused.status_code, refused.json()["field"]) == (409, check)


def test_what_the_file_wants_besides_is_a_warning_with_its_report(operator: httpx.Client) -> None:
    photos = round_the_turbine()
    photos["mission"]["items"].insert(1, samples.simple(2000, [0, 0, 1, 0, 0, 0, 0]))
    made = stored(operator, photos)
    assert "imported_losses" in warnings(made["plan"])
    assert [loss["kind"] for loss in made["report"]["losses"] if loss["severity"] == "dropped"] == ["take_photo"]


def test_the_same_key_stores_it_once_and_a_known_plan_gets_its_next_version(operator: httpx.Client) -> None:
    key = {"Idempotency-Key": "import-1"}
    first, again = (operator.post("/v1/routes/import", json=body(round_the_turbine()), headers=key) for _ in range(2))
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    plan_id = first.json()["plan"]["plan_id"]
    assert stored(operator, round_the_turbine(50.0), plan_id=plan_id)["plan"]["version"] == 2


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"content_base64": "%%%"}, 422, "content_base64"),
        ({"content_base64": "AAAA"}, 422, "format"),
        ({"source": "qgc-wpl"}, 422, "line 1"),
        ({"asset_id": "nowhere"}, 404, None),
        ({"plan_id": "pln-none"}, 404, "plan_id"),
        ({"drone_id": "none"}, 404, None),
        ({"max_alt_rel_m": -1}, 422, "max_alt_rel_m"),
        ({"content_base64": "A" * 300_000}, 413, None),
    ],
)
def test_bad_input_is_refused_by_field(
    operator: httpx.Client, changes: dict[str, Any], status: int, field: str | None
) -> None:
    refused = operator.post("/v1/routes/import", json=body(round_the_turbine()) | changes)
    assert refused.status_code == status, refused.text
    problem = refused.json()
    assert field in [problem["field"], *[error["field"] for error in problem["errors"]]]


def test_kestrel_plan_imports_and_exports(server: Server, built: Services, tmp_path: Path) -> None:
    with built.database.session() as session:
        users.put_user(session, "operator", "correct horse battery", [Role.OPERATOR])
    access = ["--url", server.url, "--password", "correct horse battery"]
    file, out = tmp_path / "past.plan", tmp_path / "past.kmz"
    file.write_bytes(samples.as_bytes(round_the_turbine()))
    home = json.dumps(body(b"x")["home"])
    ran = CliRunner().invoke(app, ["plan", "import", str(file), "--asset", "WT-01", "--home", home, *access, "--json"])
    assert ran.exit_code == 0, ran.output
    made = json.loads(ran.stdout)
    assert (made["verdict"], made["report"]["source"]) == ("warn", "qgc-plan")
    [flight] = made["flights"]
    ran = CliRunner().invoke(app, ["plan", "export", flight["plan_id"], str(out), *access, "--json"])
    assert ran.exit_code == 0, ran.output
    assert out.read_bytes().startswith(b"PK")
    assert json.loads(ran.stdout)["target"] == "wpml"
    blocked = samples.as_bytes(round_the_turbine(up_m=400.0))
    file.write_bytes(blocked)
    assert CliRunner().invoke(app, ["plan", "import", str(file), "--asset", "wt-01", *access]).exit_code == 3
