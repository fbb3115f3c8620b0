"""What every operation of the API does the same way: keys, ETags, limits, documented problems."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cloud.paging import encode_cursor
from cloud.rates import Rates
from cloud.services import Services
from cloud.tables import ApiKey, Audit
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


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    with server.client() as http:
        return dict(http.get("/v1/openapi.json").json())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, op) for path, methods in document["paths"].items() for method, op in methods.items()]


def test_every_operation_documents_its_problems_with_an_example(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    for path, method, operation in operations(document):
        if path in {"/healthz", "/readyz"}:
            continue
        wanted = {"422", "429", "503"} | (set() if path.startswith("/oidc/") else {"401", "403"})
        wanted |= {"404"} if "{" in path else set()
        wanted |= {"415", "413"} if "requestBody" in operation else set()
        assert wanted <= set(operation["responses"]), f"{method} {path}"
    for answer in document["components"]["responses"].values():
        [content] = answer["content"].values()
        assert content["example"]["code"]
        assert content["example"]["type"].startswith("https://")


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_an_unchanged_thing_is_not_sent_again(admin: httpx.Client) -> None:
    first = admin.get("/v1/assets/wt-01")
    again = admin.get("/v1/assets/wt-01", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "no-cache" in first.headers["cache-control"]
    assert admin.get("/v1/assets/wt-01", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_headers_say_what_is_left(admin: httpx.Client) -> None:
    first, second = admin.get("/v1/me").headers, admin.get("/v1/me").headers
    assert int(second["ratelimit-remaining"]) <= int(first["ratelimit-limit"]) - 1
    assert second["x-ratelimit-limit"] == second["ratelimit-limit"]


def test_who_asks_too_much_is_told_when_to_come_back(services: Services) -> None:
    with Server(dataclasses.replace(services, rates=Rates(3))) as server, server.client(Role.VIEWER) as http:
        codes = [http.get("/v1/me").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        refused = http.get("/v1/me")
        assert refused.json()["code"] == "too_many_requests"
        assert refused.json()["retryable"] is True
        assert int(refused.headers["retry-after"]) >= 1
        with server.client(Role.ADMIN, name="other") as other:
            assert other.get("/v1/me").status_code == 200, "each asker has a bucket"
        landed = http.post("/v1/drones/kite-99/commands", json={"kind": "land"})
        assert landed.status_code != 429, "a command is never refused for its number"


def test_a_body_of_another_type_is_named(admin: httpx.Client) -> None:
    answer = admin.post("/v1/sites", content="<site/>", headers={"content-type": "application/xml"})
    assert answer.status_code == 415
    assert "application/xml" in answer.json()["detail"]


def made(admin: httpx.Client, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = admin.post("/v1/keys", json={"name": "Weather", "scopes": list(scopes), **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def with_key(server: Server, key: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=20)


def test_a_key_reaches_its_scopes_and_nothing_else(server: Server, admin: httpx.Client) -> None:
    key = made(admin, "drones:read")
    with with_key(server, key["key"]) as http:
        assert http.get("/v1/drones").status_code == 200
        assert http.get("/v1/me").json()["via"] == "key"
        refused = http.get("/v1/flights")
        assert refused.status_code == 403
        assert "flights:read" in refused.json()["hint"]
        assert http.post("/v1/drones/kite-01/commands", json={"kind": "land"}).status_code == 403
        assert http.get("/v1/keys").status_code == 403


def test_a_key_is_kept_as_a_hash_and_shown_once(services: Services, admin: httpx.Client) -> None:
    key = made(admin, "drones:read")
    listed = admin.get(f"/v1/keys/{key['key_id']}").json()
    secret = key["key"].removeprefix(key["prefix"])
    assert key["key"].startswith(listed["prefix"])
    with services.database.session() as session:
        row = session.get_one(ApiKey, key["key_id"])
        kept = "".join(str(value) for value in vars(row).values())
        actions = {a.action for a in session.query(Audit).filter(Audit.object == key["key_id"])}
    assert secret not in kept + str(listed)
    assert actions == {"key.create"}


def test_a_revoked_key_ends_at_once(server: Server, admin: httpx.Client) -> None:
    key = made(admin, "drones:read")
    with with_key(server, key["key"]) as http:
        assert http.get("/v1/drones").status_code == 200
        assert admin.get(f"/v1/keys/{key['key_id']}").json()["last_used_at"]
        assert admin.delete(f"/v1/keys/{key['key_id']}").json()["revoked_at"]
        assert http.get("/v1/drones").status_code == 401


def test_an_expired_key_has_ended(server: Server, services: Services, admin: httpx.Client) -> None:
    key = made(admin, "drones:read", expires_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    with services.database.session() as session:
        session.get_one(ApiKey, key["key_id"]).expires_at = datetime.now(UTC) - timedelta(seconds=1)
    with with_key(server, key["key"]) as http:
        assert "ended" in http.get("/v1/drones").json()["detail"]


@pytest.mark.parametrize("text", ["ksk_", "ksk_0badcafe42_x", "ksk_" + "0" * 200])
def test_a_key_that_is_none_is_refused(server: Server, text: str) -> None:
    with with_key(server, text) as http:
        assert http.get("/v1/drones").status_code == 401


def test_only_administrators_make_keys(server: Server) -> None:
    with server.client(Role.OPERATOR) as http:
        assert http.post("/v1/keys", json={"name": "x", "scopes": ["drones:read"]}).status_code == 403


@pytest.mark.parametrize("position", [(), ("x",), ("x", "y"), ("2026-13-01", "y"), (1, 2, 3)])
def test_no_list_fails_on_a_cursor_that_is_not_its_own(
    admin: httpx.Client, document: dict[str, Any], position: tuple[str | int, ...]
) -> None:
    """A text key may be any text; whatever cannot be this list's is refused and named."""
    lists = [
        path
        for path, method, op in operations(document)
        if method == "get"
        and any(p["name"] == "cursor" for p in op.get("parameters", []))
        and not any(p.get("required") for p in op["parameters"])
    ]
    assert len(lists) > 10
    for path in lists:
        answer = admin.get(path, params={"cursor": encode_cursor(*position)})
        assert answer.status_code in {200, 422}, f"{path}: {answer.text}"
        assert answer.status_code == 200 or answer.json()["field"] == "cursor", path


def test_a_list_by_time_refuses_a_cursor_without_one(admin: httpx.Client) -> None:
    for path in ("/v1/workflow-runs", "/v1/decisions", "/v1/alerts", "/v1/captures"):
        answer = admin.get(path, params={"cursor": encode_cursor("yesterday", "y")})
        assert (answer.status_code, answer.json()["field"]) == (422, "cursor"), path
