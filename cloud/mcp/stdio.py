"""MCP over standard input and output, for an assistant on this machine: the rights of one named user."""

from __future__ import annotations

import anyio
from mcp.server.stdio import stdio_server

from cloud.mcp.server import WhoAsks, build
from cloud.mcp.service import ToolService
from cloud.security import Principal
from cloud.services import Services
from cloud.users import rights_of


def serve(services: Services, username: str) -> None:
    """Serve until the other side closes; rights are read anew for every call.

    Raises:
        NotAuthenticated: There is no such active user.

    """

    def asking() -> Principal:
        with services.database.session() as session:
            rights = rights_of(session, username)
        return Principal(username, rights.roles, "token", rights.sites)

    asking()
    anyio.run(_serve, ToolService(services), asking)


async def _serve(service: ToolService, asking: WhoAsks) -> None:
    server = build(service, asking)
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())
