"""/fleet: the drones, how their computers are, what they hold back."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from cloud.requests import UnitOfWork
from cloud.security import Reader, authenticate
from cloud.web import fleet_view
from cloud.web.shell import room

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])


@router.get("/fleet")
def fleet(request: Request, me: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return the drones."""
    cards = fleet_view.cards(session, datetime.now(UTC))
    return room(request, session, me, "fleet.html", here="fleet", cards=cards)
