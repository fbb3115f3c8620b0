"""One stream of events per open page: Postgres NOTIFY in, Server-Sent Events out."""

from __future__ import annotations

import asyncio
import json
import select
import threading
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import psycopg2
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from cloud.changes import concerns
from cloud.db import LIVE_CHANNEL, Database, LiveKind
from cloud.logbook import log
from cloud.security import Principal, Reader
from cloud.services import of as services
from cloud.web.mapping import last_samples
from contracts.errors import PlatformError

router = APIRouter(include_in_schema=False)

HEARTBEAT_S = 10.0
"""An event and no comment, which a page would not hear: it takes a stream that is silent for longer as lost."""
RETRY_MS = 2000
_QUEUE = 200
"""Events a slow page may lag behind; then it is told to fetch everything anew."""
_POLL_S = 1.0

Event = tuple[str, dict[str, Any]]


class Change(BaseModel):
    """What a writer notifies of."""

    kind: LiveKind
    id: str


class Page(NamedTuple):
    """Who listens, in which loop, and whether they draw drones."""

    loop: asyncio.AbstractEventLoop
    asker: Principal
    telemetry: bool


class Hub:
    """Listens once per process while any page is open and hands events to each page's queue."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._pages: dict[asyncio.Queue[Event], Page] = {}
        self._thread: threading.Thread | None = None
        self._hears = False

    def join(self, asker: Principal, *, telemetry: bool) -> asyncio.Queue[Event]:
        """Return the queue of a new page of ``asker``; the first page starts the listener.

        The page is told once, as soon as changes are heard, to fetch what changed since it was drawn.
        """
        queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)
        with self._lock:
            if self._hears:
                queue.put_nowait(("resync", {}))
            self._pages[queue] = Page(asyncio.get_running_loop(), asker, telemetry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="live", daemon=True)
                self._thread.start()
        return queue

    def leave(self, queue: asyncio.Queue[Event]) -> None:
        """Forget a page; the listener ends when the last has left."""
        with self._lock:
            self._pages.pop(queue, None)

    def _wanted(self) -> bool:
        with self._lock:
            mine = self._thread is threading.current_thread()
            if mine and not self._pages:
                self._thread, self._hears = None, False
            return mine and bool(self._pages)

    def _listen(self) -> None:
        while self._wanted():
            try:
                self._listen_once()
            except (psycopg2.Error, PlatformError, OSError) as error:
                log("live_listener_lost", reason=str(error))
                self._hears = False
                self._tell("resync", {})
                threading.Event().wait(_POLL_S)

    def _listen_once(self) -> None:
        connection = psycopg2.connect(self._database.driver_url(), connect_timeout=5)
        try:
            connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {LIVE_CHANNEL}")
            self._hears = True
            self._tell("resync", {})
            while self._wanted():
                if select.select([connection], [], [], _POLL_S)[0]:
                    connection.poll()
                    told = [notice.payload for notice in connection.notifies]
                    connection.notifies.clear()
                    self._forward(told)
        finally:
            connection.close()

    def _forward(self, payloads: list[str]) -> None:
        """Send each change once; telemetry carries the newest samples, those of all drones read together."""
        changes = [change for payload in dict.fromkeys(payloads) if (change := _understood(payload))]
        with self._lock:
            pages = list(self._pages.values())
        askers = {page.asker.sites: page.asker for page in pages}
        drawing = {page.asker.sites for page in pages if page.telemetry}
        for sites, asker in askers.items():
            for kind, data in self.shown(asker, changes, telemetry=sites in drawing):
                self._tell(kind, data, asker)

    def shown(self, asker: Principal, changes: list[Change], *, telemetry: bool = True) -> list[Event]:
        """Return what an asker is told of changes: nothing of those that are none of theirs."""
        wanted = [change for change in changes if telemetry or change.kind != "telemetry"]
        heard = [change.id for change in wanted if change.kind == "telemetry"]
        if not heard and asker.sites is None:
            return [(change.kind, change.model_dump()) for change in wanted]
        with self._database.session_of(asker) as session:
            samples = last_samples(session, heard)
            told = [(c.kind, samples.get(c.id) if c.kind == "telemetry" else _own(session, asker, c)) for c in wanted]
        return [(kind, data) for kind, data in told if data]

    def _tell(self, kind: str, data: dict[str, Any], only: Principal | None = None) -> None:
        """Tell every page, or those of askers with the sites of ``only``; of telemetry those that draw it."""
        with self._lock:
            pages = list(self._pages.items())
        for queue, page in pages:
            if (only is None or page.asker.sites == only.sites) and (page.telemetry or kind != "telemetry"):
                page.loop.call_soon_threadsafe(_put, queue, (kind, data))


def _own(session: Session, asker: Principal, change: Change) -> dict[str, Any] | None:
    """Return a change as it is told, None when it is none of the asker's sites."""
    return change.model_dump() if asker.sites is None or concerns(session, change.kind, change.id) else None


def _understood(payload: str) -> Change | None:
    try:
        return Change.model_validate_json(payload)
    except ValidationError:
        log("live_notice_not_understood", payload=payload[:200])
        return None


def _put(queue: asyncio.Queue[Event], event: Event) -> None:
    """Add an event; a full queue is emptied and the page told to start over."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        event = ("resync", {})
    queue.put_nowait(event)


def _hub(request: Request) -> Hub:
    state = request.app.state
    if getattr(state, "live_hub", None) is None:
        state.live_hub = Hub(services(request).database)
    hub: Hub = state.live_hub
    return hub


@router.get("/live")
async def live(request: Request, principal: Reader, telemetry: bool = True) -> StreamingResponse:
    """Stream changes: ``telemetry`` with a sample where it is wanted, others with an id, ``resync`` after a gap."""
    hub = _hub(request)
    queue = hub.join(principal, telemetry=telemetry)

    async def frames() -> AsyncIterator[str]:
        try:
            yield f"retry: {RETRY_MS}\n\n"
            while True:
                try:
                    kind, data = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                    yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
                except TimeoutError:
                    yield "event: here\ndata: {}\n\n"
        finally:
            hub.leave(queue)

    return StreamingResponse(frames(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
