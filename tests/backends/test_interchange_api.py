"""Foreign flight plans over HTTP: converted with a report, and our own plans in other formats."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cloud.services import Services
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server
from tests.services import DatabaseServer
from tests.unit.interchange import samples


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as built:
        yield built


@pytest.fixture
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.OPERATOR) as http:
        yield http


def convert(http: httpx.Client, **body: Any) -> httpx.Response:
    sent = {"content_base64": base64.b64encode(samples.as_bytes(samples.MAVSDK_SAMPLE)).decode(), **body}
    return http.post("/v1/routes/convert", json=sent)


def test_a_plan_is_converted_with_its_report(operator: httpx.Client) -> None:
    answer = convert(operator, target="wpml")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert base64.b64decode(body["content_base64"]).startswith(b"PK")
    assert (body["report"]["source"], body["report"]["items"]) == ("qgc-plan", 6)
    assert any(loss["field"] == "aircraft" for loss in body["report"]["losses"])
    same = convert(operator, target="qgc-plan").json()
    assert json.loads(base64.b64decode(same["content_base64"])) == samples.MAVSDK_SAMPLE


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content_base64": "%%%", "target": "kml"}, "content_base64"),
        ({"content_base64": "AAAA", "target": "kml"}, "format"),
        ({"content_base64": "AAAA", "target": "kml", "source": "qgc-plan"}, "file"),
        ({"target": "pdf"}, "target"),
        ({"target": "kml", "source": "qgc-wpl"}, "line 1"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_its_name(
    operator: httpx.Client, body: dict[str, str], field: str
) -> None:
    answer = convert(operator, **body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field


def test_our_own_plan_leaves_in_every_format(operator: httpx.Client) -> None:
    made = operator.post("/v1/plans", json={"asset_id": "wt-01", "params": {"blades": ["A"]}}).json()
    path = f"/v1/routes/{made['plan_id']}/{made['version']}"
    planned = operator.get(f"/v1/plans/{made['plan_id']}/{made['version']}/route").json()["route"]["waypoints"]
    for name in ("qgc-plan", "qgc-wpl", "wpml", "kml", "geojson", "litchi"):
        answer = operator.get(path, params={"format": name})
        assert answer.status_code == 200, answer.text
        report = answer.json()["report"]
        assert report["source"] is None
        assert {loss["field"] for loss in report["losses"]} >= {"standoff_m", "fence.max_alt_rel_m"}
    plan = json.loads(base64.b64decode(operator.get(path, params={"format": "qgc-plan"}).json()["content_base64"]))
    flown = [item for item in plan["mission"]["items"] if item["command"] == 16]
    assert len(flown) == len(planned)
    assert flown[0]["params"][4] == planned[0]["point"]["lat_deg"]
    assert operator.get(path, params={"format": "pdf"}).status_code == 422
    assert operator.get("/v1/routes/pln-none/1", params={"format": "kml"}).status_code == 404


def test_nobody_converts_without_a_token(server: Server) -> None:
    with httpx.Client(base_url=server.url) as stranger:
        assert convert(stranger, target="kml").status_code == 401
