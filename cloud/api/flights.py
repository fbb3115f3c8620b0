"""/v1/flights: create, approve, follow."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cloud import conditions, contact, flight_log, flights, telemetry
from cloud.conditions import IfMatch
from cloud.flight_log import LogFormat
from cloud.idempotency import Key, once
from cloud.moments import Moment
from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.planning import conditions as of_the_hour
from cloud.planning import plans, resuming
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import DroneEventRow, Flight, Media
from contracts.geo import Frozen
from contracts.ids import DroneId, PlanId
from contracts.vocabulary import FlightState, MediaState

router = APIRouter(prefix="/v1/flights", tags=["flights"], responses=RESPONSES)

_NAMED = 100


class FlightIn(Frozen):
    """Which plan version, by which drone."""

    plan_id: PlanId = Field(examples=["pln-019aa1b2c3d4-0badcafe"])
    version: StrictInt = Field(default=1, ge=1)
    drone_id: DroneId = Field(examples=["kite-01"])


class ConsentOut(BaseModel):
    """Who approved a flight, when, and which warnings they acknowledged by name."""

    by: str
    at: datetime
    acknowledged: list[str]


class FlightOut(BaseModel):
    """A flight, which is also the inspection it makes."""

    model_config = ConfigDict(from_attributes=True)

    flight_id: str
    asset_id: str
    drone_id: str
    plan_id: str
    plan_version: int
    route_hash: str
    state: FlightState
    created_by: str
    created_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    started_at: datetime | None
    landed_at: datetime | None
    completed_at: datetime | None
    waypoint: int | None
    expected_segments: int | None
    resume_at: int = Field(description="the waypoint it flies to first")
    continues: str | None = Field(description="the flight that was broken off and that it carries on")
    schedule_id: str | None
    due_at: datetime | None
    consents: list[ConsentOut]


class MediaCount(BaseModel):
    """Video segments that the drone recorded, against those that came. ``missing`` names at most 100 indexes."""

    expected: int | None = Field(description="null until the flight has ended")
    arrived: int
    analysed: int
    failed: int
    missing: list[int]


class FlightDetail(FlightOut):
    """A flight with how much telemetry and video it has."""

    telemetry_samples: int = 0
    silent_since: datetime | None = Field(
        default=None, description="set while it is under way and its drone, or the autopilot, is not heard"
    )
    media: MediaCount


class Approval(Frozen):
    """What the approver has read and takes upon themselves."""

    acknowledged: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=50, description="names of checks that warn", examples=[["wind"]]
    )


class CarryOn(Frozen):
    """Which aircraft goes on; none: the one that was broken off."""

    drone_id: DroneId | None = Field(default=None, examples=["kite-02"])


class EventOut(BaseModel):
    """Something the drone reported."""

    model_config = ConfigDict(from_attributes=True)

    stream: str
    kind: str
    at: datetime
    body: dict[str, Any]


@router.post("", status_code=201, response_model=FlightOut)
def add_flight(
    body: FlightIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Plan a flight; it must be approved before it may take off."""

    def make() -> FlightOut:
        row = flights.create(
            session, plan_id=body.plan_id, version=body.version, drone_id=body.drone_id, by=principal.username
        )
        return FlightOut.model_validate(row)

    return once(session, request, principal, key, body, make)


