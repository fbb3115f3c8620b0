"""/v1/routes: flight plans of other programs, converted or stored; our own plans, in their formats."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cloud.api.routes import PlanOut
from cloud.idempotency import Key, once
from cloud.planning import foreign_plans, plans
from cloud.planning.datums import separation_m
from cloud.planning.foreign_plans import ImportWish
from cloud.planning.ground import terrain_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Reader
from contracts.errors import InvalidInput
from contracts.geo import Frozen
from contracts.routes import Route
from interchange import conversion, formats, planned
from interchange.altitudes import Given
from interchange.conversion import LossReport
from interchange.formats import Format
from interchange.losses import Ledger
from interchange.mission import Area, LatLon, Mission

router = APIRouter(prefix="/v1/routes", tags=["plans"], responses=RESPONSES)


class ConversionIn(Frozen):
    """A file and what to make of it. Without ``source`` the format is told from the file and its name."""

    content_base64: str = Field(min_length=1, examples=["UUdDIFdQTCAxMTAK"])
    name: str = Field(default="", max_length=200, examples=["blade-a.waypoints"])
    source: Format | None = None
    target: Format
    given: Given = Field(default_factory=Given, description="what you know and the file does not say")


class ConversionOut(BaseModel):
    """The new file, and what it lacks."""

    content_base64: str
    media_type: str
    report: LossReport


@router.post("/convert")
def convert_route(body: ConversionIn, _: Reader) -> ConversionOut:
    """Convert a flight plan and say what is lost. Nothing is stored.

    Where no geoid separation is given, that of EGM96 at the plan's first place is taken; the report names it.
    """
    content = _decoded(body.content_base64)
    source = body.source or formats.of_content(content, body.name)
    mission, on_reading = conversion.read(content, source)
    written, on_writing = conversion.write(mission, body.target, _with_geoid(mission, body.given))
    report = conversion.report(source, body.target, mission, (*on_reading, *on_writing))
    return _answer(written, body.target, report)


class ImportIn(ImportWish):
    """A file of another program, and what is known of the flight besides."""

    content_base64: str = Field(min_length=1, examples=["UUdDIFdQTCAxMTAK"])


class ImportOut(BaseModel):
    """The stored plan with its checks, the route that will be flown, and what of the file will not."""

    plan: PlanOut
    route: Route
    report: LossReport


@router.post("/import", status_code=201, response_model=ImportOut)
def import_route(
    body: ImportIn, request: Request, session: UnitOfWork, services: Svc, principal: Operator, key: Key = None
) -> JSONResponse:
    """Store a flight plan of another program as a plan of an asset: judged, approved and flown like a planned one."""

    def make() -> ImportOut:
        content, ground = _decoded(body.content_base64), terrain_of(services.settings)
        made = foreign_plans.store(session, services.routes, content, body, principal.username, ground)
        route = plans.route(session, services.routes, made.row.plan_id, made.row.version)
        return ImportOut(plan=PlanOut.model_validate(made.row), route=route, report=made.report)

    return once(session, request, principal, key, body, make)


@router.get("/{plan_id}/{version}")
def export_route(
    plan_id: str,
    version: int,
    session: UnitOfWork,
    services: Svc,
    _: Reader,
    target: Annotated[Format, Query(alias="format")],
) -> ConversionOut:
    """Return a plan version as a file for another program, with what that program will not know."""
    ledger = Ledger()
    mission = planned.mission_of(plans.route(session, services.routes, plan_id, version), ledger)
    written, losses = conversion.write(mission, target, _with_geoid(mission, Given()))
    return _answer(written, target, conversion.report(None, target, mission, (*ledger.losses, *losses)))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("content_base64 is not base64.", hint="Encode the file.", field="content_base64") from error


def _with_geoid(mission: Mission, given: Given) -> Given:
    place = mission.home or _first_place(mission)
    if given.geoid_separation_m is not None or place is None:
        return given
    return given.model_copy(update={"geoid_separation_m": round(separation_m(place.lat_deg, place.lon_deg), 3)})


def _first_place(mission: Mission) -> LatLon | None:
    steps = (step for item in mission.items for step in (item.items if isinstance(item, Area) else (item,)))
    return next((point for step in steps if (point := getattr(step, "point", None)) is not None), None)


def _answer(content: bytes, target: Format, report: LossReport) -> ConversionOut:
    return ConversionOut(
        content_base64=base64.b64encode(content).decode(),
        media_type=formats.CODECS[target].media_type,
        report=report,
    )
