"""/v1/due: what must be inspected by when; /v1/due-rules: why; /v1/assets/{id}/events: what started a clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import audit
from cloud.idempotency import Key, once
from cloud.moments import Moment
from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.planning import assets
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.schedules import due
from cloud.schedules.due import DueItem, DueState
from cloud.schedules.rules import AssetEventKind, DueRule
from cloud.security import Operator, Reader
from cloud.tables import AssetEvent
from contracts.errors import InvalidInput
from contracts.geo import Frozen
from contracts.ids import mint

router = APIRouter(prefix="/v1", tags=["schedules"], responses=RESPONSES)


class DueOut(BaseModel):
    """One asset under one rule. ``planned_flight`` is a flight of the asset that is not over yet."""

    asset_id: str
    asset_name: str
    site_id: str
    rule_id: str
    title: str
    source: str
    due_at: datetime
    state: DueState
    why: str
    last_at: datetime | None
    planned_flight: str | None


class EventIn(Frozen):
    """Something that happened to an asset. The clock starts when it can be safely reached again."""

    kind: AssetEventKind = Field(examples=["extreme_weather"])
    happened_at: Moment = Field(examples=["2026-11-20T04:00:00Z"])
    accessible_at: Moment | None = Field(default=None, description="default: `happened_at`")
    note: str = Field(default="", max_length=400, examples=["River over the right of way at km 12"])


class EventOut(BaseModel):
    """An event as kept."""

    model_config = ConfigDict(from_attributes=True)

    event_id: str
    asset_id: str
    kind: AssetEventKind
    happened_at: datetime
    accessible_at: datetime
    note: str
    created_by: str
    created_at: datetime


class Rules(BaseModel):
    """Every rule, the regulations first."""

    data: list[DueRule]


@router.get("/due")
def list_due(
    session: UnitOfWork,
    _: Reader,
    state: DueState | None = None,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DueOut]:
    """List what is due, the most pressing first."""
    now = datetime.now(UTC)
    items = [item for item in due.due_list(session) if state is None or item.state(now) is state]
    chosen = [item for item in items if asset_id is None or item.asset.asset_id == asset_id]
    offset = number((decode_cursor(cursor, 1) or ["0"])[0])
    page = chosen[offset : offset + limit + 1]
    return page_of(page, limit, lambda item: _shown(item, now), lambda _item: (offset + limit,))


@router.get("/due-rules")
def list_rules(session: UnitOfWork, _: Reader) -> Rules:
    """List the due-date rules: the regulatory ones that are shipped, then the customer's."""
    return Rules(data=due.all_rules(session))


@router.post("/due-rules", status_code=201, response_model=DueRule)
def add_rule(
    body: DueRule, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Add a customer's rule."""
    return once(session, request, principal, key, body, lambda: due.add_rule(session, body, principal.username))


@router.delete("/due-rules/{rule_id}", status_code=204, response_class=Response)
def drop_rule(rule_id: str, session: UnitOfWork, principal: Operator) -> Response:
    """Remove a customer's rule; the regulatory ones stay."""
    due.drop_rule(session, rule_id, principal.username)
    return Response(status_code=204)


@router.post("/assets/{asset_id}/events", status_code=201, response_model=EventOut)
def add_event(
    asset_id: str, body: EventIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Record what happened to an asset, so that the rules about such events start their clocks."""

    def make() -> EventOut:
        assets.asset(session, asset_id)
        accessible_at = body.accessible_at or body.happened_at
        if accessible_at < body.happened_at:
            raise InvalidInput("`accessible_at` lies before `happened_at`.", field="accessible_at")
        values = body.model_dump(mode="json", include={"kind", "note"})
        row = AssetEvent(
            event_id=mint("evt"),
            asset_id=asset_id,
            happened_at=body.happened_at,
            accessible_at=accessible_at,
            created_by=principal.username,
            **values,
        )
        session.add(row)
        session.flush()
        session.refresh(row)
        audit.record(session, principal.username, "asset.event", asset_id, after=values)
        return EventOut.model_validate(row)

    return once(session, request, principal, key, body, make)


@router.get("/assets/{asset_id}/events")
def list_asset_events(
    asset_id: str, session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[EventOut]:
    """List what happened to an asset, newest first."""
    assets.asset(session, asset_id)
    query = select(AssetEvent).where(AssetEvent.asset_id == asset_id).order_by(AssetEvent.event_id.desc())
    after = decode_cursor(cursor, 1)
    rows = session.scalars((query.where(AssetEvent.event_id < after[0]) if after else query).limit(limit + 1)).all()
    return page_of(rows, limit, EventOut.model_validate, lambda row: (row.event_id,))


def _shown(item: DueItem, now: datetime) -> DueOut:
    return DueOut(
        asset_id=item.asset.asset_id,
        asset_name=item.asset.name,
        site_id=item.asset.site_id,
        rule_id=item.rule.rule_id,
        title=item.rule.title,
        source=item.rule.source,
        due_at=item.due_at,
        state=item.state(now),
        why=item.why,
        last_at=item.last_at,
        planned_flight=item.planned_flight,
    )
