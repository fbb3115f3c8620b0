"""A person of one site sees nothing of another: every table, route, page, tool, export and stream."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import httpx
import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from sqlalchemy import make_url, select, text

from cloud import changes, schema
from cloud.app import ROUTERS
from cloud.assistant.tools import declarations
from cloud.assistant.tools.declarations import TOOLS, Asker
from cloud.datasets import views
from cloud.db import Database
from cloud.row_security import COPIED, OPEN
from cloud.security import Principal
from cloud.services import Services
from cloud.site_limits import ROLE
from cloud.tables import Base, Delivery, Site
from cloud.web.live import Change, Hub
from cloud.webhooks.courier import Answer, Courier
from contracts.errors import Forbidden
from contracts.vocabulary import Role
from evidence.signatures import LocalSigner
from infra.local.layout import REPOSITORY
from tests import platform, two_sites
from tests.platform import Server
from tests.services import DatabaseServer
from tests.stand_ins import MemoryQueues, MemoryWorkflows
from tests.two_sites import MARK

ANA, NOBODY, ALL = frozenset({"nordmarsch"}), frozenset({"nowhere"}), None
ROLES = list(Role) if os.environ.get("KESTREL_EVERY_ROLE") else [Role.VIEWER, Role.ADMIN]
"""The least and the most that roles may read; the others lie between."""
GIVEN = {
    "part": "crop",
    "part:picture": "crop",
    "index": "0",
    "version": "1",
    "scope": "asset",
    "path": "app.css",
    "build": "0",
    "view": "findings",
    "form": "csv",
    "token": "no.token",
}
"""What paths ask for besides names of things."""
ASKED = {
    "/v1/coverage": "?flight_id={flight_id}",
    "/v1/first-looks": "?flight_id={flight_id}",
    "/v1/remote-id/flights": "?view=54.77,8.85,54.79,8.87",
    "/v1/routes/{plan_id}/{version}": "?format=geojson",
    "/v1/flights/{flight_id}/report": "?format=csv",
    "/plan/sketch": "?asset={asset_id}",
    "/v1/events": "?seconds=1",
    "/v1/drones/{drone_id}/telemetry/stream": "?seconds=1",
}
DRAWN_NOW = {"/fragments/flights/{flight_id}/timeline", "/assets/{asset_id}", "/flights/{flight_id}"}
"""Pages that say how long ago something was, or beside their own matter how much waits on all of one's sites."""
OVER_ALL = {"/insights/{view}.{form}"}
"""Routes that ask for something, and list what is on all of one's sites."""
SAME_FOR_ALL = {
    "/v1/me", "/healthz", "/readyz", "/oidc/jwks", "/oidc/.well-known/openid-configuration", "/v1/asyncapi.json",
    "/v1/sensorthings/v1.1", "/v1/policies", "/v1/policies/{before}/diff/{after}",
    "/settings/policies/effect", "/v1/due-rules", "/v1/keys",
    "/v1/keys/{key_id}", "/login", "/static/{path:path}", "/favicon.ico",
    "/v1/assistant/proposals", "/v1/repairs/crews", "/v1/repairs/parts", "/v1/detectors",
    "/crew/worker.js", "/crew/{token}", "/crew/{token}/picture",
}  # fmt: skip
"""Routes that tell of no site: the platform itself, its people's roles, what the asker wrote himself."""
STREAMED = {"/v1/events", "/v1/drones/{drone_id}/telemetry/stream", "/live"}
"""Streams have tests of their own, below."""


class Matrix(NamedTuple):
    """The platform with two sites that hold the same, and what their things are called."""

    services: Services
    http: httpx.Client
    seen: dict[str, str]
    hidden: dict[str, str]

    def get(self, path: str, sites: frozenset[str] | None, *roles: Role) -> httpx.Response:
        assert self.services.issuer
        token = self.services.issuer.mint("ana", frozenset(roles or {Role.ADMIN}), sites=sites)
        return self.http.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def matrix(postgres_server: DatabaseServer) -> Iterator[Matrix]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        with built.database.session() as session:
            seen, hidden = two_sites.fill(session)
        key = LocalSigner(Ed25519PrivateKey.generate(), "evidence-1")
        built = dataclasses.replace(
            built, objects=seen.objects, routes=seen.routes, evidence_signer=key, queues=MemoryQueues(),
            workflows=MemoryWorkflows(),
        )  # fmt: skip
        with Server(built) as server, server.client() as http:
            yield Matrix(built, http, seen.names, hidden.names)
        built.database.close()


