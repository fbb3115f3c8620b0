"""/v1/tickets, /v1/workflow-runs and the replay of dead letters: what follows from findings, and mending it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, tuple_

from cloud import consume, dead_letters, executions
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import Finding, Ticket, WorkflowRun

router = APIRouter(prefix="/v1", tags=["tickets"], responses=RESPONSES)


class TicketOut(BaseModel):
    """A maintenance notification of a physical defect, as it concerns one finding of it.

    ``opened_for`` is the finding it was opened for: an earlier one where the defect had its ticket already.
    """

    ticket_id: str
    finding_id: str
    opened_for: str
    link_group: str
    system: str
    number: str | None
    phase: str
    priority: str
    text: str
    url: str
    status: str
    order_type: str
    order_number: str
    created_at: datetime
    opened_at: datetime | None
    completed_at: datetime | None
    checked_at: datetime | None
    attached_at: datetime | None
    care_error: str


def shown(ticket: Ticket, finding_id: str) -> TicketOut:
    """Return a ticket as it concerns a finding."""
    same = {name: getattr(ticket, name) for name in TicketOut.model_fields if name not in ("finding_id", "opened_for")}
    return TicketOut(finding_id=finding_id, opened_for=ticket.finding_id, **same)


class RunOut(BaseModel):
    """One run of a state machine. A failed one says why and what to do, and can be resumed."""

    model_config = ConfigDict(from_attributes=True)

    execution_name: str
    machine: str
    finding_id: str | None
    subject: str | None
    state: str
    arn: str | None
    error: str
    hint: str
    outage: str = Field(description="whose outage ended it, maintenance or platform: it is resumed by itself")
    attempts: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ReplayOut(BaseModel):
    """A dead letter that was sent again."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    source: str
    key: str
    replayed_at: datetime | None


@router.get("/tickets")
def list_tickets(
    session: UnitOfWork,
    _: Reader,
    flight_id: Annotated[str | None, Query(max_length=64)] = None,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TicketOut]:
    """List tickets, newest first; those of a flight include tickets its defects had already."""
    query = select(Ticket, Finding.finding_id).order_by(Ticket.ticket_id.desc(), Finding.finding_id.desc())
    if flight_id is None:
        query = query.join(Finding, Finding.finding_id == Ticket.finding_id)
    else:
        query = query.join(Finding, Finding.link_group == Ticket.link_group).where(Finding.flight_id == flight_id)
    if asset_id is not None:
        query = query.where(Finding.asset_id == asset_id)
    after = decode_cursor(cursor, 2)
    if after:
        query = query.where(tuple_(Ticket.ticket_id, Finding.finding_id) < (after[0], after[1]))
    rows = session.execute(query.limit(limit + 1)).all()
    return page_of(rows, limit, lambda row: shown(row[0], row[1]), lambda row: (row[0].ticket_id, row[1]))


@router.get("/workflow-runs")
def list_runs(
    session: UnitOfWork,
    _: Reader,
    state: Annotated[str | None, Query(pattern="^(wanted|running|succeeded|failed)$")] = None,
    finding_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunOut]:
    """List runs of state machines, newest first."""
    query = newest_first(select(WorkflowRun), WorkflowRun.created_at, WorkflowRun.execution_name, cursor)
    if state is not None:
        query = query.where(WorkflowRun.state == state)
    if finding_id is not None:
        query = query.where(WorkflowRun.finding_id == finding_id)
    rows = session.scalars(query.limit(limit + 1)).all()
    return page_of(rows, limit, RunOut.model_validate, lambda row: (row.created_at.isoformat(), row.execution_name))


class Nothing(BaseModel):
    """A request without a body, for its idempotency key."""


@router.post("/workflow-runs/{execution_name}/resume", status_code=202, response_model=RunOut)
def resume_run(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    execution_name: str,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Operator,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Run a failed workflow again; what is done already is not done twice."""
    after.add_task(consume.start_wanted, services)

    def make() -> RunOut:
        run = executions.resume(session, execution_name, by=principal.username)
        session.refresh(run)
        return RunOut.model_validate(run)

    return once(session, request, principal, key, Nothing(), make, 202)


@router.post("/dead-letters/{letter_id}/replay", status_code=202, tags=["operations"])
def replay_letter(letter_id: int, session: UnitOfWork, services: Svc, principal: Operator) -> ReplayOut:
    """Send a dead letter to its queue again."""
    return ReplayOut.model_validate(dead_letters.replay(session, services.queues, letter_id, by=principal.username))
