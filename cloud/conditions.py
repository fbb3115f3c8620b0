"""ETags: what a representation's version is, 304 for who has it already, 412 for who would overwrite unseen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from fastapi import Header
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders

from contracts.errors import PreconditionFailed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="the `ETag` you decided upon"),
]
REVALIDATE = "private, no-cache"
"""A browser may keep it and must ask each time whether it is still so."""


def etag_of(body: bytes | BaseModel) -> str:
    """Return the entity tag of a representation."""
    data = body if isinstance(body, bytes) else body.model_dump_json().encode()
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def named(header: str, etag: str) -> bool:
    """Return whether an If-Match or If-None-Match header names a tag (weak or strong), or any."""
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in tags or etag in tags


def check(if_match: str | None, present: BaseModel) -> None:
    """Let a change pass that was decided upon what is there now, or upon nothing.

    Raises:
        PreconditionFailed: Somebody changed it since the asker read it.

    """
    if if_match is not None and not named(if_match, etag_of(present)):
        raise PreconditionFailed(
            "It has changed since you read it.", hint="Read it again, then decide.", field="If-Match"
        )


class Conditional:
    """Gives each small JSON answer to a GET its ETag, and answers 304 where the asker has that one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Held(send, Headers(scope=scope).get("if-none-match", "")))


class _Held:
    """Holds back the head of a one-piece JSON answer until its body, and with it its tag, is known."""

    def __init__(self, send: Send, if_none_match: str) -> None:
        self._send = send
        self._if_none_match = if_none_match
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=message["headers"])
            if (
                message["status"] == 200
                and headers.get("content-type", "") == "application/json"
                and "content-length" in headers
            ):
                self._head = message
                return
        elif self._head is not None:
            head, self._head = self._head, None
            message = self._tagged(head, message)
            await self._send(head)
        await self._send(message)

    def _tagged(self, head: Message, body: Message) -> Message:
        headers = MutableHeaders(scope=head)
        etag = headers.get("etag") or etag_of(body.get("body", b""))
        headers["etag"] = etag
        headers.setdefault("cache-control", REVALIDATE)
        if not self._if_none_match or not named(self._if_none_match, etag):
            return body
        head["status"] = 304
        for name in ("content-length", "content-type"):
            del headers[name]
        return {"type": "http.response.body", "body": b"", "more_body": False}
