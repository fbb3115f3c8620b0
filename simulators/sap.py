"""A simulated SAP system: OData V2 services of plant maintenance, with their manners and their faults on demand."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import typer
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from contracts.errors import InvalidInput
from simulators import logbook
from simulators.process import Shutdown
from simulators.sap_answers import (
    ROOT,
    answer,
    entity,
    metadata,
    ordered_failure,
    page,
    plain_error,
    refusal,
    service_document,
)
from simulators.sap_attachments import ROOT as ATTACHMENTS_ROOT
from simulators.sap_attachments import AttachmentService
from simulators.sap_faults import FaultFile
from simulators.sap_fields import Wrong, check
from simulators.sap_orders import ROOT as ORDERS_ROOT
from simulators.sap_orders import OrderService
from simulators.sap_query import QueryRefused, parse_key, parse_query
from simulators.sap_session import COOKIE, Sessions, basic_user
from simulators.sap_store import PHASES, Notification, Store

_TOKEN: Final = "x-csrf-token"  # noqa: S105 - the header's name
_READS: Final = frozenset({"GET", "HEAD"})
_MOST_BYTES: Final = 1 << 20
_NO_USER: Final = {"www-authenticate": 'Basic realm="SAP NetWeaver Application Server [KES/100]"'}
SERVICES: Final = "/sap/opu/odata/"
_ENTITY: Final = "/MaintenanceNotification({predicate})"
Next = Callable[[Request], Awaitable[Response]]


class Gate:
    """What every request to the service passes: faults, user, CSRF token, format."""

    def __init__(self, faults: FaultFile, user: str, password: str) -> None:
        self._faults = faults
        self._user = user
        self._password = password
        self._sessions = Sessions()

    async def pass_through(self, request: Request, follow: Next) -> Response:
        """Let a request in, or answer it here."""
        if not request.url.path.startswith(SERVICES):
            return await follow(request)
        await asyncio.sleep(self._faults.read().delay_s)
        user = basic_user(request.headers.get("authorization", ""), self._user, self._password)
        if user is None:
            return plain_error(401, "Logon failed", _NO_USER)
        session, token = request.cookies.get(COOKIE), request.headers.get(_TOKEN, "")
        if request.method not in _READS and not self._sessions.accepts(session, token):
            return PlainTextResponse("CSRF token validation failed", 403, {_TOKEN: "Required"})
        if not _speaks_json(request):
            return plain_error(406, "Ask for application/json: this simulator has no Atom format")
        request.state.user = user
        response = await follow(request)
        if request.method in _READS and token.lower() == "fetch":
            made, token = self._sessions.open(session)
            response.headers[_TOKEN] = token
            response.set_cookie(COOKIE, made, httponly=True, path="/")
        return response


def _speaks_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    is_metadata = request.url.path.endswith("/$metadata")
    return is_metadata or "json" in accept or request.query_params.get("$format") == "json" or request.method == "HEAD"


class Service:
    """The operations on notifications."""

    def __init__(self, store: Store, faults: FaultFile) -> None:
        self._store = store
        self._faults = faults

    async def create(self, request: Request) -> Response:
        """POST: store a notification, or tunnel a MERGE."""
        if (failure := ordered_failure(self._faults)) is not None:
            return failure
        given = await _properties(request, creating=True)
        if isinstance(given, Response):
            return given
        made = await run_in_threadpool(self._store.create, given, request.state.user, _now_us())
        logbook.note("notification_created", number=made.number, reference=made.body["MaintNotifExtReferenceNumber"])
        if self._faults.take_loss():
            logbook.note("sap_fault", lost=made.number)
            return _lost()
        content = entity(made, _base(request))
        uri = f"{_base(request)}{ROOT}/MaintenanceNotification('{made.number}')"
        return answer(content, 201, {"location": uri, "etag": made.etag})

    async def search(self, request: Request) -> Response:
        """GET of the collection."""
        try:
            query = parse_query(request.query_params)
        except QueryRefused as error:
            return refusal(400, [Wrong("/IWBEP/CM_MGW_RT/021", str(error), "")])
        found, count = await run_in_threadpool(self._store.find, query.wanted, query.top, query.skip)
        content: dict[str, object] = {"results": [entity(n, _base(request), query.select) for n in found]}
        return answer(content | ({"__count": str(count)} if query.with_count else {}))

    async def read(self, request: Request, predicate: str) -> Response:
        """GET of one."""
        found = await self._find(predicate)
        if found is None:
            return _missing(predicate)
        try:
            query = parse_query(request.query_params)
        except QueryRefused as error:
            return refusal(400, [Wrong("/IWBEP/CM_MGW_RT/021", str(error), "")])
        return answer(entity(found, _base(request), query.select), headers={"etag": found.etag})

    async def change(self, request: Request, predicate: str) -> Response:
        """PATCH or MERGE of one, only against the version the caller has seen."""
        found = await self._find(predicate)
        if found is None:
            return _missing(predicate)
        etag = request.headers.get("if-match")
        if etag is None:
            return refusal(
                428, [Wrong("/IWBEP/CM_MGW_RT/055", "The data provider requires a precondition (If-Match)", "")]
            )
        given = await _properties(request, creating=False)
        if isinstance(given, Response):
            return given
        user = request.state.user
        changed = await run_in_threadpool(self._store.change, found.number, given, etag, _now_us(), user)
        if changed is None:
            return refusal(
                412, [Wrong("/IWBEP/CM_MGW_RT/056", "Precondition failed: the entity was changed meanwhile", "")]
            )
        return Response(status_code=204, headers={"etag": changed.etag})

    async def tunnel(self, request: Request, predicate: str) -> Response:
        """POST with ``X-HTTP-Method: MERGE`` (or PATCH), for callers that cannot send the method itself."""
        if request.headers.get("x-http-method", "").upper() in {"MERGE", "PATCH"}:
            return await self.change(request, predicate)
        return refusal(405, [Wrong("/IWFND/CM_MGW/096", "Method 'POST' is not allowed on an entity", "")])

    async def show(self, number: str) -> Response:
        """Return the page people see when they follow a ticket number."""
        found = await run_in_threadpool(self._store.get, number)
        return plain_error(404, "No such notification") if found is None else page(found)

    async def move(self, number: str, phase: str, order: str = "") -> Response:
        """POST on the page: what a person does inside SAP (completes, reopens, sets the deletion flag)."""
        if phase not in PHASES or not number.isdigit():
            return plain_error(400, f"Phases: {', '.join(PHASES)}")
        moved = await run_in_threadpool(self._store.move, number, phase, order, _now_us(), "PLANNER")
        if moved is None:
            return plain_error(404, "No such notification")
        logbook.note("notification_moved", number=moved.number, phase=phase)
        return page(moved)

    async def _find(self, predicate: str) -> Notification | None:
        number = parse_key(predicate)
        return None if number is None else await run_in_threadpool(self._store.get, number)


def make_app(store: Store, faults: FaultFile, user: str, password: str, *, state: Path | None = None) -> FastAPI:
    """Return the service as an application."""
    app = FastAPI(title="Simulated SAP", docs_url=None, redoc_url=None, openapi_url=None)
    service, gate = Service(store, faults), Gate(faults, user, password)
    if state is not None:
        _add_others(app, OrderService(state, store, faults), AttachmentService(state, store, faults))
    app.middleware("http")(gate.pass_through)
    for path in (ROOT, f"{ROOT}/"):
        app.add_api_route(path, lambda: answer(service_document()), methods=["GET", "HEAD"], response_model=None)
    app.add_api_route(f"{ROOT}/$metadata", _metadata, methods=["GET"], response_model=None)
    app.add_api_route(f"{ROOT}/MaintenanceNotification", service.create, methods=["POST"], response_model=None)
    app.add_api_route(f"{ROOT}/MaintenanceNotification", service.search, methods=["GET"], response_model=None)
    app.add_api_route(f"{ROOT}{_ENTITY}", service.read, methods=["GET"], response_model=None)
    app.add_api_route(f"{ROOT}{_ENTITY}", service.change, methods=["PATCH", "MERGE"], response_model=None)
    app.add_api_route(f"{ROOT}{_ENTITY}", service.tunnel, methods=["POST"], response_model=None)
    app.add_api_route("/sap/ui/notification/{number}", service.show, methods=["GET"], response_model=None)
    app.add_api_route("/sap/ui/notification/{number}", service.move, methods=["POST"], response_model=None)
    app.add_api_route("/sap/public/ping", lambda: PlainTextResponse("Server reached."), response_model=None)
    return app


def _add_others(app: FastAPI, orders: OrderService, attachments: AttachmentService) -> None:
    """Add the services beside the notifications."""
    for path, entities in ((ORDERS_ROOT, "MaintenanceOrder"), (ATTACHMENTS_ROOT, "AttachmentContentSet")):
        document: dict[str, object] = {"EntitySets": [entities]}
        app.add_api_route(f"{path}/", _answering(document), methods=["GET", "HEAD"], response_model=None)
    app.add_api_route(f"{ORDERS_ROOT}/MaintenanceOrder", orders.create, methods=["POST"], response_model=None)
    app.add_api_route(f"{ORDERS_ROOT}/MaintenanceOrder", orders.search, methods=["GET"], response_model=None)
    contents = f"{ATTACHMENTS_ROOT}/AttachmentContentSet"
    app.add_api_route(contents, attachments.create, methods=["POST"], response_model=None)
    app.add_api_route(
        f"{ATTACHMENTS_ROOT}/GetAllOriginals", attachments.originals, methods=["GET"], response_model=None
    )


def _answering(content: dict[str, object]) -> Callable[[], Response]:
    return lambda: answer(content)


def _metadata() -> Response:
    return Response(metadata(), media_type="application/xml", headers={"dataserviceversion": "2.0"})


async def _properties(request: Request, *, creating: bool) -> dict[str, object] | Response:
    """Return the checked properties of a request's body, or the refusal."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        return plain_error(415, "Send application/json")
    if int(request.headers.get("content-length", "0") or 0) > _MOST_BYTES:
        return plain_error(413, "Request too large")
    try:
        given = json.loads(await request.body())
    except ValueError as error:
        return refusal(
            400, [Wrong("CX_SXML_PARSE_ERROR/001560AA0E081DEB8CA398CC1690D406", f"Error parsing: {error}", "")]
        )
    if isinstance(given, dict) and set(given) == {"d"}:
        given = given["d"]
    if not isinstance(given, dict):
        return refusal(400, [Wrong("CX_SXML_PARSE_ERROR/001560AA0E081DEB8CA398CC1690D406", "Expected an object", "")])
    wrongs = check(given, creating=creating)
    return refusal(400, wrongs) if wrongs else given


def _missing(predicate: str) -> Response:
    return refusal(404, [Wrong("/IWBEP/CM_MGW_RT/020", f"Resource not found for segment {predicate[:60]}", "")])


def _lost() -> Response:
    """Return an answer that breaks off before its first byte of content: the caller cannot know what happened."""
    return StreamingResponse(iter(()), 201, {"content-length": "100000"})


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _now_us() -> int:
    return time.time_ns() // 1000


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host or "127.0.0.1", int(port)))
    except (ValueError, OSError, OverflowError) as error:
        raise InvalidInput(
            f"{address!r}: {error}.", hint="HOST:PORT; port 0 takes a free one.", field="listen"
        ) from error


def sap_verb(listen: str, state: Path, user: str, password: str, fault_file: Path | None, *, as_json: bool) -> None:
    """Serve until told to stop; print the address first."""
    faults = FaultFile(fault_file)
    faults.read()
    store, listener = Store(state), _listen(listen)
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        make_app(store, faults, user, password, state=state),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    Shutdown()
    url = f"http://{host}:{port}"
    typer.echo(json.dumps({"url": url, "user": user}) if as_json else f"SAP on {url}, user {user}.")
    logbook.note("sap_started", url=url)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        store.close()
    logbook.note("sap_stopped")
