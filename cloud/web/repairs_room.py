"""/tickets/repairs: who repairs what when; people hold, move and give back what the planner proposes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.language import _
from cloud.repairs import board, book, desk
from cloud.requests import Svc, UnitOfWork
from cloud.security import OnCall, Principal, Reader, authenticate
from cloud.tables import Asset, CrewRow, Finding, RepairSlot
from cloud.web.shell import room
from contracts.errors import InvalidInput
from contracts.vocabulary import Role

router = APIRouter(prefix="/tickets/repairs", include_in_schema=False, dependencies=[Depends(authenticate)])
MOST = 200


class Repair(NamedTuple):
    """A repair with its finding and crew."""

    slot: RepairSlot
    finding: Finding
    asset_name: str
    crew: CrewRow | None


def build(session: Session) -> tuple[Repair, ...]:
    """Return the open repairs: those without a place first, then by time."""
    query = (
        select(RepairSlot, Finding, Asset.name, CrewRow)
        .join(Finding, Finding.finding_id == RepairSlot.finding_id)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .outerjoin(CrewRow, CrewRow.crew_id == RepairSlot.crew_id)
        .where(RepairSlot.state.in_(board.OPEN))
        .order_by(RepairSlot.starts_at.nulls_first(), RepairSlot.slot_id)
    )
    return tuple(Repair(*row) for row in session.execute(query.limit(MOST)))


@router.get("")
def repairs(request: Request, me: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return the open repairs."""
    return _shown(request, session, me)


def _shown(request: Request, session: Session, me: Principal, note: str | None = None) -> HTMLResponse:
    session.expire_all()  # a plan is made in a session of its own
    crews = tuple(session.scalars(select(CrewRow).where(CrewRow.enabled).order_by(CrewRow.name)))
    may = me.may(Role.OPERATOR, Role.ANALYST, Role.REVIEWER)
    more = {"rows": build(session), "crews": crews, "may": may, "note": note}
    return room(request, session, me, "repairs.html", here="tickets", **more)


class Plan(BaseModel):
    """Why a plan is wanted now."""

    reason: str = Field(min_length=1, max_length=200)


@router.post("")
def plan(
    request: Request, me: OnCall, session: UnitOfWork, services: Svc, given: Annotated[Plan, Form()]
) -> HTMLResponse:
    """Solve everything that is open anew."""
    desk.plan(services, me.username, given.reason)
    return _shown(request, session, me, _("Planned anew, round what people hold."))


class Act(BaseModel):
    """Hold a proposal, give it back, or move it: then crew and time (UTC, a full or half hour) are given."""

    act: Literal["accept", "release", "move"]
    crew_id: str = Field(default="", max_length=64)
    starts_at: str = Field(default="", max_length=25)


@router.post("/{slot_id}")
def decide(
    request: Request, slot_id: str, me: OnCall, session: UnitOfWork, services: Svc, given: Annotated[Act, Form()]
) -> HTMLResponse:
    """Hold, give back or move a repair; the others are planned round it."""
    book.slot(session, slot_id)
    if given.act == "accept":
        book.accept(session, slot_id, me.username)
        session.flush()
        return _shown(request, session, me, _("The repair is held: plans go round it."))
    if given.act == "release":
        with desk.released(services, slot_id, me.username):
            pass
        return _shown(request, session, me, _("The repair is the planner's again."))
    with desk.moved(services, slot_id, given.crew_id, _time(given.starts_at), me.username):
        pass
    return _shown(request, session, me, _("The repair is moved; the others are planned round it."))


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput("Give the day and time when it begins.", field="starts_at") from error
