"""/v1/plans: plan a route, read its checks, read the route."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, tuple_

from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, number, page_of
from cloud.planning import plans
from cloud.planning.ground import terrain_of
from cloud.planning.wishes import PlanRequest
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Reader
from cloud.stretches import Stretch
from cloud.tables import Plan
from contracts.routes import Route

router = APIRouter(prefix="/v1/plans", tags=["plans"], responses=RESPONSES)


class PlanOut(BaseModel):
    """A plan version: its inputs, what was checked, what it will take."""

    model_config = ConfigDict(from_attributes=True)

    plan_id: str
    version: int
    asset_id: str
    pattern: str
    params: dict[str, Any]
    content_hash: str
    checks: list[dict[str, Any]]
    estimates: dict[str, Any]
    series_id: str | None = Field(description="the plan of part 1, where one wish became several flights")
    part: int
    parts: int
    stretch: Stretch | None = Field(
        description="what it flies of its asset; null where that is all of it, or not known"
    )
    created_by: str
    created_at: datetime


class RouteOut(BaseModel):
    """A route and the hash that the drone computes too."""

    content_hash: str
    route: Route


@router.post("", status_code=201, response_model=PlanOut)
def add_plan(
    body: PlanRequest, request: Request, session: UnitOfWork, services: Svc, principal: Operator, key: Key = None
) -> JSONResponse:
    """Plan a route. Checks with the verdict ``block`` forbid its approval and say why.

    Where one battery does not suffice, the answer is part 1; the others are at ``/v1/plans/{plan_id}/{version}/parts``.
    """

    def make() -> PlanOut:
        ground = terrain_of(services.settings)
        return PlanOut.model_validate(plans.create(session, services.routes, body, principal.username, ground)[0])

    return once(session, request, principal, key, body, make)


@router.get("")
def list_plans(
    session: UnitOfWork, _: Reader, asset_id: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[PlanOut]:
    """List plan versions, newest first."""
    query = select(Plan).order_by(Plan.plan_id.desc(), Plan.version.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(Plan.asset_id == asset_id)
    after = decode_cursor(cursor, 2)
    if after:
        query = query.where(tuple_(Plan.plan_id, Plan.version) < tuple_(after[0], number(after[1])))
    return page_of(session.scalars(query).all(), limit, PlanOut.model_validate, lambda row: (row.plan_id, row.version))


@router.get("/{plan_id}/{version}")
def get_plan(plan_id: str, version: int, session: UnitOfWork, _: Reader) -> PlanOut:
    """Return one plan version."""
    return PlanOut.model_validate(plans.plan(session, plan_id, version))


@router.get("/{plan_id}/{version}/parts")
def list_parts(plan_id: str, version: int, session: UnitOfWork, _: Reader) -> list[PlanOut]:
    """List every battery-sized flight of the wish that a plan belongs to, in order."""
    return [PlanOut.model_validate(row) for row in plans.series(session, plans.plan(session, plan_id, version))]


@router.get("/{plan_id}/{version}/route")
def get_route(plan_id: str, version: int, session: UnitOfWork, services: Svc, _: Reader) -> RouteOut:
    """Return the waypoints of a plan version."""
    route = plans.route(session, services.routes, plan_id, version)
    return RouteOut(content_hash=route.content_hash(), route=route)
