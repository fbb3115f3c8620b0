"""/fleet: the drones, how their computers are, what they hold back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cloud import quarantine
from cloud.intrusion import book
from cloud.language import _
from cloud.requests import UnitOfWork
from cloud.security import Admin, Operator, Principal, Reader, authenticate
from cloud.web import fleet_view
from cloud.web.shell import room
from contracts.vocabulary import Role

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])


@router.get("/fleet")
def fleet(request: Request, me: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return the drones."""
    return _shown(request, session, me)


def _shown(request: Request, session: Session, me: Principal, note: str | None = None) -> HTMLResponse:
    cards = fleet_view.cards(session, datetime.now(UTC))
    more = {"cards": cards, "note": note, "may_impose": me.may(Role.OPERATOR), "may_lift": me.may()}
    return room(request, session, me, "fleet.html", here="fleet", **more)


class Reason(BaseModel):
    """Why."""

    reason: str = Field(min_length=3, max_length=300)


@router.post("/fleet/{drone_id}/quarantine")
def impose(
    request: Request, drone_id: str, me: Operator, session: UnitOfWork, given: Annotated[Reason, Form()]
) -> HTMLResponse:
    """Shut a drone out."""
    row = quarantine.impose(session, drone_id, me.username, given.reason)
    session.flush()
    return _shown(request, session, me, _("{0} is in quarantine: {1}", row.name, row.quarantine_reason))


@router.post("/fleet/{drone_id}/quarantine/end")
def lift(
    request: Request, drone_id: str, me: Admin, session: UnitOfWork, given: Annotated[Reason, Form()]
) -> HTMLResponse:
    """Let a drone in again and close the security events about it."""
    row = quarantine.lift(session, drone_id, me.username, given.reason)
    book.settle(session, drone_id, me.username, given.reason)
    session.flush()
    return _shown(request, session, me, _("{0} is let in again.", row.name))
