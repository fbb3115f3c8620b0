"""Go or no-go with reasons: our plans at a time with a drone, plans of other programs; imports of assets."""

from __future__ import annotations

import base64
import binascii

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictFloat

from cloud.planning import assets, conditions, imports, missions, neighbours, plans, site_zones, verdicts
from cloud.planning.conditions import Conditions
from cloud.planning.estimates import Estimates
from cloud.planning.ground import terrain_of
from cloud.planning.imports import ImportReport
from cloud.planning.rules import Limits
from cloud.planning.verdicts import Check, Verdict
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Reader
from contracts.errors import InvalidInput
from contracts.geo import Frozen, GeoPoint
from contracts.ids import AssetId, SiteId
from interchange import conversion, formats
from interchange.formats import Format

router = APIRouter(prefix="/v1", tags=["plans"], responses=RESPONSES)


class Judged(BaseModel):
    """The gravest verdict, and every check with its reason."""

    verdict: Verdict
    checks: list[Check]


class FilePlan(Frozen):
    """A plan of another program, and where it is to be flown."""

    content_base64: str = Field(min_length=1, examples=["UUdDIFdQTCAxMTAK"])
    name: str = Field(default="", max_length=200, examples=["ridge.plan"])
    source: Format | None = None
    site_id: SiteId = Field(description="whose zones apply", examples=["north-ridge"])
    asset_id: AssetId | None = Field(
        default=None,
        description="what is inspected: other turbines then count as turning; default: every asset as it stands",
    )
    home: GeoPoint | None = Field(default=None, description="instead of the plan's own; above the ellipsoid")
    wind_mps: StrictFloat = Field(default=0.0, ge=0, le=60)
    max_alt_rel_m: StrictFloat = Field(default=120.0, ge=5, le=500)
    return_alt_rel_m: StrictFloat = Field(default=30.0, ge=5, le=500)


class AssetFile(Frozen):
    """A GeoJSON, KML, KMZ or CSV file of assets."""

    filename: str = Field(min_length=5, max_length=200, examples=["turbines.geojson"])
    content_base64: str = Field(min_length=1)
    dry_run: bool = Field(default=False, description="say what would happen and write nothing")


@router.post("/plans/{plan_id}/{version}/checks")
def check_plan(plan_id: str, version: int, body: Conditions, session: UnitOfWork, services: Svc, _: Reader) -> Judged:
    """Say whether a plan may be flown at a time by a drone: its own checks and those of the day. Nothing is stored."""
    row = plans.plan(session, plan_id, version)
    route = plans.route(session, services.routes, plan_id, version)
    stored = [Check.model_validate(check) for check in row.checks]
    of_the_day = conditions.judge(session, route, Estimates.model_validate(row.estimates), body)
    return _judged(verdicts.graver(stored, of_the_day))


@router.post("/routes/checks")
def check_file(body: FilePlan, session: UnitOfWork, services: Svc, _: Reader) -> Judged:
    """Say whether a plan of another program may be flown: over whole segments and circles. Nothing is stored.

    What stands on the site is in the way: the asset that is named as it stands, the others as far as they may turn.
    """
    assets.site(session, body.site_id)
    geometry = assets.geometry_of(assets.asset(session, body.asset_id)) if body.asset_id else None
    content = _decoded(body.content_base64)
    mission, _losses = conversion.read(content, body.source or formats.of_content(content, body.name))
    limits = Limits(max_alt_rel_m=body.max_alt_rel_m, return_alt_rel_m=body.return_alt_rel_m)
    found = missions.judge(
        mission,
        site_zones.of_site(session, body.site_id),
        terrain_of(services.settings),
        home=body.home,
        wind_mps=body.wind_mps,
        limits=limits,
        geometry=geometry,
        solids=neighbours.of_site(session, body.site_id, but=body.asset_id),
    )
    return _judged(found)


@router.post("/sites/{site_id}/assets/import")
def import_assets(site_id: str, body: AssetFile, session: UnitOfWork, principal: Operator) -> ImportReport:
    """Import assets by their external ids: the same file again changes nothing, and one fault writes nothing."""
    content = _decoded(body.content_base64)
    return imports.run(session, site_id, content, body.filename, principal.username, dry_run=body.dry_run)


def _judged(checks: list[Check]) -> Judged:
    order = list(Verdict)
    return Judged(verdict=max((check.verdict for check in checks), key=order.index), checks=checks)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("content_base64 is not base64.", hint="Encode the file.", field="content_base64") from error
