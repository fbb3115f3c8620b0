"""/v1/events and /v1/drones/{id}/telemetry/stream: Server-Sent Events that resume where a connection broke off.

The database is the queue: a stream holds one page of it in memory at most, whatever its reader does. A reader too
slow for what happens is told so in a comment and dropped; it comes back with the last id it has seen.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from cloud import changes, fleet, telemetry
from cloud.api.telemetry import SampleOut
from cloud.changes import Position
from cloud.problems import RESPONSES
from cloud.requests import Svc
from cloud.security import Principal, Reader
from cloud.services import Services
from cloud.tables import Change
from contracts.errors import InvalidInput

router = APIRouter(prefix="/v1", tags=["streams"], responses=RESPONSES)

Kind = Literal["flight", "command", "media", "finding", "ticket", "drone", "report"]
Since = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64, description="the last `id` you have seen")]
Seconds = Annotated[int, Query(ge=1, le=3600, description="the stream ends after this; reconnect to go on")]
_PAGE = 100
_SAMPLES = 50
_POLL_S = 0.25
_HEARTBEAT_S = 10.0
_TOO_FAR_BEHIND = 10_000
_SLOW_S = 30.0
_DROPPED = ": dropped: too slow; reconnect with Last-Event-ID\n\n"
_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
Event = tuple[str, str, str]
"""Its id, its name, its data."""
Fetch = Callable[[], Awaitable[list[Event]]]


@router.get("/events", response_class=StreamingResponse, responses=_STREAM)
def stream_events(
    request: Request,
    services: Svc,
    principal: Reader,
    kinds: Annotated[list[Kind] | None, Query(max_length=7, description="default: all")] = None,
    last_event_id: Since = None,
    seconds: Seconds = 3600,
) -> StreamingResponse:
    """Stream changes of flights, commands, media, findings, tickets, drones and final reports, in order.

    With ``Last-Event-ID`` it goes on behind that event (changes are kept for a week), without it begins now.
    """
    with services.database.session_of(principal) as session:
        position = changes.parse(last_event_id) if last_event_id else changes.newest(session)
    reader = _Changes(services, principal, position, frozenset(kinds or ()))
    return _streaming(request, reader.fetch, reader.behind, seconds)


@router.get("/drones/{drone_id}/telemetry/stream", response_class=StreamingResponse, responses=_STREAM)
def stream_telemetry(
    drone_id: str,
    request: Request,
    services: Svc,
    principal: Reader,
    last_event_id: Since = None,
    seconds: Seconds = 3600,
) -> StreamingResponse:
    """Stream a drone's samples, thinned to what a reader can show; with ``Last-Event-ID`` those since."""
    now = datetime.now(UTC)
    since = _moment(last_event_id) if last_event_id else now
    with services.database.session_of(principal) as session:
        fleet.drone(session, drone_id)
    reader = _Samples(services, principal, drone_id, max(since, now - timedelta(hours=1)))
    return _streaming(request, reader.fetch, lambda: 0, seconds)


class _Changes:
    """Reads changes page by page; of streams at the same place, whose askers see the same, one reads for all."""

    def __init__(self, services: Services, principal: Principal, position: Position, kinds: frozenset[str]) -> None:
        self._services = services
        self._principal = principal
        self._position = position
        self._kinds = kinds
        self._sees = None if principal.sites is None else (principal.username, principal.sites)

    async def fetch(self) -> list[Event]:
        pulse = self._services.pulse
        newest = pulse.known(_POLL_S)
        if newest is None:
            newest = await run_in_threadpool(pulse.newest, self._services.database, _POLL_S)
        if newest <= self._position:
            return []
        place = (self._sees, self._position, newest)
        return self._passed(await self._services.pages.get(place, lambda: run_in_threadpool(self._page)), newest)

    def _page(self) -> Sequence[Change]:
        with self._services.database.session_of(self._principal) as session:
            return changes.after(session, self._position, _PAGE)

    def _passed(self, found: Sequence[Change], newest: Position) -> list[Event]:
        """Return a page as events; when it is the last, what this asker may not see up to ``newest`` is passed."""
        last = Position(found[-1].xact, found[-1].id) if found else self._position
        self._position = last if len(found) == _PAGE else max(last, newest)
        return [
            (
                str(Position(change.xact, change.id)),
                f"{change.kind}.changed",
                json.dumps({"kind": change.kind, "id": change.object_id, "at": change.at.isoformat()}),
            )
            for change in found
            if not self._kinds or change.kind in self._kinds
        ]

    def behind(self) -> int:
        with self._services.database.session_of(self._principal) as session:
            return changes.waiting(session, self._position)


class _Samples:
    """Reads samples since the last one."""

    def __init__(self, services: Services, principal: Principal, drone_id: str, since: datetime) -> None:
        self._services = services
        self._principal = principal
        self._drone_id = drone_id
        self._since = since

    async def fetch(self) -> list[Event]:
        return await run_in_threadpool(self._page)

    def _page(self) -> list[Event]:
        until = datetime.now(UTC) + timedelta(minutes=1)
        begin = self._since + timedelta(microseconds=1)
        with self._services.database.session_of(self._principal) as session:
            rows = telemetry.of_drone(session, self._services.objects, self._drone_id, begin, until, _SAMPLES)
        shown = [SampleOut.model_validate(row) for row in rows]
        if shown:
            self._since = shown[-1].captured_at
        return [(sample.captured_at.isoformat(), "telemetry", sample.model_dump_json()) for sample in shown]


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - refused below: it has no zone
    if moment.tzinfo is None:
        raise InvalidInput("This is not the id of a sample.", hint="Leave it out to begin now.", field="Last-Event-ID")
    return moment


def _streaming(request: Request, fetch: Fetch, behind: Callable[[], int], seconds: int) -> StreamingResponse:
    frames = _frames(request, fetch, behind, seconds)
    return StreamingResponse(frames, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _frames(request: Request, fetch: Fetch, behind: Callable[[], int], seconds: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    ends_s = time.monotonic() + seconds
    spoke_s = time.monotonic()
    while time.monotonic() < ends_s and not await request.is_disconnected():
        found = await fetch()
        for number, name, data in found:
            began_s = time.monotonic()
            yield f"id: {number}\nevent: {name}\ndata: {data}\n\n"
            spoke_s = time.monotonic()
            if spoke_s - began_s > _SLOW_S:
                yield _DROPPED
                return
        if len(found) >= _PAGE and await run_in_threadpool(behind) > _TOO_FAR_BEHIND:
            yield _DROPPED
            return
        if not found:
            if time.monotonic() - spoke_s > _HEARTBEAT_S:
                spoke_s = time.monotonic()
                yield ": here\n\n"
            await asyncio.sleep(_POLL_S)
    yield ": the end; reconnect with Last-Event-ID\n\n"
