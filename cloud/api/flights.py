"""/v1/flights: create, approve, follow."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import flights, telemetry
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import DroneEventRow, Flight
from contracts.geo import Frozen
from contracts.ids import DroneId, PlanId
from contracts.vocabulary import FlightState

router = APIRouter(prefix="/v1/flights", tags=["flights"], responses=RESPONSES)


class FlightIn(Frozen):
    """Which plan version, by which drone."""

    plan_id: PlanId = Field(examples=["pln-019aa1b2c3d4-0badcafe"])
    version: int = Field(default=1, ge=1)
    drone_id: DroneId = Field(examples=["kite-01"])


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


class FlightDetail(FlightOut):
    """A flight with how much telemetry it has."""

    telemetry_samples: int = 0


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


@router.get("")
def list_flights(
    session: UnitOfWork,
    _: Reader,
    state: FlightState | None = None,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FlightOut]:
    """List flights, newest first."""
    query = select(Flight).order_by(Flight.flight_id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Flight.state == state.value)
    if asset_id is not None:
        query = query.where(Flight.asset_id == asset_id)
    after = decode_cursor(cursor, 1)
    if after:
        query = query.where(Flight.flight_id < after[0])
    return page_of(session.scalars(query).all(), limit, FlightOut.model_validate, lambda row: (row.flight_id,))


@router.get("/{flight_id}")
def get_flight(flight_id: str, session: UnitOfWork, _: Reader) -> FlightDetail:
    """Return one flight."""
    return _detail(session, flights.flight(session, flight_id))


@router.post("/{flight_id}/approve")
def approve(flight_id: str, session: UnitOfWork, principal: Operator) -> FlightOut:
    """Let the flight fly; refused with the check's sentence when a check of its plan blocks it."""
    return FlightOut.model_validate(flights.approve(session, flight_id, principal.username))


@router.post("/{flight_id}/abort")
def abort(flight_id: str, session: UnitOfWork, principal: Operator) -> FlightOut:
    """Give up a flight that has not taken off."""
    return FlightOut.model_validate(flights.abort(session, flight_id, principal.username))


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


def _detail(session: Session, row: Flight) -> FlightDetail:
    detail = FlightDetail.model_validate(row)
    return detail.model_copy(update={"telemetry_samples": telemetry.count_of_flight(session, row.flight_id)})