class Filters(BaseModel):
    """Which flights to list, and which page of them."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    state: FlightState | None = None
    asset_id: str | None = Field(default=None, max_length=64)
    drone_id: str | None = Field(default=None, max_length=64)
    schedule_id: str | None = Field(default=None, max_length=64)
    continues: str | None = Field(default=None, max_length=64)
    since: Moment | None = Field(default=None, alias="from", description="created at or after")
    until: Moment | None = Field(default=None, alias="to", description="created before")
    limit: int = Field(default=50, ge=1, le=200, description="items per page")
    cursor: str | None = Field(default=None, max_length=400, description="`next_cursor` of the page before")

    def applied(self, query: Select[Flight]) -> Select[Flight]:
        """Return the query with the filters that were given."""
        equal = self.model_dump(include={"state", "asset_id", "drone_id", "schedule_id", "continues"})
        for name, value in equal.items():
            if value is not None:
                query = query.where(getattr(Flight, name) == str(value))
        if self.since is not None:
            query = query.where(Flight.created_at >= self.since)
        if self.until is not None:
            query = query.where(Flight.created_at < self.until)
        return query


@router.get("")
def list_flights(session: UnitOfWork, _: Reader, filters: Annotated[Filters, Query()]) -> Page[FlightOut]:
    """List flights, newest first."""
    query = filters.applied(select(Flight)).order_by(Flight.flight_id.desc()).limit(filters.limit + 1)
    after = decode_cursor(filters.cursor, 1)
    if after:
        query = query.where(Flight.flight_id < after[0])
    rows = session.scalars(query).all()
    return page_of(rows, filters.limit, FlightOut.model_validate, lambda row: (row.flight_id,))


@router.get("/{flight_id}")
def get_flight(flight_id: str, session: UnitOfWork, response: Response, _: Reader) -> FlightDetail:
    """Return one flight."""
    detail = _detail(session, flights.flight(session, flight_id))
    response.headers["ETag"] = conditions.etag_of(detail)
    return detail


@router.post("/{flight_id}/approve")
def approve_flight(
    flight_id: str,
    session: UnitOfWork,
    services: Svc,
    principal: Operator,
    body: Approval | None = None,
    if_match: IfMatch = None,
) -> FlightOut:
    """Let the flight fly.

    Refused with the check's sentence when a check of its plan blocks it, or when a warning is not acknowledged by
    name. Where the installation asks for two people, the flight stays planned until a second one approves it.
    """
    _unchanged(session, flight_id, if_match)
    acknowledged, people = (body or Approval()).acknowledged, services.settings.flight_approvals
    row = flights.approve(
        session,
        flight_id,
        principal.username,
        checks=[check.model_dump(mode="json") for check in of_the_hour.of_flight(session, flight_id)],
        acknowledged=acknowledged,
        people=people,
    )
    return FlightOut.model_validate(row)


@router.post("/{flight_id}/abort")
def abort_flight(flight_id: str, session: UnitOfWork, principal: Operator, if_match: IfMatch = None) -> FlightOut:
    """Give up a flight that has not taken off, or whose aircraft has not been heard for ten minutes.

    What the drone says later counts: heard of again, such a flight is flying, or has landed.
    """
    _unchanged(session, flight_id, if_match)
    return FlightOut.model_validate(flights.abort(session, flight_id, principal.username))


@router.post("/{flight_id}/carry-on", status_code=201, response_model=FlightOut)
def carry_on_flight(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    flight_id: str,
    body: CarryOn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Operator,
    key: Key = None,
) -> JSONResponse:
    """Plan a flight that goes on where this one was broken off, at the last waypoint it reached.

    Where the asset is in the way from take-off straight to that one, it goes on at an earlier waypoint. The new flight
    is approved and commanded like any other; its first leg films the interrupted one as a whole.
    """

    def make() -> FlightOut:
        row = flights.flight(session, flight_id)
        route = plans.route(session, services.routes, row.plan_id, row.plan_version)
        made = flights.carry_on(
            session,
            flight_id,
            len(route.waypoints),
            principal.username,
            partial(resuming.joins, route),
            body.drone_id,
        )
        return FlightOut.model_validate(made)

    return once(session, request, principal, key, body, make)


@router.get("/{flight_id}/events")
def list_events(
    flight_id: str, session: UnitOfWork, _: Reader, limit: Limit = 200, cursor: Cursor = None
) -> Page[EventOut]:
    """List what the drone reported during the flight, in its order."""
    flights.flight(session, flight_id)
    order = (DroneEventRow.at, DroneEventRow.boot_id, DroneEventRow.stream, DroneEventRow.seq)
    offset = number((decode_cursor(cursor, 1) or ["0"])[0])
    query = select(DroneEventRow).where(DroneEventRow.flight_id == flight_id).order_by(*order)
    rows = session.scalars(query.offset(offset).limit(limit + 1)).all()
    return page_of(rows, limit, EventOut.model_validate, lambda _row: (offset + limit,))


@router.get(
    "/{flight_id}/log",
    response_class=StreamingResponse,
    responses={200: {"content": {name: {"schema": {"type": "string"}} for name in flight_log.MEDIA_TYPES.values()}}},
)
def get_log(
    flight_id: str,
    session: UnitOfWork,
    services: Svc,
    principal: Reader,
    form: Annotated[LogFormat, Query(alias="format")] = "jsonl",
) -> StreamingResponse:
    """Stream the flight's log: samples, events and commands in one order of time, as JSON lines or CSV."""
    flights.flight(session, flight_id)
    name = f'attachment; filename="{flight_id}.{form}"'
    lines = flight_log.lines(services.database.session_of(principal), services.objects, flight_id, form)
    return StreamingResponse(lines, media_type=flight_log.MEDIA_TYPES[form], headers={"Content-Disposition": name})


def _unchanged(session: Session, flight_id: str, if_match: str | None) -> None:
    if if_match is not None:
        conditions.check(if_match, _detail(session, flights.flight(session, flight_id, lock=True)))


def _detail(session: Session, row: Flight) -> FlightDetail:
    shown = FlightOut.model_validate(row).model_dump()
    samples = telemetry.count_of_flight(session, row.flight_id)
    quiet = contact.silence(session, row, datetime.now(UTC))
    since = quiet.since if quiet is not None else None
    return FlightDetail(**shown, telemetry_samples=samples, silent_since=since, media=_media(session, row))


def _media(session: Session, row: Flight) -> MediaCount:
    found = session.execute(select(Media.index, Media.state).where(Media.flight_id == row.flight_id)).all()
    states = Counter(state for _, state in found)
    missing = sorted(set(range(row.expected_segments or 0)) - {index for index, _ in found})
    return MediaCount(
        expected=row.expected_segments,
        arrived=len(found),
        analysed=states[MediaState.ANALYSED.value],
        failed=states[MediaState.FAILED.value],
        missing=missing[:_NAMED],
    )
