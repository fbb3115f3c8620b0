"""/settings/security: what the watch holds against a drone, a user, a key or an address; each closed with a reason."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from cloud.intrusion import book
from cloud.intrusion.rules import SubjectKind
from cloud.language import _
from cloud.moments import Moment
from cloud.requests import UnitOfWork
from cloud.security import Admin, authenticate
from cloud.tables import Drone, SecurityEvent
from cloud.web.settings_room import MOST, shown
from cloud.web.shell import Address

router = APIRouter(prefix="/settings/security", include_in_schema=False, dependencies=[Depends(authenticate)])


class Sought(Address):
    """Which events the page shows."""

    state: Literal["open", "closed"] | None = None
    before: Moment | None = None


@router.get("")
def events(request: Request, me: Admin, session: UnitOfWork, sought: Annotated[Sought, Query()]) -> HTMLResponse:
    """Return the security events, open ones first."""
    return _shown(request, session, me, sought)


def _shown(request: Request, session: UnitOfWork, me: Admin, sought: Sought, note: str | None = None) -> HTMLResponse:
    closed_last = (SecurityEvent.state != book.OPEN, SecurityEvent.first_at.desc(), SecurityEvent.event_id)
    query = select(SecurityEvent).order_by(*closed_last).limit(MOST + 1)
    query = query.where(SecurityEvent.state == sought.state) if sought.state else query
    query = query.where(SecurityEvent.first_at < sought.before) if sought.before else query
    found = session.scalars(query).all()
    about = [row.subject for row in found if row.subject_kind == SubjectKind.DRONE.value]
    drones = {drone.drone_id: drone for drone in session.scalars(select(Drone).where(Drone.drone_id.in_(about)))}
    still = select(func.count()).select_from(SecurityEvent).where(SecurityEvent.state == book.OPEN)
    more = {
        "facts": facts,
        "rows": found[:MOST],
        "more": len(found) > MOST,
        "drones": drones,
        "open": session.scalar(still) or 0,
    }
    return shown(request, session, me, "security", sought=sought, note=note, **more)


def facts(row: SecurityEvent) -> list[tuple[str, str, str]]:
    """Return (name, value, unit) of the numbers behind an event; its own time stands beside it already."""
    shown_ = []
    for name, value in row.facts.items():
        bare, _at, unit = name.rpartition("_")
        known = unit in {"m", "s"}
        said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        shown_.append((bare if known else name, said, unit if known else ""))
    return [fact for fact in shown_ if fact[0] != "at"]


class Closing(BaseModel):
    """What it turned out to be."""

    note: str = Field(min_length=3, max_length=1000)


@router.post("/{event_id}/close")
def close(
    request: Request, event_id: str, me: Admin, session: UnitOfWork, given: Annotated[Closing, Form()]
) -> HTMLResponse:
    """Close an event; the rule may open another."""
    row = book.close(session, event_id, me.username, given.note)
    session.flush()
    return _shown(request, session, me, Sought(), _("Closed: {0}", row.summary))