def read_routes() -> list[str]:
    """Return every path that answers GET, documented or a page's."""
    routes = [route for router in ROUTERS for route in router.routes]
    return sorted({str(getattr(route, "path", "")) for route in routes if "GET" in getattr(route, "methods", ())})


def address(path: str, names: dict[str, str]) -> str:
    """Return a path about the things of one site; KeyError for a new kind of thing that nobody has put here."""
    known = names | GIVEN | {
        "capture_id": names["flight_id"], "subject:path": names["asset_id"], "before": "a", "after": "b",
        "datastream_id": f"{names['drone_id']}.battery_percent", "path:path": "0/icon.svg", "key_id": "key-0",
        "earlier_id": names["evidence_id"], "later_id": names["evidence_id"], "layer": "crop",
    }  # fmt: skip
    return re.sub(r"\{([^}]+)\}", lambda match: known[match.group(1)], path + ASKED.get(path, ""))


def told(answer: httpx.Response, *asked: str) -> str:
    """Return what an answer says, without the names that the question held and what differs every time."""
    said = f"{answer.status_code} {answer.text}"
    for name in sorted(asked, key=len, reverse=True):
        said = said.replace(name, "")
    said = re.sub(r'badge nums">\d+', "", said)  # how much waits, of all the sites that one sees
    return re.sub(r'"(timestamp|request_id|last_seen_age_s)":("[^"]*"|[\d.]+|\{[^}]*\})', "", said)


@pytest.mark.parametrize("path", [path for path in read_routes() if path not in STREAMED])
def test_no_route_tells_of_another_site(matrix: Matrix, path: str) -> None:
    """The oracle: asked about the hidden site, one who sees the other site hears what one of no site hears."""
    hidden, asked = address(path, matrix.hidden), tuple(matrix.hidden.values())
    about_nothing = told(matrix.get(hidden, NOBODY), *asked)
    everything = matrix.get(hidden, ALL)
    assert everything.status_code < 500, everything.text
    assert (told(everything, *asked) != about_nothing) == (path not in SAME_FOR_ALL), "the matrix has data to hide"
    for role in ROLES:
        answer = matrix.get(hidden, ANA, role)
        assert answer.status_code < 500
        said = told(answer, *asked)
        assert MARK.lower() not in said.lower()
        assert not re.search(r"-66\d{6}", said), "an id of the hidden site"
        if path not in OVER_ALL and "{" in path + ASKED.get(path, "") and answer.status_code != 403:
            assert said == about_nothing


@pytest.mark.parametrize("path", [path for path in read_routes() if "{" in path and path not in STREAMED | OVER_ALL])
def test_ones_own_site_is_seen_whole(matrix: Matrix, path: str) -> None:
    own = address(path, matrix.seen)
    answers = [told(matrix.get(own, sites)) for sites in (ANA, ALL)]
    if path in DRAWN_NOW:
        answers = [re.sub(r"\d", "", answer) for answer in answers]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("table", sorted(set(Base.metadata.tables) - OPEN))
def test_no_table_shows_or_takes_a_row_of_another_site(matrix: Matrix, table: str) -> None:
    """A table that comes later stands in the rules of ``cloud.row_security`` or shows nothing at all."""
    count = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name from the code
    found = {}
    for name, sites in (("ana", ANA), ("bert", frozenset({"ravenscar"})), ("cid", NOBODY), ("dora", ALL)):
        with matrix.services.database.session_of(Principal(name, frozenset(), "token", sites)) as session:
            found[name] = session.scalar(text(count)) or 0
    assert found["dora"] >= 2, "both sites have rows"
    if table in {"dead_letters", "audit", "api_activity"}:  # whatever came in: it may be about anyone
        assert found["ana"] < found["dora"]
    else:
        assert 0 < found["ana"] < found["dora"]
        assert found["ana"] + found["bert"] == found["dora"]
    with matrix.services.database.session_of(Principal("cid", frozenset(), "token", NOBODY)) as session:
        assert session.execute(text(f"DELETE FROM {table}")).rowcount == 0  # type: ignore[attr-defined]  # noqa: S608
    assert found["cid"] == 0


