"""/v1/routes: flight plans of other programs, converted; our own plans, in their formats."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cloud.planning import plans
from cloud.planning.datums import separation_m
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from contracts.errors import InvalidInput
from contracts.geo import Frozen
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
    return _answer(written, conversion.report(source, body.target, mission, (*on_reading, *on_writing)))


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
    return _answer(written, conversion.report(None, target, mission, (*ledger.losses, *losses)))


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


def _answer(content: bytes, report: LossReport) -> ConversionOut:
    return ConversionOut(
        content_base64=base64.b64encode(content).decode(),
        media_type=formats.CODECS[report.target].media_type,
        report=report,
    )
