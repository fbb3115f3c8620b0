"""/v1/sites and /v1/assets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, model_validator
from sqlalchemy import select

from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.planning import assets
from cloud.planning.surveys import AnyGeometry
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Operator, Reader
from cloud.tables import Asset, Site
from contracts.geo import Frozen
from contracts.ids import AssetId, SiteId
from contracts.vocabulary import AssetKind

router = APIRouter(prefix="/v1", tags=["assets"], responses=RESPONSES)


class SiteIn(Frozen):
    """A place with assets and a take-off spot. ``home_alt_m`` is above the WGS 84 ellipsoid."""

    site_id: SiteId = Field(examples=["north-ridge"])
    name: str = Field(min_length=1, max_length=120, examples=["North Ridge wind farm"])
    home_lat_deg: StrictFloat = Field(ge=-90, le=90, examples=[54.9012])
    home_lon_deg: StrictFloat = Field(ge=-180, le=180, examples=[8.3012])
    home_alt_m: StrictFloat = Field(ge=-1000, le=9000, examples=[52.0])


class SiteOut(SiteIn):
    """A site as stored."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")


class AssetIn(Frozen):
    """What is inspected."""

    asset_id: AssetId = Field(examples=["wt-01"])
    site_id: SiteId = Field(examples=["north-ridge"])
    kind: AssetKind = AssetKind.WIND_TURBINE
    name: str = Field(min_length=1, max_length=120, examples=["Turbine 1"])
    functional_location: str = Field(default="", max_length=40, examples=["KES-NORTH-WT-01"], description="SAP's name")
    external_id: str | None = Field(default=None, max_length=120)
    geometry: AnyGeometry | None = Field(
        default=None, description="needed for wind turbines; of the asset's kind, which its field kind names"
    )

    @model_validator(mode="before")
    @classmethod
    def _geometry_of_the_kind(cls, values: Any) -> Any:
        """Give the geometry the asset's kind, by which its fields are known."""
        if not isinstance(values, dict) or not isinstance(values.get("geometry"), dict):
            return values
        kind = values.get("kind", AssetKind.WIND_TURBINE)
        if kind == AssetKind.WIND_TURBINE or not isinstance(kind, str):
            return values
        return {**values, "geometry": {"kind": str(kind), **values["geometry"]}}


class AssetOut(BaseModel):
    """An asset as stored."""

    model_config = ConfigDict(from_attributes=True)

    asset_id: str
    site_id: str
    kind: str
    name: str
    functional_location: str
    external_id: str | None
    geometry: dict[str, Any]


@router.post("/sites", status_code=201, response_model=SiteOut)
def add_site(body: SiteIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None) -> JSONResponse:
    """Create a site."""
    by = principal.username
    return once(
        session,
        request,
        principal,
        key,
        body,
        lambda: SiteOut.model_validate(assets.add_site(session, by, **body.model_dump())),
    )


@router.get("/sites")
def list_sites(session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None) -> Page[SiteOut]:
    """List sites by id."""
    query = select(Site).order_by(Site.site_id).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Site.site_id > after[0]) if after else query).all()
    return page_of(rows, limit, SiteOut.model_validate, lambda row: (row.site_id,))


@router.post("/assets", status_code=201, response_model=AssetOut)
def add_asset(
    body: AssetIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Create an asset on a site."""
    values = body.model_dump(exclude={"geometry", "kind"})
    return once(
        session,
        request,
        principal,
        key,
        body,
        lambda: AssetOut.model_validate(
            assets.add_asset(session, principal.username, body.kind, body.geometry, **values)
        ),
    )


@router.get("/assets")
def list_assets(
    session: UnitOfWork,
    _: Reader,
    site_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AssetOut]:
    """List assets by id."""
    query = select(Asset).order_by(Asset.asset_id).limit(limit + 1)
    if site_id is not None:
        query = query.where(Asset.site_id == site_id)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Asset.asset_id > after[0]) if after else query).all()
    return page_of(rows, limit, AssetOut.model_validate, lambda row: (row.asset_id,))


@router.get("/assets/{asset_id}")
def get_asset(asset_id: str, session: UnitOfWork, _: Reader) -> AssetOut:
    """Return one asset."""
    return AssetOut.model_validate(assets.asset(session, asset_id))
