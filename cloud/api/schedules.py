"""/v1/schedules: which plan is flown when, by which drone, once or again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy import select

from cloud import conditions
from cloud.conditions import IfMatch
from cloud.idempotency import Key, once
from cloud.moments import Moment
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.schedules import timetable
from cloud.security import Operator, Reader
from cloud.tables import Schedule
from contracts.geo import Frozen
from contracts.ids import DroneId, PlanId

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], responses=RESPONSES)


class ScheduleIn(Frozen):
    """A plan version, a drone, a first time and, unless it is flown once, a recurrence rule (RFC 5545)."""

    name: str = Field(min_length=1, max_length=120, examples=["Right of way, every two weeks"])
    plan_id: PlanId = Field(examples=["pln-019aa1b2c3d4-0badcafe"])
    plan_version: StrictInt = Field(default=1, ge=1, le=1_000_000)
    drone_id: DroneId = Field(examples=["kite-01"])
    starts_at: Moment = Field(examples=["2027-03-01T08:00:00Z"])
    rrule: str | None = Field(
        default=None, max_length=300, description="none: once", examples=["FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"]
    )
    zone: str = Field(default="UTC", max_length=64, description="IANA name: the times keep this wall clock")
    duration_min: StrictInt = Field(
        default=45, ge=1, le=1440, description="for how long the drone is taken by each flight"
    )
    lead_h: StrictInt = Field(default=24, ge=0, le=720, description="hours before its time that a flight is planned")


class ScheduleOut(BaseModel):
    """A schedule and its next times."""

    model_config = ConfigDict(from_attributes=True)

    schedule_id: str
    name: str
    asset_id: str
    plan_id: str
    plan_version: int
    drone_id: str
    starts_at: datetime
    rrule: str | None
    zone: str
    duration_min: int
    lead_h: int
    enabled: bool
    created_by: str
    created_at: datetime


class Switch(Frozen):
    """Whether the schedule goes on planning flights."""

    enabled: bool


class Occurrence(BaseModel):
    """A time of a schedule, and what stands in its way."""

    at: datetime
    conflict: str = Field(description="empty: none")


class Occurrences(BaseModel):
    """A schedule's times, in order."""

    data: list[Occurrence]


@router.post("", status_code=201, response_model=ScheduleOut)
def add_schedule(
    body: ScheduleIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Keep a schedule; refused when its plan is blocked, or its drone is wanted elsewhere within the next 90 days.

    Where the plan is part 1 of several flights, all of them are planned, one after another. Flights are planned ahead
    of their times and, like any flight, wait for a person's approval: in daylight, and when the drone is free.
    """

    def make() -> ScheduleOut:
        return ScheduleOut.model_validate(timetable.create(session, principal.username, **body.model_dump()))

    return once(session, request, principal, key, body, make)


@router.get("")
def list_schedules(
    session: UnitOfWork,
    _: Reader,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    drone_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ScheduleOut]:
    """List schedules, newest first."""
    query = select(Schedule).order_by(Schedule.schedule_id.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(Schedule.asset_id == asset_id)
    if drone_id is not None:
        query = query.where(Schedule.drone_id == drone_id)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Schedule.schedule_id < after[0]) if after else query).all()
    return page_of(rows, limit, ScheduleOut.model_validate, lambda row: (row.schedule_id,))


@router.get("/{schedule_id}")
def get_schedule(schedule_id: str, session: UnitOfWork, response: Response, _: Reader) -> ScheduleOut:
    """Return one schedule."""
    shown = ScheduleOut.model_validate(timetable.schedule(session, schedule_id))
    response.headers["ETag"] = conditions.etag_of(shown)
    return shown


@router.patch("/{schedule_id}")
def switch_schedule(
    schedule_id: str, body: Switch, session: UnitOfWork, principal: Operator, if_match: IfMatch = None
) -> ScheduleOut:
    """Pause a schedule or let it go on; flights that it has planned stay."""
    present = ScheduleOut.model_validate(timetable.schedule(session, schedule_id, lock=True))
    conditions.check(if_match, present)
    row = timetable.switch(session, schedule_id, principal.username, enabled=body.enabled)
    return ScheduleOut.model_validate(row)


@router.get("/{schedule_id}/times")
def list_times(
    schedule_id: str,
    session: UnitOfWork,
    _: Reader,
    days: Annotated[int, Query(ge=1, le=366, description="how far ahead")] = 90,
) -> Occurrences:
    """Return a schedule's next times (200 at most) and which of them clash."""
    row = timetable.schedule(session, schedule_id)
    now = datetime.now(UTC)
    clashing = {clash.at: clash.sentence for clash in timetable.clashes(session, row, now)}
    times = timetable.upcoming(row, now, now + timedelta(days=days))
    return Occurrences(data=[Occurrence(at=at, conflict=clashing.get(at, "")) for at in times])