def test_every_table_is_under_a_policy_that_holds_for_its_owner_too(matrix: Matrix) -> None:
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND {}"
    with matrix.services.database.session() as session:
        forced = set(session.scalars(text(query.format("relrowsecurity AND relforcerowsecurity"))))
        free = set(session.scalars(text(query.format("NOT (relrowsecurity AND relforcerowsecurity)"))))
    assert forced == set(Base.metadata.tables) - OPEN - COPIED
    assert free == OPEN | COPIED | {"alembic_version"}


def test_views_of_the_analysts_are_not_for_askers(matrix: Matrix) -> None:
    """They show what their owner sees: the schema is granted to people who may see every site."""
    for view in views.VIEWS:
        asker = Principal("ana", frozenset(), "token", ANA)
        with pytest.raises(Forbidden), matrix.services.database.session_of(asker) as session:
            session.execute(text(f"SELECT count(*) FROM kestrel_v1.{view}"))  # noqa: S608 - a name from the code


def _arguments(tool: str, matrix: Matrix) -> list[dict[str, Any]]:
    """Return arguments that a tool takes: what it must have, and each word of each of its fields that has few."""
    flights = [matrix.seen["flight_id"], matrix.hidden["flight_id"]]
    needs: dict[str, dict[str, Any]] = {"frames": {"numbers": [1, 2]}, "telemetry": {"flight_ids": flights}}
    least = needs.get(tool, {})
    tried = [least]
    shape = TOOLS[tool].parameters.model_json_schema()
    for name, field in shape["properties"].items():
        kinds = [shape["$defs"][o["$ref"].rpartition("/")[2]] for o in (field, *field.get("anyOf", ())) if "$ref" in o]
        tried += [least | {name: word} for kind in (field, *kinds) for word in kind.get("enum", ())]
    return tried


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_no_tool_of_the_assistant_or_of_mcp_tells_of_another_site(matrix: Matrix, tool: str) -> None:
    heard: dict[str, str] = {}
    for name, sites in (("ana", ANA), ("dora", ALL)):
        said = []
        for arguments in _arguments(tool, matrix):
            principal = Principal(name, frozenset({Role.VIEWER}), "token", sites)
            with matrix.services.database.session_of(principal) as session:
                asker = Asker(session, principal, datetime.now(UTC), ZoneInfo("UTC"))
                declarations.begin(asker)
                try:
                    said += [row.model_dump_json() for row in declarations.run(asker, "E1", tool, arguments)]
                except ValidationError:
                    continue  # it needs more than one field
        heard[name] = " ".join(said)
    assert not re.search(rf"{MARK}|-66\d{{6}}", heard["ana"], re.IGNORECASE)
    of_no_site = {"policy", "aggregate", "rank", "join", "difference", "chart", "map"}
    assert (heard["dora"] != heard["ana"]) == (tool not in of_no_site)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/drones/{drone_id}/telemetry/stream"])
def test_no_stream_tells_of_another_site(matrix: Matrix, path: str) -> None:
    behind = {"/v1/events": "0-0"}.get(path, "2026-01-01T00:00:00+00:00")
    for sites, leaks in ((ANA, False), (ALL, True), (ANA, False)):  # again: nothing that was read for all is told
        assert matrix.services.issuer
        token = matrix.services.issuer.mint("ana", frozenset({Role.VIEWER}), sites=sites)
        headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": behind}
        answer = matrix.http.get(address(path, matrix.hidden), headers=headers)
        data = [line for line in answer.text.splitlines() if line.startswith("data:")]
        if sites is ANA and "{" in path:
            assert answer.status_code == 404
        assert any(re.search(r"-66\d{6}|battery", line) for line in data) == leaks


