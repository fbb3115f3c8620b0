"""/v1/flights/{id}/commands and /v1/drones/{id}/commands: ask a drone to do something, see what became of it."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cloud import fleet, flights
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import CommandRow
from contracts.errors import NotFound
from contracts.geo import Frozen
from contracts.vocabulary import CommandKind, CommandState

router = APIRouter(prefix="/v1", tags=["commands"], responses=RESPONSES)


class CommandIn(Frozen):
    """What the drone shall do. ``altitude_m`` (above home) belongs to take_off."""

    kind: CommandKind = Field(examples=["take_off"])
    altitude_m: float | None = Field(default=None, gt=0, le=120, examples=[15.0])


class CommandOut(BaseModel):
    """A command and what became of it. ``expired`` may still become ``done``: a late report counts."""

    model_config = ConfigDict(from_attributes=True)

    command_id: str
    drone_id: str
    flight_id: str | None
    kind: CommandKind
    seq: int
    issuer: str
    state: CommandState
    code: str
    detail: str
    hint: str
    issued_at: datetime
    not_after: datetime
    sent_at: datetime | None
    acked_at: datetime | None
    finished_at: datetime | None


@router.post("/flights/{flight_id}/commands", status_code=202, response_model=CommandOut)
def command_flight(
    flight_id: str, body: CommandIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Send a command to the flight's drone; refused when the flight's state forbids it."""

    def make() -> CommandOut:
        row = flights.flight(session, flight_id, lock=True)
        issued = fleet.issue_command(
            session,
            flight=row,
            drone_id=row.drone_id,
            kind=body.kind,
            issuer=principal.username,
            altitude_m=body.altitude_m,
            key=f"{flight_id}:{key}" if key else None,
        )
        return CommandOut.model_validate(issued)

    return once(session, request, principal, key, body, make, status=202)


@router.post("/drones/{drone_id}/commands", status_code=202, response_model=CommandOut)
def command_drone(
    drone_id: str, body: CommandIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Send pause, return_home or land to a drone, whatever its flight."""

    def make() -> CommandOut:
        issued = fleet.issue_command(
            session,
            flight=None,
            drone_id=drone_id,
            kind=body.kind,
            issuer=principal.username,
            key=f"{drone_id}:{key}" if key else None,
        )
        return CommandOut.model_validate(issued)

    return once(session, request, principal, key, body, make, status=202)


@router.get("/flights/{flight_id}/commands")
def list_of_flight(
    flight_id: str, session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[CommandOut]:
    """List a flight's commands, newest first."""
    flights.flight(session, flight_id)
    return _page(session, CommandRow.flight_id == flight_id, limit, cursor)


@router.get("/drones/{drone_id}/commands")
def list_of_drone(
    drone_id: str, session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[CommandOut]:
    """List a drone's commands, newest first."""
    fleet.drone(session, drone_id)
    return _page(session, CommandRow.drone_id == drone_id, limit, cursor)


@router.get("/commands/{command_id}")
def get_command(command_id: str, session: UnitOfWork, _: Reader) -> CommandOut:
    """Return one command."""
    row = session.get(CommandRow, command_id)
    if row is None:
        raise NotFound(f"No command {command_id!r}.")
    return CommandOut.model_validate(row)


def _page(session: Session, where: ColumnElement[bool], limit: int, cursor: str | None) -> Page[CommandOut]:
    query = select(CommandRow).where(where).order_by(CommandRow.seq.desc()).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    if after:
        query = query.where(CommandRow.seq < number(after[0]))
    return page_of(session.scalars(query).all(), limit, CommandOut.model_validate, lambda row: (row.seq,))
