"""The published client: fresh, typed, patient; and `kestrel flights` and its like over it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from client import ApiError, Client, Unreachable, models
from client.transport import Transport
from cloud.app import openapi
from cloud.services import Services
from contracts.vocabulary import Role
from infra.local.__main__ import app
from infra.local.layout import REPOSITORY
from tests import platform
from tests.platform import Server
from tests.services import DatabaseServer


@pytest.fixture(scope="module")
def built(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as services:
        yield services


@pytest.fixture(scope="module")
def token(built: Services) -> str:
    assert built.issuer is not None
    return built.issuer.mint("operator", frozenset({Role.OPERATOR}))


@pytest.fixture
def api(server: Server, token: str) -> Iterator[Client]:
    with Client(server.url, token) as client:
        yield client


def test_the_checked_in_client_is_the_one_of_this_api(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(openapi()))
    command = [sys.executable, "scripts/client.py", str(tmp_path / "openapi.json"), str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    for name in ("models.py", "operations.py"):
        assert (tmp_path / name).read_text() == (REPOSITORY / "client" / name).read_text(), "run `make client`"


def test_lists_come_as_models_page_by_page(api: Client) -> None:
    for number in range(3):
        body = models.SiteIn(
            site_id=f"site-{number}", name=f"Site {number}", home_lat_deg=54.9, home_lon_deg=8.3, home_alt_m=45.0
        )
        api.add_site(body, idempotency_key=f"client-{number}")
    pages = list(Client.pages(lambda cursor: api.list_sites(limit=2, cursor=cursor)))
    names = [site.site_id for page in pages for site in page.data]
    assert names == ["north", "site-0", "site-1", "site-2"]
    assert isinstance(pages[0].data[0], models.SiteOut)


def test_a_problem_comes_as_an_error_with_its_code(api: Client) -> None:
    with pytest.raises(ApiError) as caught:
        api.get_flight("flt none?x=1#y")
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (404, "not_found", False)
    assert caught.value.hint


def counting(answers: list[httpx.Response]) -> tuple[Transport, list[float]]:
    waits: list[float] = []
    made = Transport("http://test", "t", sleep=waits.append)
    made._http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(lambda _: answers.pop(0)))
    return made, waits


def test_it_waits_as_long_as_it_is_told_and_tries_again() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "7"}, json={"code": "too_many_requests"})
    made, waits = counting([busy, httpx.Response(503), httpx.Response(200, content=b"ok")])
    assert made.request("GET", "/") == b"ok"
    assert waits == [7.0, 1.0]


def test_what_may_have_happened_is_not_sent_twice() -> None:
    made, waits = counting([httpx.Response(503, json={"detail": "away", "retryable": True})])
    with pytest.raises(ApiError):
        made.request("POST", "/")
    assert waits == []


def test_nothing_there_is_said() -> None:
    with Client("http://127.0.0.1:1", "t") as client, pytest.raises(Unreachable):
        client.command_drone("kite-01", models.CommandIn(kind=models.CommandKind.land))


def run(server: Server, token: str, *arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*arguments, "--url", server.url, "--key", token, "--json"])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_line_lists_drones(server: Server, token: str) -> None:
    code, out, _ = run(server, token, "drones", "list")
    assert code == 0
    assert [row["drone_id"] for row in json.loads(out)] == ["kite-01"]


def test_the_command_line_commands_a_flight_and_shows_it(server: Server, token: str, api: Client) -> None:
    plan = api._http.post("/v1/plans", json={"asset_id": "wt-01", "params": {"blades": ["A"]}}).json()
    flight = api.add_flight(models.FlightIn(plan_id=plan["plan_id"], version=1, drone_id="kite-01"))
    code, _, err = run(server, token, "flights", "command", flight.flight_id, "land")
    assert code == 1
    assert "planned" in err, "the API's own sentence"
    warnings = [check["name"] for check in plan["checks"] if check["verdict"] == "warn"]
    api._http.post(f"/v1/flights/{flight.flight_id}/approve", json={"acknowledged": warnings}).raise_for_status()
    code, out, err = run(server, token, "flights", "command", flight.flight_id, "land")
    assert (code, json.loads(out)["state"]) == (0, "accepted"), err
    code, out, _ = run(server, token, "flights", "show", flight.flight_id)
    assert json.loads(out)["state"] == "approved"
    code, out, _ = run(server, token, "flights", "list", "--state", "approved")
    assert [row["flight_id"] for row in json.loads(out)] == [flight.flight_id]


@pytest.mark.parametrize(("arguments", "code"), [(("flights", "show", "none"), 1), (("findings", "list"), 0)])
def test_exit_codes(server: Server, token: str, arguments: tuple[str, ...], code: int) -> None:
    assert run(server, token, *arguments)[0] == code


def test_an_api_that_is_away_may_be_tried_again() -> None:
    done = CliRunner().invoke(app, ["drones", "list", "--url", "http://127.0.0.1:1", "--key", "k"])
    assert done.exit_code == 75


def test_the_client_stands_in_a_package_of_its_own() -> None:
    text = (REPOSITORY / "client" / "pyproject.toml").read_text()
    assert 'name = "kestrel-client"' in text
    allowed = {"httpx", "pydantic", "client", "kestrel_client", "datetime", "enum", "typing", "json", "time", "urllib"}
    for path in (REPOSITORY / "client").glob("*.py"):
        for line in path.read_text().splitlines():
            if line.startswith("import "):
                assert line.split()[1].split(".")[0] in allowed