def test_a_page_is_told_of_its_own_site_only(matrix: Matrix) -> None:
    hub = Hub(matrix.services.database)
    asker = Principal("ana", frozenset({Role.VIEWER}), "session", ANA)
    names = {"flight": "flight_id", "command": "command_id", "media": "segment_id", "finding": "finding_id",
             "drone": "drone_id", "telemetry": "drone_id", "report": "flight_id"}  # fmt: skip
    assert set(names) == set(changes.SUBJECTS) - {"ticket"}
    for kind, name in names.items():
        own, other = (Change.model_validate({"kind": kind, "id": n[name]}) for n in (matrix.seen, matrix.hidden))
        assert hub.shown(asker, [own])
        assert hub.shown(asker, [other]) == []
        assert hub.shown(dataclasses.replace(asker, sites=None), [other])


def test_a_webhook_hears_of_the_sites_of_whoever_added_it(matrix: Matrix) -> None:
    def post(url: str, headers: dict[str, str], body: bytes) -> Answer:
        raise AssertionError("nothing is sent here")

    courier = Courier(matrix.services.database, post)
    courier._tell()
    with matrix.services.database.session() as session:
        told_of = session.execute(select(Delivery.webhook_id, Delivery.body).where(Delivery.state == "pending")).all()
    assert told_of
    for webhook_id, body in told_of:
        mine, other = (n["finding_id"] for n in _by_webhook(matrix, webhook_id))
        assert mine in body
        assert other not in body


def _by_webhook(matrix: Matrix, webhook_id: str) -> tuple[dict[str, str], dict[str, str]]:
    both = (matrix.seen, matrix.hidden)
    return both if webhook_id == matrix.seen["webhook_id"] else (both[1], both[0])


def test_nothing_is_written_to_another_site(matrix: Matrix) -> None:
    asker = Principal("ana", frozenset(), "token", ANA)
    with pytest.raises(Forbidden), matrix.services.database.session_of(asker) as session:
        session.add(Site(site_id="new", name="New", home_lat_deg=1.0, home_lon_deg=1.0, home_alt_m=1.0))


def test_the_limit_ends_with_its_transaction(matrix: Matrix) -> None:
    limited = Principal("ana", frozenset(), "token", ANA)
    with matrix.services.database.session_of(limited) as session, session.begin_nested():
        assert session.scalar(text("SELECT current_user")) == ROLE
    with matrix.services.database.session() as session:
        assert session.scalar(text("SELECT current_user")) != ROLE


def test_it_holds_where_the_owner_is_no_superuser(postgres_server: DatabaseServer) -> None:
    """As on RDS: an owner who may make roles and is under the policies like everybody."""
    with postgres_server.database(migrated=False) as url:
        owner = make_url(url).set(username="plain_owner", password="plain")
        _run(url, "CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD 'plain'",
             f"ALTER DATABASE {owner.database} OWNER TO plain_owner", "DROP ROLE IF EXISTS spare",
             f"GRANT {ROLE} TO plain_owner WITH ADMIN OPTION", "ALTER SCHEMA public OWNER TO plain_owner")  # fmt: skip
        database = Database(owner.render_as_string(hide_password=False))
        try:
            schema.migrate(database)
            with database.session() as session:
                seen, _ = two_sites.fill(session)
            with database.session_of(Principal("ana", frozenset(), "token", ANA)) as session:
                assert session.scalars(select(Site.site_id)).all() == [seen.names["site_id"]]
        finally:
            database.close()
            _run(url, "REASSIGN OWNED BY plain_owner TO CURRENT_USER", "DROP OWNED BY plain_owner",
                 "DROP ROLE plain_owner")  # fmt: skip


def _run(url: str, *statements: str) -> None:
    connection = psycopg2.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def test_a_request_opens_no_session_that_sees_everything() -> None:
    """What serves requests opens ``session_of`` an asker; the exceptions find out who asks, or sign in."""
    allowed = {"requests.py": 1, "security.py": 2, "mcp/stdio.py": 1}
    cloud = REPOSITORY / "cloud"
    served = [cloud / "requests.py", cloud / "security.py"]
    served += [path for part in ("api", "web", "mcp") for path in (cloud / part).rglob("*.py")]
    counted = {str(p.relative_to(cloud)): len(re.findall(r"\.session\(\)", p.read_text())) for p in served}
    assert {name: count for name, count in counted.items() if count} == allowed
