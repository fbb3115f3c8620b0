"""/v1/decisions: what waits for a person before a notification is opened, and the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import consume, decisions
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, Reviewer
from cloud.tables import TicketDecision
from contracts.geo import Frozen

router = APIRouter(prefix="/v1/decisions", tags=["tickets"], responses=RESPONSES)


class DecisionIn(Frozen):
    """A person's answer."""

    approve: bool
    reason: str = Field(min_length=1, max_length=400, examples=["Seen on two passes; open it."])


class DecisionOut(BaseModel):
    """A question to a person: whether a notification may be opened for a finding."""

    model_config = ConfigDict(from_attributes=True)

    decision_id: str
    finding_id: str
    execution_name: str
    because: str
    state: str
    asked_at: datetime
    expires_at: datetime
    on_silence: str
    answered_by: str | None
    answered_at: datetime | None
    reason: str


@router.get("")
def list_decisions(
    session: UnitOfWork,
    _: Reader,
    state: Annotated[str | None, Query(pattern="^(waiting|approved|rejected|expired|withdrawn)$")] = None,
    finding_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DecisionOut]:
    """List questions about notifications, newest first."""
    query = newest_first(select(TicketDecision), TicketDecision.asked_at, TicketDecision.decision_id, cursor)
    if state is not None:
        query = query.where(TicketDecision.state == state)
    if finding_id is not None:
        query = query.where(TicketDecision.finding_id == finding_id)
    rows = session.scalars(query.limit(limit + 1)).all()
    return page_of(rows, limit, DecisionOut.model_validate, lambda row: (row.asked_at.isoformat(), row.decision_id))


@router.post("/{decision_id}/answer", status_code=201, response_model=DecisionOut)
def answer_decision(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    decision_id: str,
    body: DecisionIn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Let a notification be opened, or not; the first answer holds."""
    after.add_task(consume.pass_on_answers, services)

    def make() -> DecisionOut:
        made = decisions.answer(session, decision_id, approve=body.approve, reason=body.reason, by=principal.username)
        session.flush()
        return DecisionOut.model_validate(made)

    return once(session, request, principal, key, body, make)
