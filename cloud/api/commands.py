"""/v1/flights/{id}/commands and /v1/drones/{id}/commands: ask a drone to do something, see what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cloud import adjustments, approvals, dispatch, fleet, flights
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.problems import RESPONSES, may_answer
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import CommandRow, Flight
from contracts.commands import APPROVAL_PREFIX, APPROVERS_NEEDED, MAX_TAKE_OFF_M, Approval, LimitsChange
from contracts.errors import InvalidInput, NotFound
from contracts.geo import Frozen
from contracts.vocabulary import CommandKind, CommandState

router = APIRouter(prefix="/v1", tags=["commands"], responses=RESPONSES)


class CommandIn(Frozen):
    """What the drone shall do. ``altitude_m`` (above home) belongs to take_off."""

    kind: CommandKind = Field(examples=["take_off"])
    altitude_m: StrictFloat | None = Field(default=None, gt=0, le=MAX_TAKE_OFF_M, examples=[15.0])
    plan_version: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="adjust_route: the version of the flight's plan to fly now",
    )
    resume_at: StrictInt = Field(default=0, ge=0, le=649, description="adjust_route: its waypoint to fly to first")
    acknowledged: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=50, description="adjust_route: what the new version newly warns of, by check name"
    )
    limits: LimitsChange | None = Field(default=None, description="set_limits, to a drone only")
    lowers_margin: bool = Field(
        default=False, description="set_limits: hold it back until two approvers have signed its payload"
    )


class PayloadOut(BaseModel):
    """What an approver signs: Ed25519 over ``prefix`` followed by ``payload``, both as UTF-8."""

    command_id: str
    prefix: str
    payload: str
    approvals_needed: int
    approved_by: list[str] = Field(description="key ids")


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
    challenged: bool = Field(description="the drone could not trust its clock and got it again with its nonce")


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
            params=_route_params(session, row, body),
            key=f"{flight_id}:{key}" if key else None,
        )
        return CommandOut.model_validate(issued)

    return once(session, request, principal, key, body, make, status=202)


@router.post("/drones/{drone_id}/commands", status_code=202, response_model=CommandOut)
def command_drone(
    drone_id: str, body: CommandIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Send pause, hold, return_home or land to a drone, whatever its flight, or change its limits."""

    def make() -> CommandOut:
        issued = fleet.issue_command(
            session,
            flight=None,
            drone_id=drone_id,
            kind=body.kind,
            issuer=principal.username,
            params=_limit_params(body),
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
    return CommandOut.model_validate(_command(session, command_id))


@router.get("/commands/{command_id}/payload", responses=may_answer(409))
def get_payload(command_id: str, session: UnitOfWork, services: Svc, _: Reader) -> PayloadOut:
    """Return the exact text that an approver signs."""
    row = _command(session, command_id)
    payload = dispatch.command_of(session, services.routes, row).model_dump_json()
    return PayloadOut(
        command_id=command_id,
        prefix=APPROVAL_PREFIX.decode(),
        payload=payload,
        approvals_needed=row.params.get("approvals_needed", 0),
        approved_by=[approval.key_id for approval in approvals.of(row)],
    )


@router.post("/commands/{command_id}/approvals", status_code=202)
def approve_command(command_id: str, body: Approval, session: UnitOfWork, principal: Operator) -> CommandOut:
    """Add an approver's signature; the drone verifies it, and the command goes out with the second one."""
    return CommandOut.model_validate(approvals.add(session, command_id, body, principal.username))


def _command(session: Session, command_id: str) -> CommandRow:
    row = session.get(CommandRow, command_id)
    if row is None:
        raise NotFound(f"No command {command_id!r}.")
    return row


def _route_params(session: Session, row: Flight, body: CommandIn) -> dict[str, Any] | None:
    if body.kind is not CommandKind.ADJUST_ROUTE:
        return None
    fleet.check_state(row, body.kind)
    return adjustments.prepare(session, row, body.plan_version, body.resume_at, body.acknowledged)


def _limit_params(body: CommandIn) -> dict[str, Any] | None:
    if body.kind is not CommandKind.SET_LIMITS:
        return None
    if body.limits is None:
        raise InvalidInput("set_limits needs limits.", hint="Name at least one limit.", field="limits")
    needed = APPROVERS_NEEDED if body.lowers_margin else 0
    return {"limits": body.limits.model_dump(mode="json"), "approvals_needed": needed}


def _page(session: Session, where: ColumnElement[bool], limit: int, cursor: str | None) -> Page[CommandOut]:
    query = select(CommandRow).where(where).order_by(CommandRow.seq.desc()).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    if after:
        query = query.where(CommandRow.seq < number(after[0]))
    return page_of(session.scalars(query).all(), limit, CommandOut.model_validate, lambda row: (row.seq,))
