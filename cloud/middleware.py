"""What every HTTP exchange gets: a request id, security headers, a body limit."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from contracts.errors import InvalidInput, PlatformError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "geolocation=(), camera=(), microphone=()",
}
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON writes it; a backslash before it that is itself escaped makes it plain text."""
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


class Envelope:
    """Sets ``request.state.request_id`` (a sane X-Request-Id is kept) and the headers of every answer.

    The unexpected becomes a problem here, not in the framework's outermost layer, so that it has them too.
    """

    def __init__(self, app: ASGIApp, answer: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if started:
                raise
            await self._answer(Request(scope), error)(scope, receive, send_with_headers)


def _dress(headers: MutableHeaders, scope: Scope) -> None:
    headers["x-request-id"] = scope["state"]["request_id"]
    if (allowance := scope["state"].get("allowance")) is not None:
        allowance.show(headers)
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if scope["path"].startswith(("/v1/", "/oidc/token", "/login")):
        headers.setdefault("cache-control", "no-store")


def nul_in(scope: Scope, body: bytes) -> str | None:
    """Return which part of a request holds a NUL character, which Postgres keeps in no text; None when none does."""
    if b"%00" in scope.get("raw_path", b""):
        return "path"
    if b"%00" in scope["query_string"]:
        return "query"
    json = "json" in Headers(scope=scope).get("content-type", "json")
    return "body" if json and _NUL.search(body) else None


class BodyLimit:
    """Answers 413 to bodies over the limit, announced or streamed, without reading them whole; 422 to a NUL in them."""

    def __init__(self, app: ASGIApp, max_bytes: int, answer: Callable[[Request, PlatformError], Response]) -> None:
        self._app = app
        self._answer = answer
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(Headers(scope=scope).get("content-length", ""), receive)
        if body is None:
            error = TooLarge(f"The body is over {self._max_bytes} bytes.", hint="Send less per request.")
            await self._answer(Request(scope), error)(scope, receive, send)
            return
        if (field := nul_in(scope, body)) is not None:
            refused = InvalidInput(f"The {field} holds a NUL character.", hint="Leave it out.", field=field)
            await self._answer(Request(scope), refused)(scope, receive, send)
            return
        pending = [body]

        async def replay() -> Message:
            if pending:
                return {"type": "http.request", "body": pending.pop(), "more_body": False}
            return await receive()

        await self._app(scope, replay, send)

    async def _read(self, announced: str, receive: Receive) -> bytes | None:
        if announced.isdigit() and int(announced) > self._max_bytes:
            return None
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_bytes:
                return None
        return bytes(body)
