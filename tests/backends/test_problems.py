"""Every error is a problem with a code, a hint where there is one, and the request's id."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup

from cloud.db import Database
from cloud.services import Services
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server
from tests.services import DatabaseServer


@pytest.fixture(scope="module")
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as built:
        yield built


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def admin(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.ADMIN) as http:
        yield http


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["detail"]
    return body


def test_not_found(admin: httpx.Client) -> None:
    body = problem(admin.get("/v1/assets/wt-99"), 404, "not_found")
    assert "wt-99" in body["detail"]
    assert body["hint"]
    problem(admin.get("/v1/nothing"), 404, "not_found")


def test_method_not_allowed(admin: httpx.Client) -> None:
    assert problem(admin.delete("/v1/sites"), 405, "method_not_allowed")["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [("OPTIONS", "/v1/findings/reviews"), ("GET", "/v1/findings/fnd-1/reviews")]
)
def test_what_a_path_takes_is_said_of_the_path_that_is_written_out(admin: httpx.Client, method: str, path: str) -> None:
    answer = admin.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("moment", ["0.5", "1700000000", "-1e9"])
def test_a_bare_number_is_no_time(admin: httpx.Client, moment: str) -> None:
    answer = admin.get("/v1/drones/kite-01/telemetry", params={"to": moment})
    assert problem(answer, 422, "invalid_input")["field"] == "to"


@pytest.mark.parametrize(
    ("path", "text", "field"),
    [
        ("/v1/plans", '{"asset_id": "wt-01", "params": {"standoff_m": NaN}}', "params.standoff_m"),
        ("/v1/plans", '{"asset_id": "wt-01", "params": {"standoff_m": 1e999}}', "params.standoff_m"),
        ("/v1/plans", '{"asset_id": "wt-01", "params": {"start_at_m": 24}}', "params.start_at_m"),
        ("/v1/plans", '{"asset_id": "wt-01", "home": {"lat_deg": 95, "lon_deg": 0, "alt_m": 0}}', "home.lat_deg"),
        ("/v1/plans", '{"asset_id": "wt-01", "home": {"lat_deg": 54, "lon_deg": 8, "alt_m": 0}}', "home"),
        ("/v1/plans", '{"asset_id": "WT 01"}', "asset_id"),
        ("/v1/plans", '{"asset_id": "wt-01", "wings": 2}', "wings"),
        ("/v1/plans", "{", "1"),
        ("/v1/plans", "", "body"),
        ("/v1/assets", '{"asset_id": "wt-02", "site_id": "north", "name": "T"}', "geometry"),
        ("/v1/drones/kite-01/commands", '{"kind": "explode"}', "kind"),
    ],
)
def test_the_field_at_fault_is_named(admin: httpx.Client, path: str, text: str, field: str) -> None:
    answer = admin.post(path, content=text, headers={"content-type": "application/json"})
    assert problem(answer, 422, "invalid_input")["field"] == field


def test_a_body_over_the_limit_is_refused_unread(admin: httpx.Client) -> None:
    problem(admin.post("/v1/plans", content=b"x" * 300_000), 413, "too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 10_000

    problem(admin.post("/v1/plans", content=endless()), 413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "text", "field"),
    [
        ("GET", "/v1/assets/a%00b", "", "path"),
        ("GET", "/v1/flights?state=a%00", "", "query"),
        ("POST", "/v1/defects/lnk-1/merge", r'{"other": "a\u0000", "reason": "x"}', "body"),
    ],
)
def test_a_character_that_no_text_holds_is_refused(
    admin: httpx.Client, method: str, path: str, text: str, field: str
) -> None:
    answer = admin.request(method, path, content=text, headers={"content-type": "application/json"})
    assert problem(answer, 422, "invalid_input")["field"] == field


def test_a_backslash_before_it_makes_it_plain_text(admin: httpx.Client) -> None:
    written = r'{"other": "lnk-2", "reason": "a\\u0000"}'
    answer = admin.post("/v1/defects/lnk-1/merge", content=written, headers={"content-type": "application/json"})
    problem(answer, 404, "not_found")


def test_a_given_request_id_is_kept_when_it_is_sane(admin: httpx.Client) -> None:
    assert admin.get("/healthz", headers={"x-request-id": "trace-12345"}).headers["x-request-id"] == "trace-12345"
    assert admin.get("/healthz", headers={"x-request-id": "<script>"}).headers["x-request-id"] != "<script>"


def test_a_script_of_a_page_gets_the_page_s_language_and_a_program_english(admin: httpx.Client) -> None:
    german = {"Accept-Language": "de"}
    programs = problem(admin.get("/v1/drones/none", headers=german), 404, "not_found")
    answer = admin.get("/v1/drones/none", headers=german | {"X-Kestrel-Page": "1"})
    scripts = problem(answer, 404, "not_found")
    assert programs["detail"] == "No drone 'none' is registered."
    assert scripts["detail"] == "Es ist keine Drohne 'none' eingetragen."
    assert answer.headers["content-length"] == str(len(answer.content))


def test_a_refused_sign_in_is_said_in_the_page_s_language(server: Server) -> None:
    with server.client() as http:
        asked = {"Accept-Language": "de", "X-Kestrel-Page": "1"}
        answer = http.post("/login", data={"username": "ana", "password": "wrong"}, headers=asked)
    assert problem(answer, 401, "not_authenticated")["detail"] == "Der Name oder das Passwort ist falsch."


def test_what_is_no_json_passes_as_it_is(admin: httpx.Client) -> None:
    plain, asked = admin.get("/login"), admin.get("/login", headers={"X-Kestrel-Page": "1"})
    assert (plain.status_code, plain.text) == (asked.status_code, asked.text)


BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every asset and every flight that is asked for fails in a way nobody foresaw."""

    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("secret details")

    monkeypatch.setattr("cloud.planning.assets.asset", explode)
    monkeypatch.setattr("cloud.flights.flight", explode)


