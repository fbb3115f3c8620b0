"""What scripts of the pages show straight from the API: in the reader's language where the page asks for that.

The API speaks English to programs. A page's script sends ``X-Kestrel-Page``, and in the JSON that comes back the
sentences for people (a problem's detail and hint, what a check says and how to mend it) are those of
`cloud.web.sentences`; codes, names and numbers stay what they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders

from cloud.web.advice import advice, told

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-kestrel-page"
_JSON = ("application/json", "application/problem+json")


def _happened(text: str) -> str:
    return told(text).text


def _to_do(text: str) -> str:
    return advice(text).text


_SAID: dict[str, Callable[[str], str]] = {
    "detail": _happened,
    "message": _happened,
    "sentence": _happened,
    "words": _happened,
    "hint": _to_do,
    "mend": _to_do,
}
"""The fields that hold sentences for people, wherever they stand, and how they are said."""


class InWords:
    """Middleware; outside of whatever answers with a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange."""
        asked = scope["type"] == "http" and HEADER in Headers(scope=scope)
        await self._app(scope, receive, _Rewriter(send) if asked else send)


class _Rewriter:
    """Holds a JSON answer until it is whole; a stream and everything else pass as they come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and Headers(scope=message).get("content-type", "").startswith(
            _JSON
        ):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = json.dumps(in_words(json.loads(self._body)), ensure_ascii=False).encode() if self._body else b""
        headers = MutableHeaders(scope=start)
        headers["content-length"] = str(len(body))
        del headers["etag"]  # names the English bytes
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def in_words(found: Any) -> Any:
    """Return a JSON value with its sentences in the reader's language."""
    if isinstance(found, list):
        return [in_words(item) for item in found]
    if not isinstance(found, dict):
        return found
    return {name: _field(name, value) for name, value in found.items()}


def _field(name: str, value: Any) -> Any:
    said = _SAID.get(name)
    return said(value) if said is not None and isinstance(value, str) else in_words(value)
