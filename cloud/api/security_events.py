"""/v1/security/events: what the watch holds against a drone, a user, a key or an address."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud.intrusion import book
from cloud.paging import Cursor, Limit, Page, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Admin
from cloud.tables import SecurityEvent
from contracts.geo import Frozen

router = APIRouter(prefix="/v1/security/events", tags=["operations"], responses=RESPONSES)


class SecurityEventOut(BaseModel):
    """A rule that held, how often, and the numbers of the last time."""

    model_config = ConfigDict(from_attributes=True)

    event_id: str
    rule: str = Field(examples=["certificate_in_two_places"])
    subject_kind: Literal["drone", "asker"]
    subject: str
    summary: str
    facts: dict[str, Any]
    state: Literal["open", "closed"]
    times: int
    first_at: datetime
    last_at: datetime
    told_at: datetime | None = Field(description="when the people on call had been told")
    closed_by: str | None
    closed_at: datetime | None
    note: str


class CloseIn(Frozen):
    """What it turned out to be."""

    note: str = Field(min_length=3, max_length=1000, examples=["a forgotten script with an old password"])


@router.get("")
def list_security_events(
    session: UnitOfWork,
    _: Admin,
    state: Annotated[Literal["open", "closed"] | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SecurityEventOut]:
    """List security events, newest first."""
    query = newest_first(select(SecurityEvent), SecurityEvent.first_at, SecurityEvent.event_id, cursor)
    if state is not None:
        query = query.where(SecurityEvent.state == state)
    rows = session.scalars(query.limit(limit + 1)).all()
    return page_of(rows, limit, SecurityEventOut.model_validate, lambda row: (row.first_at.isoformat(), row.event_id))


@router.post("/{event_id}/close")
def close_security_event(event_id: str, body: CloseIn, session: UnitOfWork, principal: Admin) -> SecurityEventOut:
    """Close an event with what it was; the rule may open another. Again changes nothing."""
    return SecurityEventOut.model_validate(book.close(session, event_id, principal.username, body.note))
