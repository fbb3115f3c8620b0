"""Counts who asks for what and how it ends, a minute at a time, for the rules that watch the API."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.dialects.postgresql import insert
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from cloud.db import Database
from cloud.keys import PREFIX
from cloud.logbook import log
from cloud.tables import ApiActivity
from contracts.errors import Unavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FLUSH_S = 10.0
_COUNTED = ("/v1/", "/oidc/", "/login", "/mcp")
_SIGN_IN = frozenset({"/login", "/oidc/token"})
_OUTCOMES = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 429: "limited"}
_Key = tuple[datetime, str, str]


class Census:
    """Middleware. Counts lie in memory for ``FLUSH_S`` at most while requests come, then in the database."""

    def __init__(self, app: ASGIApp, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._database = database
        self._clock = clock
        self._counts: Counter[_Key] = Counter()
        self._due_s = clock() + FLUSH_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one exchange, then count it."""
        if scope["type"] != "http" or not scope["path"].startswith(_COUNTED):
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"])
            await send(message)

        await self._app(scope, receive, counted)
        if self._counts and self._clock() >= self._due_s:
            self._due_s = self._clock() + FLUSH_S
            taken, self._counts = self._counts, Counter()
            await run_in_threadpool(self._store, taken)

    def _count(self, scope: Scope, status: int) -> None:
        outcome = _OUTCOMES.get(status, "answered")
        if outcome == "unauthenticated" and not _is_a_guess(scope):
            return  # a page or a script whose session ran out, and which asks on
        address = (scope.get("client") or ("",))[0]
        asker = scope["state"].get("asker", f"address {address}")
        self._counts[datetime.now(UTC).replace(second=0, microsecond=0), asker[:200], outcome] += 1

    def _store(self, counts: Counter[_Key]) -> None:
        rows = [
            {"minute": minute, "asker": asker, "outcome": outcome, "requests": count}
            for (minute, asker, outcome), count in sorted(counts.items())
        ]
        statement = insert(ApiActivity).values(rows)
        added = ApiActivity.requests + statement.excluded.requests
        try:
            with self._database.session() as session:
                session.execute(
                    statement.on_conflict_do_update(constraint="api_activity_pkey", set_={"requests": added})
                )
        except Unavailable as error:
            self._counts += counts
            log("census_waits", reason=str(error))


def _is_a_guess(scope: Scope) -> bool:
    given = Headers(scope=scope).get("authorization", "")
    return scope["path"] in _SIGN_IN or given.removeprefix("Bearer ").startswith(PREFIX)
