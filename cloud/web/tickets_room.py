"""/tickets: the board and the calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from cloud.requests import UnitOfWork
from cloud.security import Reader, authenticate
from cloud.tables import Asset
from cloud.web import ticket_board, zone
from cloud.web.shell import room
from cloud.web.ticket_board import Wanted

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])


@router.get("/tickets")
def tickets(request: Request, me: Reader, session: UnitOfWork, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    """Return the tickets as a board, or what is due as a month."""
    now = datetime.now(UTC)
    assets = session.execute(select(Asset.asset_id, Asset.name).order_by(Asset.name).limit(500)).all()
    columns = ticket_board.board(session, wanted, now) if wanted.view == "board" else ()
    month = ticket_board.month(session, wanted, now, zone.of_reader(request)) if wanted.view == "calendar" else None
    return room(
        request,
        session,
        me,
        "tickets.html",
        here="tickets",
        wanted=wanted,
        columns=columns,
        month=month,
        assets=assets,
        now=now,
    )
