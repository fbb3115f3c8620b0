"""/v1/assets/…/components and /v1/sites/…/zones: the parts of assets, and where nobody may fly."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.planning import assets, components, site_zones
from cloud.planning.zones import SiteZone
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import Component
from contracts.geo import Frozen

router = APIRouter(prefix="/v1", tags=["assets"], responses=RESPONSES)


class ComponentOut(BaseModel):
    """A part of an asset; ``parent_id`` makes the parts a tree."""

    model_config = ConfigDict(from_attributes=True)

    component_id: str
    asset_id: str
    parent_id: str | None
    kind: str
    name: str
    external_id: str | None
    functional_location: str
    place: dict[str, Any]


class ComponentNames(Frozen):
    """The customer's names for a part; what is left out stays as it is."""

    external_id: str | None = Field(default=None, min_length=1, max_length=120, examples=["BLD-2031-A"])
    functional_location: str | None = Field(default=None, max_length=40, examples=["KES-NORTH-WT-01-BA"])


class ZoneOut(BaseModel):
    """A zone as stored."""

    model_config = ConfigDict(from_attributes=True)

    zone_id: str
    site_id: str
    name: str
    body: SiteZone
    created_by: str
    created_at: datetime


@router.get("/assets/{asset_id}/components")
def list_components(
    asset_id: str, session: UnitOfWork, _: Reader, limit: Limit = 200, cursor: Cursor = None
) -> Page[ComponentOut]:
    """List an asset's parts by id."""
    assets.asset(session, asset_id)
    query = select(Component).where(Component.asset_id == asset_id).order_by(Component.component_id).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Component.component_id > after[0]) if after else query).all()
    return page_of(rows, limit, ComponentOut.model_validate, lambda row: (row.component_id,))


@router.patch("/components/{component_id}")
def name_component(component_id: str, body: ComponentNames, session: UnitOfWork, principal: Operator) -> ComponentOut:
    """Give a part the customer's external id or functional location."""
    row = components.rename(
        session,
        component_id,
        principal.username,
        external_id=body.external_id,
        functional_location=body.functional_location,
    )
    return ComponentOut.model_validate(row)


@router.post("/sites/{site_id}/zones", status_code=201, response_model=ZoneOut)
def add_zone(
    site_id: str, body: SiteZone, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Add a no-fly zone (``keep_out``) or a fence (``stay_in``); every later plan on the site is checked against it."""
    by = principal.username
    return once(
        session,
        request,
        principal,
        key,
        body,
        lambda: ZoneOut.model_validate(site_zones.add(session, site_id, body, by)),
    )


@router.get("/sites/{site_id}/zones")
def list_zones(site_id: str, session: UnitOfWork, _: Reader) -> list[ZoneOut]:
    """List a site's zones."""
    assets.site(session, site_id)
    return [ZoneOut.model_validate(row) for row in site_zones.rows(session, site_id)]


@router.delete("/sites/{site_id}/zones/{zone_id}", status_code=204)
def remove_zone(site_id: str, zone_id: str, session: UnitOfWork, principal: Operator) -> None:
    """Take a zone away. Plans that were checked against it keep their verdicts; plan again to have them judged anew."""
    site_zones.remove(session, site_id, zone_id, principal.username)
