"""Who may do what over HTTP: every route, every role, tokens and browser sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cloud import sessions, users
from cloud.services import Services
from cloud.tables import User
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server
from tests.services import DatabaseServer

PASSWORD = "correct horse battery"
_CREW_PLANNERS = {Role.OPERATOR, Role.ANALYST, Role.REVIEWER}
WRITERS: dict[tuple[str, str], set[Role]] = {
    ("POST", "/v1/sites"): {Role.OPERATOR},
    ("POST", "/v1/assets"): {Role.OPERATOR},
    ("POST", "/v1/drones"): {Role.OPERATOR},
    ("POST", "/v1/plans"): {Role.OPERATOR},
    ("POST", "/v1/flights"): {Role.OPERATOR},
    ("POST", "/v1/routes/import"): {Role.OPERATOR},
    ("POST", "/v1/flights/flt-0/approve"): {Role.OPERATOR},
    ("POST", "/v1/flights/flt-0/abort"): {Role.OPERATOR},
    ("POST", "/v1/flights/flt-0/commands"): {Role.OPERATOR},
    ("POST", "/v1/drones/kite-01/commands"): {Role.OPERATOR},
    ("POST", "/v1/drones/kite-01/quarantine"): {Role.OPERATOR},
    ("POST", "/v1/drones/kite-01/readmit"): set(),
    ("POST", "/v1/security/events/0/close"): set(),
    ("POST", "/v1/findings/fnd-0/reviews"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/candidates/0/reviews"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/workflow-runs/run-0/resume"): {Role.OPERATOR},
    ("POST", "/v1/alerts/alt-0/acknowledge"): {Role.OPERATOR, Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/decisions/dcn-0/answer"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/dead-letters/0/replay"): {Role.OPERATOR},
    ("POST", "/v1/flights/flt-0/carry-on"): {Role.OPERATOR},
    ("POST", "/v1/commands/cmd-0/approvals"): {Role.OPERATOR},
    ("POST", "/v1/schedules"): {Role.OPERATOR},
    ("PATCH", "/v1/schedules/sch-0"): {Role.OPERATOR},
    ("POST", "/v1/due-rules"): {Role.OPERATOR},
    ("DELETE", "/v1/due-rules/rul-0"): {Role.OPERATOR},
    ("POST", "/v1/assets/wt-00/events"): {Role.OPERATOR},
    ("POST", "/v1/webhooks"): {Role.INTEGRATION},
    ("PATCH", "/v1/webhooks/whk-0"): {Role.INTEGRATION},
    ("DELETE", "/v1/webhooks/whk-0"): {Role.INTEGRATION},
    ("POST", "/v1/webhooks/whk-0/rotate"): {Role.INTEGRATION},
    ("POST", "/v1/webhooks/whk-0/ping"): {Role.INTEGRATION},
    ("POST", "/v1/webhooks/whk-0/deliveries/0/replay"): {Role.INTEGRATION},
    ("POST", "/v1/sites/0/assets/import"): {Role.OPERATOR},
    ("PATCH", "/v1/components/0"): {Role.OPERATOR},
    ("POST", "/v1/sites/0/zones"): {Role.OPERATOR},
    ("DELETE", "/v1/sites/0/zones/0"): {Role.OPERATOR},
    ("POST", "/v1/flights/flt-0/upload-order"): {Role.OPERATOR},
    ("POST", "/v1/findings/reviews"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/blind-audits/frames/0/answers"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/blind-audits/frames/0/answers/undo"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/blind-audits/marks/0/finding"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/findings/fnd-0/reviews/undo"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/defects/0/merge"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/defects/0/split"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/link-edits/0/undo"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/link-suggestions/fnd-0/accept"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/link-suggestions/fnd-0/decline"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/assets/wt-00/relink"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/detectors"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/detectors/mdl-0/answer"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/policies"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/policies/0/activate"): {Role.ANALYST, Role.REVIEWER},
    ("POST", "/v1/repairs"): _CREW_PLANNERS,
    ("POST", "/v1/repairs/plan"): _CREW_PLANNERS,
    ("POST", "/v1/repairs/rep-0/accept"): _CREW_PLANNERS,
    ("POST", "/v1/repairs/rep-0/move"): _CREW_PLANNERS,
    ("POST", "/v1/repairs/rep-0/release"): _CREW_PLANNERS,
    ("PUT", "/v1/repairs/crews/0"): _CREW_PLANNERS,
    ("PUT", "/v1/repairs/parts/0"): _CREW_PLANNERS,
    ("PUT", "/v1/repairs/forecasts/0"): _CREW_PLANNERS,
    ("POST", "/v1/keys"): set(),
    ("DELETE", "/v1/keys/key-0"): set(),
}
OPEN = {"/healthz", "/readyz", "/oidc/.well-known/openid-configuration", "/oidc/jwks", "/oidc/token"}


@pytest.fixture(scope="module")
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        platform.stock(built)
        with built.database.session() as session:
            for role in Role:
                users.put_user(session, role.value, PASSWORD, [role])
        yield built
        built.database.close()


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def anyone(server: Server) -> Iterator[httpx.Client]:
    with server.client() as http:
        yield http


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with server.client() as http:
        answer = http.post("/login", data={"username": "operator", "password": PASSWORD, "next": "/v1/me"})
        assert answer.status_code == 303, answer.text
        yield http


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "path"), list(WRITERS), ids=lambda value: value)
def test_only_some_roles_may_write(server: Server, method: str, path: str, role: Role) -> None:
    with server.client(role) as http:
        status = http.request(method, path, json={}).status_code
    if role in WRITERS[method, path] | {Role.ADMIN}:
        assert status in {404, 409, 422}, "let in, and refused for another reason"
    else:
        assert status == 403


def documented(server: Server) -> list[tuple[str, str]]:
    with server.client(Role.VIEWER) as http:
        paths = http.get("/v1/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, item in paths.items() for method in item]


def test_every_route_needs_a_proof_of_who_asks(server: Server, anyone: httpx.Client) -> None:
    routes = [(method, path) for method, path in documented(server) if path not in OPEN]
    assert len(routes) > 25
    for method, path in routes:
        concrete = re.sub(r"\{[^}]+\}", "1", path.replace("{part}", "crop"))
        answer = anyone.request(method, concrete, json={})
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Bearer" in answer.headers["www-authenticate"]


def test_every_write_is_in_the_table(server: Server) -> None:
    """A write that is documented and not listed above would be untested."""
    ids = r"/(flt-0|kite-01|fnd-0|run-0|key-0|cmd-0|sch-0|rul-0|wt-00|whk-0|dcn-0|mdl-0|rep-0|alt-0|0)(?=/|$)"
    shapes = {re.sub(ids, "/{id}", path) for _, path in WRITERS}
    asking = {
        "/v1/assistant/ask",
        "/v1/routes/checks",
        "/v1/routes/convert",
        "/v1/plans/{plan_id}/{version}/checks",
    }  # writes nothing
    own_forms = {
        "/v1/assistant/proposals",
        "/v1/assistant/proposals/{proposal_id}/confirm",
        "/v1/assistant/proposals/{proposal_id}/decline",
    }  # the asker's own; confirming takes the role of the action itself: see test_assistant_proposals
    for method, path in documented(server):
        if method != "GET" and path not in OPEN | asking | own_forms:
            assert re.sub(r"\{[^}]+\}", "{id}", path) in shapes, f"{method} {path}"


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_read(server: Server, role: Role) -> None:
    with server.client(role) as http:
        for path in ("/v1/me", "/v1/sites", "/v1/assets", "/v1/drones", "/v1/plans", "/v1/flights", "/v1/findings"):
            assert http.get(path).status_code == 200, path


def test_a_password_buys_a_token(server: Server, anyone: httpx.Client) -> None:
    form = {"grant_type": "password", "username": "analyst", "password": PASSWORD}
    token = anyone.post("/oidc/token", data=form).json()
    assert (token["token_type"], token["scope"]) == ("Bearer", "analyst")
    me = anyone.get("/v1/me", headers={"authorization": f"Bearer {token['access_token']}"}).json()
    assert me == {"username": "analyst", "roles": ["analyst"], "via": "token"}


def test_client_credentials_by_basic(anyone: httpx.Client) -> None:
    answer = anyone.post("/oidc/token", data={"grant_type": "client_credentials"}, auth=("integration", PASSWORD))
    assert answer.json()["scope"] == "integration"


def test_the_issuer_describes_itself(anyone: httpx.Client) -> None:
    described = anyone.get("/oidc/.well-known/openid-configuration").json()
    assert described["jwks_uri"].endswith("/oidc/jwks")
    assert anyone.get("/oidc/jwks").json()["keys"][0]["kty"] == "EC"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"grant_type": "password", "username": "viewer", "password": "wrong"}, 401, "not_authenticated"),
        ({"grant_type": "password", "username": "nobody", "password": PASSWORD}, 401, "not_authenticated"),
        ({"grant_type": "magic"}, 422, "invalid_input"),
        ({}, 422, "invalid_input"),
    ],
)
def test_no_token_for_these(anyone: httpx.Client, form: dict[str, str], status: int, code: str) -> None:
    answer = anyone.post("/oidc/token", data=form)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_guessing_is_slowed_down(anyone: httpx.Client) -> None:
    form = {"grant_type": "password", "username": "reviewer", "password": "guess"}
    statuses = [anyone.post("/oidc/token", data=form).status_code for _ in range(6)]
    assert statuses[:3] == [401] * 3
    assert 429 in statuses
    assert anyone.post("/oidc/token", data=form | {"username": "admin", "password": PASSWORD}).status_code == 200


def test_a_session_reads_and_needs_its_csrf_token_to_write(browser: httpx.Client, services: Services) -> None:
    assert browser.get("/v1/me").json() == {"username": "operator", "roles": ["operator"], "via": "session"}
    site: dict[str, Any] = {
        "site_id": "south", "name": "South", "home_lat_deg": 1.0, "home_lon_deg": 2.0, "home_alt_m": 3.0,
    }  # fmt: skip
    refused = browser.post("/v1/sites", json=site)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    key, cookie = services.session_key, browser.cookies["kestrel_session"]
    token = sessions.csrf(key, sessions.read(key, cookie))
    stale = sessions.csrf(key, sessions.read(key, sessions.issue(key, "operator")))
    assert browser.post("/v1/sites", json=site, headers={"X-Kestrel-CSRF": stale}).status_code == 403
    assert browser.post("/v1/sites", json=site, headers={"X-Kestrel-CSRF": token}).status_code == 201


def test_the_session_cookie_is_out_of_reach_of_scripts(server: Server) -> None:
    with server.client() as http:
        answer = http.post("/login", data={"username": "viewer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


@pytest.mark.parametrize(
    ("wanted", "gone_to"),
    [("/flights?x=1", "/flights?x=1"), ("//evil.test", "/"), ("https://evil.test", "/"), ("/\\evil.test", "/")],
)
def test_signing_in_leads_only_home(anyone: httpx.Client, wanted: str, gone_to: str) -> None:
    answer = anyone.post("/login", data={"username": "viewer", "password": PASSWORD, "next": wanted})
    assert answer.headers["location"] == gone_to


def test_another_site_cannot_sign_us_in(anyone: httpx.Client) -> None:
    form = {"username": "viewer", "password": PASSWORD}
    answer = anyone.post("/login", data=form, headers={"origin": "https://evil.test"})
    assert answer.status_code == 403


def test_a_disabled_user_is_out_at_once(server: Server, services: Services) -> None:
    with services.database.session() as session:
        users.put_user(session, "leaver", PASSWORD, [Role.VIEWER])
    with server.client() as http:
        http.post("/login", data={"username": "leaver", "password": PASSWORD})
        assert http.get("/v1/me").status_code == 200
        with services.database.session() as session:
            session.get_one(User, "leaver").disabled = True
        assert http.get("/v1/me").status_code == 401


def test_a_page_without_a_session_leads_to_the_sign_in(anyone: httpx.Client) -> None:
    answer = anyone.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/"


@pytest.mark.parametrize("path", ["/healthz", "/v1/me", "/nothing", "/login"])
def test_every_answer_carries_the_security_headers(anyone: httpx.Client, path: str) -> None:
    headers = anyone.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["script-src"] == policy["default-src"] == policy["worker-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"]
