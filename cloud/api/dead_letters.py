"""/v1/dead-letters: what could not be handled, and why."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Reader
from cloud.tables import DeadLetter

router = APIRouter(prefix="/v1/dead-letters", tags=["operations"], responses=RESPONSES)


class DeadLetterOut(BaseModel):
    """A message or object that was put aside. ``payload`` is cut at 4,000 characters."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    source: str
    key: str
    reason: str
    payload: str
    at: datetime
    replayed_at: datetime | None


@router.get("")
def list_dead_letters(session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None) -> Page[DeadLetterOut]:
    """List what was put aside, newest first."""
    query = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    if after:
        query = query.where(DeadLetter.id < number(after[0]))
    return page_of(session.scalars(query).all(), limit, DeadLetterOut.model_validate, lambda row: (row.id,))