@pytest.mark.usefixtures("broken")
def test_the_unexpected_is_logged_and_not_told(admin: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "kestrel"):
        body = problem(admin.get("/v1/assets/wt-01"), 500, "internal_error")
    assert "secret" not in json.dumps(body)
    [record] = [r for r in caplog.records if r.name == "kestrel"]
    assert record.fields["request_id"] == body["request_id"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("broken")
def test_the_unexpected_is_a_page_for_a_browser_with_what_failed_its_id_and_a_way_back(admin: httpx.Client) -> None:
    answer = admin.get("/assets/wt-01", headers=BROWSER)
    page = BeautifulSoup(answer.text, "lxml")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert page.h1 is not None
    assert "/assets/wt-01 cannot be shown" in page.text
    assert answer.headers["x-request-id"] in page.text
    assert {link["href"] for link in page.select("main a")} == {"", "/"}
    assert "secret" not in answer.text


@pytest.mark.usefixtures("broken")
def test_a_page_of_what_went_wrong_speaks_the_reader_s_language(admin: httpx.Client) -> None:
    page = BeautifulSoup(admin.get("/assets/wt-01", headers=BROWSER | {"Accept-Language": "de"}).text, "lxml")
    assert "/assets/wt-01 kann nicht gezeigt werden" in page.text


@pytest.mark.usefixtures("broken")
def test_what_a_page_sends_and_fails_unforeseen_is_said_not_to_be_known(admin: httpx.Client) -> None:
    sent = {"kind": "hold", "key": "12345678"}
    answer = admin.post("/fragments/flights/flt-1/commands", data=sent, headers=BROWSER | {"HX-Request": "true"})
    piece = BeautifulSoup(answer.text, "lxml").select_one(".problem")
    assert answer.status_code == 500
    assert piece is not None
    assert "It is not known whether this was done." in piece.text
    assert answer.headers["x-request-id"] in piece.text


@pytest.mark.parametrize(("path", "status"), [("/fleet?x=%00", 422), ("/logout", 404), ("/nowhere", 404)])
def test_every_other_failure_of_a_page_is_a_page_too(admin: httpx.Client, path: str, status: int) -> None:
    answer = admin.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


def test_a_database_that_is_away_is_said_and_may_be_tried_again() -> None:
    services = platform.build("postgresql+psycopg2://nobody:x@127.0.0.1:1/none")
    with Server(services) as server, server.client(Role.VIEWER) as http:
        body = problem(http.get("/v1/sites"), 503, "unavailable")
        assert body["retryable"] is True
        assert http.get("/healthz").status_code == 200
        ready = http.get("/readyz")
        assert ready.status_code == 503
        assert "database" in ready.json()["reasons"]


def test_readiness_wants_this_version_of_the_schema(
    postgres_server: DatabaseServer, server: Server, admin: httpx.Client
) -> None:
    assert admin.get("/readyz").json() == {"ready": True, "reasons": {}}
    with postgres_server.database(migrated=False) as url:
        empty = platform.build(url)
        with Server(empty) as bare, bare.client() as http:
            assert "kestrel-cloud migrate" in http.get("/readyz").json()["reasons"]["database"]
        empty.database.close()


def test_the_document_shows_problems_and_examples(admin: httpx.Client) -> None:
    document = admin.get("/v1/openapi.json").json()
    post = document["paths"]["/v1/plans"]["post"]
    named = post["responses"]["422"]["$ref"].rpartition("/")[2]
    assert "application/problem+json" in document["components"]["responses"][named]["content"]
    schema = document["components"]["schemas"]["FlightIn"]
    assert schema["properties"]["drone_id"]["examples"]


def test_database_close_is_clean(postgres_server: DatabaseServer) -> None:
    with postgres_server.database(migrated=False) as url:
        database = Database(url)
        with database.session():
            pass
        database.close()
