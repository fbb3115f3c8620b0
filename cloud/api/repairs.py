"""/v1/repairs: when findings are repaired and by whom; what people decide, the plan goes round.

Crews go to every site: a plan is made over all of them, whichever of them its asker sees.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from cloud import findings
from cloud.idempotency import Key, once
from cloud.moments import Moment
from cloud.paging import Cursor, Limit, Page, newest_first, page_of
from cloud.problems import RESPONSES, may_answer
from cloud.repairs import book, calendar, crew, desk
from cloud.requests import Svc, UnitOfWork
from cloud.security import OnCall, Reader
from cloud.tables import Finding, RepairSlot
from contracts.geo import Frozen
from contracts.ids import FindingId

router = APIRouter(prefix="/v1/repairs", tags=["repairs"], responses=RESPONSES)


class RepairIn(Frozen):
    """A finding that is to be repaired; critical ones with a ticket come here by themselves."""

    finding_id: FindingId


class MoveIn(Frozen):
    """Where a person wants a repair: it is pinned there, the others are planned round it."""

    crew_id: str = Field(min_length=1, max_length=64, examples=["north"])
    starts_at: Moment = Field(description="a full or half hour", examples=["2027-03-01T08:00:00Z"])


class RepairOut(BaseModel):
    """A repair: its crew and time, or why it has none."""

    model_config = ConfigDict(from_attributes=True)

    slot_id: str
    finding_id: str
    asset_id: str = ""
    kind: str = ""
    severity_rank: int = 0
    due_at: datetime | None = None
    state: str = Field(description="wanted, proposed, accepted, unplanned, done or cancelled")
    crew_id: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    pinned: bool = Field(description="a person said who and when")
    late: bool = Field(description="it ends after its due date, or has no place although it has one")
    reason: str = Field(description="why it is late or has no place, or what has come to speak against it")
    wind_known: bool = Field(description="whether a forecast reaches it")
    decided_by: str | None


class PlanIn(Frozen):
    """Why a plan is wanted now: it stands in the audit log."""

    reason: str = Field(min_length=1, max_length=200, examples=["New forecast."])


class CrewLinkOut(BaseModel):
    """Where a crew's phone finds its job: whoever holds it may answer for that finding."""

    url: str
    qr_png_base64: str


class Planned(BaseModel):
    """What a plan came to: how many repairs, of those the asker sees, are in which state."""

    states: dict[str, int]


def _shown(slot: RepairSlot, finding: Finding | None) -> RepairOut:
    shown = RepairOut.model_validate(slot)
    if finding is not None:
        shown.asset_id, shown.kind = finding.asset_id, finding.kind
        shown.severity_rank, shown.due_at = finding.severity_rank, finding.due_at
    return shown


def _one(session: UnitOfWork, slot: RepairSlot) -> RepairOut:
    session.flush()
    return _shown(slot, session.get(Finding, slot.finding_id))


@router.get("")
def list_repairs(  # noqa: PLR0913, PLR0917 - every filter is an argument
    session: UnitOfWork,
    _: Reader,
    state: Annotated[
        str | None, Query(pattern="^(wanted|proposed|accepted|unplanned|done|cancelled)$", max_length=20)
    ] = None,
    crew_id: Annotated[str | None, Query(max_length=64)] = None,
    finding_id: Annotated[str | None, Query(max_length=64)] = None,
    late: Annotated[bool | None, Query(description="only those that are late, or are not")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RepairOut]:
    """List repairs, the newest wish first."""
    query = newest_first(select(RepairSlot), RepairSlot.created_at, RepairSlot.slot_id, cursor)
    for column, wanted in (
        (RepairSlot.state, state),
        (RepairSlot.crew_id, crew_id),
        (RepairSlot.finding_id, finding_id),
        (RepairSlot.late, late),
    ):
        query = query if wanted is None else query.where(column == wanted)
    rows = session.scalars(query.limit(limit + 1)).all()
    found = session.scalars(select(Finding).where(Finding.finding_id.in_([row.finding_id for row in rows])))
    about = {finding.finding_id: finding for finding in found}
    return page_of(
        rows,
        limit,
        lambda row: _shown(row, about.get(row.finding_id)),
        lambda row: (row.created_at.isoformat(), row.slot_id),
    )


@router.post("", status_code=201, response_model=RepairOut)
def want_repair(
    body: RepairIn, request: Request, session: UnitOfWork, services: Svc, principal: OnCall, key: Key = None
) -> JSONResponse:
    """Ask for a time for a finding's repair; the same defect has one."""
    findings.finding(session, body.finding_id)

    def make() -> RepairOut:
        with desk.wanted(services, body.finding_id) as (whole, row):
            return _one(whole, row)

    return once(session, request, principal, key, body, make)


@router.post("/plan")
def plan_repairs(body: PlanIn, session: UnitOfWork, services: Svc, principal: OnCall) -> Planned:
    """Solve everything that is open anew, round what is pinned; the same facts give the same plan."""
    desk.plan(services, principal.username, body.reason)
    counted = session.execute(select(RepairSlot.state, func.count()).group_by(RepairSlot.state)).all()
    return Planned(states={row[0]: row[1] for row in counted})


@router.get("/{slot_id}")
def get_repair(slot_id: str, session: UnitOfWork, _: Reader) -> RepairOut:
    """Return one repair."""
    return _one(session, book.slot(session, slot_id))


@router.get(
    "/{slot_id}/calendar",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}, **may_answer(409)},
)
def get_repair_calendar(slot_id: str, session: UnitOfWork, _: Reader) -> Response:
    """Return a repair as a calendar entry (RFC 5545); one that changes keeps its UID and counts up its SEQUENCE."""
    slot = book.slot(session, slot_id)
    headers = {"Content-Disposition": f'attachment; filename="{slot_id}.ics"'}
    return Response(calendar.entry(session, slot), media_type=calendar.CONTENT_TYPE, headers=headers)


@router.get("/{slot_id}/crew-link")
def get_crew_link(slot_id: str, session: UnitOfWork, services: Svc, _: OnCall) -> CrewLinkOut:
    """Return the address of the crew's page of a repair, good for that one finding for 120 days, and its QR code."""
    url = crew.link(services, findings.finding(session, book.slot(session, slot_id).finding_id))
    return CrewLinkOut(url=url, qr_png_base64=base64.b64encode(calendar.code_png(url)).decode())


@router.post("/{slot_id}/accept")
def accept_repair(slot_id: str, session: UnitOfWork, principal: OnCall) -> RepairOut:
    """Hold a proposal: plans go round it from now on."""
    return _one(session, book.accept(session, slot_id, principal.username))


@router.post("/{slot_id}/move")
def move_repair(slot_id: str, body: MoveIn, session: UnitOfWork, services: Svc, principal: OnCall) -> RepairOut:
    """Pin a repair to a crew and a time and solve the others round it.

    Refused, with the field named, where skills, shift, wind or parts do not allow it or the crew is held then.
    """
    book.slot(session, slot_id)
    with desk.moved(services, slot_id, body.crew_id, body.starts_at, principal.username) as (whole, row):
        return _one(whole, row)


@router.post("/{slot_id}/release")
def release_repair(slot_id: str, session: UnitOfWork, services: Svc, principal: OnCall) -> RepairOut:
    """Give a pinned repair back to the planner."""
    book.slot(session, slot_id)
    with desk.released(services, slot_id, principal.username) as (whole, row):
        return _one(whole, row)
