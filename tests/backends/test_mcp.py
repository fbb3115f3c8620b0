"""MCP with the SDK's own client: every tool over HTTP and stdio, with the rights of the token and no others."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from cloud.assistant.tools.declarations import TOOLS
from cloud.mcp.memory import MAX_STEPS, Memory
from cloud.security import Principal
from contracts.vocabulary import DefectKind, Role
from infra.local.layout import REPOSITORY
from tests.platform import Server, build
from tests.scenes import seed_history

pytestmark = pytest.mark.backends

NOW = datetime.now(UTC)
SECRETS = ("S-01", "South Ridge", "Osprey", "000099990001", "9000.0")
PERIOD = {
    "start": (NOW - timedelta(days=30)).isoformat(), "end": (NOW + timedelta(minutes=5)).isoformat(),
    "asked": "x", "says": "lately", "zone": "UTC",
}  # fmt: skip
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("count_findings", {"group_by": "asset"}),
    ("count_findings", {"group_by": "asset", "kinds": ["crack"]}),
    ("findings", {"limit": 20, "numbers": list(range(1, 21))}),
    ("findings", {"limit": 50}),
    ("measure_findings", {"statistic": "max", "group_by": "site"}),
    ("frames", {"numbers": list(range(1, 21))}),
    ("coverage", {"period": PERIOD}),
    ("flights", {"limit": 50}),
    ("telemetry", {"period": PERIOD}),
    ("tickets", {"limit": 50}),
    ("sites", {}),
    ("assets", {}),
    ("drones", {}),
    ("policy", {"kinds": ["crack"]}),
    ("aggregate", {"source": "#E1", "statistic": "sum", "column": "total"}),
    ("rank", {"source": "#E1", "by": "total"}),
    ("join", {"left": "#E1", "right": "#E2", "on": "group"}),
    ("difference", {"left": "#E1", "right": "#E2"}),
    ("chart", {"source": "#E1"}),
    ("map", {"source": "#E3"}),
    ("ask", {"question": "What are the 5 largest cracks?"}),
]


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    services = build(database_url)
    with services.database.session() as session:
        world = seed_history(session, NOW)
        world.user("ana", "x", ["viewer"])
        world.site("south", "South Ridge")
        asset = world.asset("S-01", 900.0, 500.0, site_id="south")
        flight = world.flight(asset, world.drone("Osprey 1", site_id="south"), NOW - timedelta(days=2))
        finding = world.finding(flight, DefectKind.CRACK, rank=5, length_mm=9000.0, at=NOW - timedelta(days=2))
        world.evidence(finding, world.segment(flight, 0, NOW - timedelta(days=2)))
        world.ticket(finding, number="000099990001")
        world.coverage(flight, {})
    made = Server(services)
    made.config = uvicorn.Config(made.config.app, host="127.0.0.1", port=0, log_config=None, lifespan="on")
    with made:
        yield made
    services.database.close()


def token(server: Server, *, sites: frozenset[str] | None = None, roles: frozenset[Role] | None = None) -> str:
    assert server.services.issuer
    return server.services.issuer.mint("ana", roles if roles is not None else frozenset({Role.VIEWER}), sites=sites)


@asynccontextmanager
async def connected(server: Server, bearer: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
        async with Client(transport) as client:
            yield client


async def everything(client: Client) -> tuple[set[str], dict[str, list[str]]]:
    listed = {tool.name for tool in (await client.list_tools()).tools}
    said: dict[str, list[str]] = {}
    for name, arguments in CALLS:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, (name, result.content)
        said.setdefault(name, []).append(str(result.structured_content))
    return listed, said


def test_the_sdks_client_lists_and_calls_every_tool(server: Server) -> None:
    async def act() -> None:
        async with connected(server, token(server)) as client:
            listed, said = await everything(client)
            assert listed == {*TOOLS, "ask"} == set(said)
            tools = (await client.list_tools()).tools
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            text = str(said)
            assert all(secret in text for secret in SECRETS)

    anyio.run(act)


def test_a_viewer_of_one_site_sees_no_row_of_another_through_any_tool_or_resource(server: Server) -> None:
    async def act() -> None:
        async with connected(server, token(server, sites=frozenset({"nordmarsch"}))) as client:
            _, said = await everything(client)
            for resource in (await client.list_resources()).resources:
                said[str(resource.uri)] = [str(await client.read_resource(resource.uri))]
            for name, texts in said.items():
                assert not [secret for secret in SECRETS if secret in str(texts)], name

    anyio.run(act)


def test_a_finding_is_a_resource(server: Server) -> None:
    async def act() -> None:
        async with connected(server, token(server)) as client:
            read = await client.read_resource("kestrel://findings/F-1")
            assert '"label": "F-1"' in str(read.contents[0])

    anyio.run(act)


def test_what_a_tool_cannot_do_is_an_error_the_model_can_read(server: Server) -> None:
    async def act() -> None:
        async with connected(server, token(server)) as client:
            for name, arguments, why in (
                ("findings", {"sql": "DROP TABLE findings"}, "sql"),
                ("delete_findings", {}, "no tool"),
                ("rank", {"source": "#E99", "by": "total"}, "no earlier step"),
            ):
                result = await client.call_tool(name, arguments)
                assert result.is_error
                assert why in str(result.content)

    anyio.run(act)


@pytest.mark.parametrize("bearer", ["", "Bearer nonsense", "Basic YTpi", "Bearer kst_key"])
def test_without_a_token_of_the_platform_there_is_nothing(server: Server, bearer: str) -> None:
    headers = {"Authorization": bearer} if bearer else {}
    answer = httpx.post(f"{server.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert answer.status_code == 401
    assert "/.well-known/oauth-protected-resource/mcp" in answer.headers["www-authenticate"]


def test_a_token_for_another_scope_is_refused(server: Server) -> None:
    import jwt  # noqa: PLC0415 - only here

    assert server.services.issuer
    held = jwt.decode(token(server), options={"verify_signature": False})
    other = jwt.encode({**held, "scope": "flights:read"}, server.services.issuer._key, algorithm="ES256",
                       headers={"kid": server.services.issuer.key_id})  # fmt: skip
    answer = httpx.post(f"{server.url}/mcp", json={}, headers={"Authorization": f"Bearer {other}"})
    assert answer.status_code == 403


def test_the_authorization_server_is_told(server: Server) -> None:
    told = httpx.get(f"{server.url}/.well-known/oauth-protected-resource/mcp").json()
    assert told["authorization_servers"] == [server.services.settings.issuer]
    assert told["scopes_supported"] == ["kestrel:read"]


def test_a_token_without_a_role_reads_nothing(server: Server) -> None:
    async def act() -> None:
        async with connected(server, token(server, roles=frozenset())) as client:
            result = await client.call_tool("sites", {})
            assert result.is_error
            assert "may not read" in str(result.content)

    anyio.run(act)


def test_stdio_serves_the_rights_of_one_user(server: Server, database_url: str) -> None:
    env = {"CLOUD_DATABASE_URL": database_url, "PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-central-1",
           "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}  # fmt: skip
    program = StdioServerParameters(command=sys.executable, args=["-m", "cloud", "mcp", "--user", "ana"], env=env,
                                    cwd=REPOSITORY)  # fmt: skip

    async def act() -> None:
        async with Client(stdio_client(program)) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {*TOOLS, "ask"}
            found = await client.call_tool("sites", {})
            assert "South Ridge" in str(found.structured_content)

    anyio.run(act)


def test_memory_is_bounded_and_other_rights_are_another_asker() -> None:
    memory = Memory()
    ana = Principal("ana", frozenset({Role.VIEWER}), "token", frozenset({"north"}))
    more = Principal("ana", frozenset({Role.VIEWER}), "token", None)
    for _ in range(120):
        memory.keep(ana, memory.next_id(ana), ())
    assert len(memory.of(ana)) == MAX_STEPS
    assert memory.of(more) == {}
    assert memory.next_id(more) == "E1"
