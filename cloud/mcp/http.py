"""MCP over streamable HTTP at ``/mcp``, with the API's bearer tokens, verified as the API does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from pydantic import AnyHttpUrl
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route

from cloud.mcp.server import build
from cloud.mcp.service import READ_SCOPE, ToolService
from cloud.security import Principal
from cloud.services import Services
from cloud.tokens import Verifier
from contracts.errors import NotAuthenticated, PlatformError
from contracts.vocabulary import Role

MAX_BODY_BYTES = 262_144


class Tokens:
    """The platform's verifier as MCP wants it. A token without a ``scope`` claim may read."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who holds the token; None for one that is forged, expired or for another audience."""
        try:
            claims = self._verifier.verify(token)
        except PlatformError:
            return None
        held = {"roles": sorted(claims.roles), "sites": None if claims.sites is None else sorted(claims.sites)}
        scopes = sorted(claims.scopes) if claims.scopes is not None else [READ_SCOPE]
        return AccessToken(token=token, client_id=claims.subject, subject=claims.subject, scopes=scopes, claims=held)


def asking() -> Principal:
    """Return who makes this MCP call.

    Raises:
        NotAuthenticated: Nobody that the transport has authenticated.

    """
    held = get_access_token()
    if held is None or held.claims is None:
        raise NotAuthenticated("This needs an access token.", hint="Send a bearer token.")
    sites = held.claims["sites"]
    roles = frozenset(Role(role) for role in held.claims["roles"])
    return Principal(str(held.subject), roles, "token", None if sites is None else frozenset(sites))


def install(app: FastAPI, services: Services, public_url: str) -> None:
    """Serve MCP beside the API. It is stateless: any process may answer any call.

    No browser can reach it by rebinding a name: it takes no cookie, only the Authorization header.
    """
    manager = StreamableHTTPSessionManager(
        build(ToolService(services), asking), json_response=True, stateless=True, max_request_body_size=MAX_BODY_BYTES
    )
    resource = AnyHttpUrl(f"{public_url}/mcp")
    guarded: Any = RequireAuthMiddleware(
        StreamableHTTPASGIApp(manager), [READ_SCOPE], build_resource_metadata_url(resource)
    )
    backend = BearerAuthBackend(Tokens(services.verifier))
    app.router.routes.append(
        Route("/mcp", endpoint=AuthenticationMiddleware(AuthContextMiddleware(guarded), backend=backend))
    )
    issuer = AnyHttpUrl(services.settings.issuer)
    app.router.routes.extend(create_protected_resource_routes(resource, [issuer], [READ_SCOPE], "Kestrel"))

    @asynccontextmanager
    async def running(_: Any) -> AsyncIterator[None]:
        async with manager.run():
            yield

    app.router.lifespan_context = running
