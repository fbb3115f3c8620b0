"""/v1/alerts: what people on call are told of, and that they know."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from cloud.alerts import book
from cloud.paging import Cursor, Limit, Page, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import OnCall, Reader
from cloud.tables import Alert

router = APIRouter(prefix="/v1/alerts", tags=["tickets"], responses=RESPONSES)


class AlertOut(BaseModel):
    """One thing people must know of. ``round`` counts the messages that went out unanswered."""

    model_config = ConfigDict(from_attributes=True)

    alert_id: str
    finding_id: str
    rank: int
    subject: str
    state: str
    round: int
    next_at: datetime | None
    created_at: datetime
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    error: str


@router.get("")
def list_alerts(
    session: UnitOfWork,
    _: Reader,
    state: Annotated[str | None, Query(pattern="^(open|acknowledged|closed|unanswered)$")] = None,
    finding_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertOut]:
    """List alerts, newest first."""
    query = newest_first(select(Alert), Alert.created_at, Alert.alert_id, cursor)
    if state is not None:
        query = query.where(Alert.state == state)
    if finding_id is not None:
        query = query.where(Alert.finding_id == finding_id)
    rows = session.scalars(query.limit(limit + 1)).all()
    return page_of(rows, limit, AlertOut.model_validate, lambda row: (row.created_at.isoformat(), row.alert_id))


@router.post("/{alert_id}/acknowledge")
def acknowledge_alert(alert_id: str, session: UnitOfWork, principal: OnCall) -> AlertOut:
    """Say that you know and look after it: nobody else is woken. The first who answers stands."""
    made = book.acknowledge(session, alert_id, principal.username)
    session.flush()
    return AlertOut.model_validate(made)
