"""Plans of other programs on the shelf: judged, approved by their warnings' names, and flown like planned ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cloud import users
from cloud.dispatch import Dispatch
from cloud.schedules.timetable import Timetable
from cloud.services import Services
from contracts.commands import Command, SignedCommand
from contracts.geo import Enu, LocalFrame
from contracts.routes import Route
from contracts.vocabulary import Role
from infra.local.__main__ import app
from tests import platform
from tests.platform import FOOT, HOME, RouteShelf, Server, Wire
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


AT = {"drone_id": "kite-01", "starts_at": "2099-03-02T09:00:00Z", "duration_min": 30}


@pytest.mark.parametrize("rrule", [None, "FREQ=WEEKLY;COUNT=3"], ids=["once", "weekly"])
def test_it_is_scheduled_approved_and_dispatched_like_a_planned_one(
    operator: httpx.Client, built: Services, rrule: str | None
) -> None:
    plan = stored(operator, round_the_turbine(away_m=45.0))["plan"]
    day = "02" if rrule is None else "09"
    wish = AT | {"name": "Past", "plan_id": plan["plan_id"], "rrule": rrule, "starts_at": f"2099-03-{day}T09:00:00Z"}
    kept = operator.post("/v1/schedules", json=wish)
    assert kept.status_code == 201, kept.text
    Timetable(built.database).step(datetime(2099, 3, int(day), 8, tzinfo=UTC))
    schedule_id = kept.json()["schedule_id"]
    [flight] = operator.get("/v1/flights", params={"schedule_id": schedule_id}).json()["data"]
    assert (flight["due_at"], flight["route_hash"]) == (wish["starts_at"], plan["content_hash"])
    path = f"/v1/flights/{flight['flight_id']}"
    assert operator.post(f"{path}/commands", json={"kind": "begin_flight"}).status_code == 409, "nobody approved it"
    assert operator.post(f"{path}/approve", json={"acknowledged": []}).json()["field"] == "acknowledged"
    approved = operator.post(f"{path}/approve", json={"acknowledged": warnings(plan)})
    assert (approved.status_code, approved.json()["state"]) == (200, "approved"), approved.text
    for command in ({"kind": "take_off", "altitude_m": 15.0}, {"kind": "begin_flight"}):
        assert operator.post(f"{path}/commands", json=command).status_code == 202
    wire = Wire()
    assert built.signer is not None
    platform.drain(Dispatch(built.database, wire, built.routes, built.signer).step)
    signed = [SignedCommand.model_validate_json(payload) for _, payload in wire.sent]
    take_off, begin = (Command.model_validate_json(one.payload) for one in signed[-2:])
    assert (take_off.kind, begin.kind, begin.route_hash) == ("take_off", "begin_flight", plan["content_hash"])
    assert begin.route is not None
    assert begin.route.content_hash() == plan["content_hash"]
    assert begin.route.pattern == "imported"
    assert refusal(begin.route) is None, "the drone flies it"
    operator.patch(f"/v1/schedules/{schedule_id}", json={"enabled": False})


def test_a_blocked_plan_is_not_scheduled(operator: httpx.Client) -> None:
    plan = stored(operator, round_the_turbine(up_m=400.0))["plan"]
    refused = operator.post("/v1/schedules", json=AT | {"name": "High", "plan_id": plan["plan_id"]})
    assert (refused.status_code, refused.json()["field"]) == (409, "altitude")


def test_a_scheduled_flight_is_approved_by_its_hour_too(operator: httpx.Client, built: Services) -> None:
    plan = stored(operator, round_the_turbine())["plan"]
    night = AT | {"name": "Night", "plan_id": plan["plan_id"], "starts_at": "2099-04-01T23:00:00Z"}
    schedule_id = operator.post("/v1/schedules", json=night).json()["schedule_id"]
    Timetable(built.database).step(datetime(2099, 4, 1, 22, tzinfo=UTC))
    [flight] = operator.get("/v1/flights", params={"schedule_id": schedule_id}).json()["data"]
    refused = operator.post(f"/v1/flights/{flight['flight_id']}/approve", json={"acknowledged": warnings(plan)})
    assert (refused.status_code, refused.json()["field"]) == (409, "daylight")
    assert "sun" in refused.json()["detail"]


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
