"""Counts and times every HTTP exchange for Prometheus, by route and never by path."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from instruments import metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNROUTED = "unrouted"


class Measured:
    """Middleware; the time runs to the first byte of the answer, so that streams do not count as slow."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _count(scope, message["status"], time.perf_counter() - began_s)
            await send(message)

        await self._app(scope, receive, counted)


def _count(scope: Scope, status: int, seconds: float) -> None:
    route: str = getattr(scope.get("route"), "path", _UNROUTED)
    area = "/".join(route.split("/")[:3])
    method = scope["method"] if route != _UNROUTED else "any"
    metrics.API_REQUESTS.labels(method=method, route=route, status=f"{status // 100}xx").inc()
    metrics.API_SECONDS.labels(area=area).observe(seconds)
