"""/plan: choose an asset, a pattern and what matters; see the route, its figures and go or no-go at once; keep it."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import flights
from cloud.idempotency import Key, once
from cloud.language import _
from cloud.planning import assets, plans
from cloud.planning.estimates import Estimates
from cloud.planning.ground import terrain_of
from cloud.planning.pattern import BladesParams
from cloud.planning.verdicts import Check, Verdict
from cloud.planning.wishes import Pattern
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Principal, Reader, authenticate
from cloud.services import Services
from cloud.tables import Asset, Drone, Plan
from cloud.web import labels, plan_drawing, plan_wishes
from cloud.web.plan_drawing import Drawing
from cloud.web.plan_wishes import PATTERNS, Asked, Slider
from cloud.web.rendering import page
from cloud.web.shell import room
from contracts.errors import InvalidInput, PlatformError
from contracts.geo import GeoPoint
from contracts.vocabulary import Role
from interchange.formats import CODECS

_BEYOND_HOME_M = 20.0
router = APIRouter(prefix="/plan", include_in_schema=False, dependencies=[Depends(authenticate)])


class Part(NamedTuple):
    """One battery-sized flight of a wish: figures, checks gravest first, and how it looks."""

    number: int
    estimates: Estimates
    checks: tuple[Check, ...]
    drawing: Drawing
    verdict: Verdict


class Sketch(NamedTuple):
    """What the planner makes of a wish, or why it makes nothing. ``kept``: the stored plan."""

    parts: tuple[Part, ...]
    refused: PlatformError | None
    kept: Plan | None = None


class Planner(NamedTuple):
    """The whole page."""

    assets: tuple[Asset, ...]
    drones: tuple[Drone, ...]
    asset: Asset | None
    pattern: Pattern | None
    patterns: tuple[Pattern, ...]
    sliders: tuple[Slider, ...]
    asked: Asked
    recent: tuple[Plan, ...]
    home: GeoPoint | None
    """The site's."""


def build(session: Session, asked: Asked) -> Planner:
    """Return the page's choices; NotFound for an asset that is none."""
    known = tuple(session.scalars(select(Asset).order_by(Asset.name).limit(500)))
    asset = assets.asset(session, asked.asset) if asked.asset else None
    fitting = PATTERNS.get(asset.kind, ()) if asset else ()
    pattern = asked.pattern if asked.pattern in fitting else next(iter(fitting), None)
    if asset is not None and pattern is Pattern.BLADES and asked.fence_radius_m is None:
        asked = asked.model_copy(update={"fence_radius_m": _fence_m(session, asset)})
    site = Drone.site_id == asset.site_id if asset else Drone.site_id == ""
    recent = select(Plan).where(Plan.asset_id == asset.asset_id) if asset else select(Plan)
    return Planner(
        assets=known,
        drones=tuple(session.scalars(select(Drone).where(site).order_by(Drone.name))),
        asset=asset,
        pattern=pattern,
        patterns=fitting,
        sliders=plan_wishes.sliders(pattern) if pattern else (),
        asked=asked,
        recent=tuple(session.scalars(recent.order_by(Plan.created_at.desc()).limit(6))),
        home=assets.home_of(assets.site(session, asset.site_id)) if asset else None,
    )


def _fence_m(session: Session, asset: Asset) -> float | None:
    """Return a fence wide enough for the way from home to a turbine, where the usual one is not."""
    if asset.turbine is None:
        return None
    home = asset.turbine.frame().to_enu(assets.home_of(assets.site(session, asset.site_id)))
    needed_m = 10.0 * math.ceil((math.hypot(home.east, home.north) + _BEYOND_HOME_M) / 10)
    return needed_m if needed_m > BladesParams().fence_radius_m else None


def sketch(session: Session, services: Services, planner: Planner) -> Sketch | None:
    """Return what the planner makes of the page's choices; None before an asset is chosen."""
    if planner.asset is None or planner.pattern is None:
        return None
    try:
        wish = planner.asked.wish(planner.pattern)
        made = plans.sketch(session, wish, terrain_of(services.settings))
    except InvalidInput as error:
        return Sketch((), error)
    order = list(Verdict)
    parts = []
    for number, flight in enumerate(made, start=1):
        checks = tuple(sorted(flight.checks, key=lambda check: -order.index(check.verdict)))
        drawing = plan_drawing.draw(flight.route, checks, planner.asset.turbine)
        parts.append(Part(number, flight.estimates, checks, drawing, checks[0].verdict if checks else Verdict.PASS))
    return Sketch(tuple(parts), None)


@router.get("")
def planner(
    request: Request, me: Reader, session: UnitOfWork, services: Svc, asked: Annotated[Asked, Query()]
) -> HTMLResponse:
    """Return the planner."""
    view = build(session, asked)
    return _shown(request, session, me, view, sketch(session, services, view))


def _shown(
    request: Request, session: Session, me: Principal, view: Planner, made: Sketch | None, note: str | None = None
) -> HTMLResponse:
    said = {(p.plan_id, p.version): _stretch(session, p) for p in view.recent}
    more = {
        "stretches": said,
        "view": view,
        "sketch": made,
        "note": note,
        "may_plan": me.may(Role.OPERATOR),
        "codecs": CODECS,
    }
    return room(request, session, me, "plan.html", here="plan", **more)


def _stretch(session: Session, plan: Plan) -> str:
    """Return which stretch of its asset a plan is for; nothing where that is all of it."""
    if plan.flown is None:
        return ""
    return labels.stretch(plan.flown, plan.pattern, session.get_one(Asset, plan.asset_id).shape)


@router.get("/sketch")
def live(session: UnitOfWork, services: Svc, me: Reader, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """Return the drawings, figures and checks of what is chosen now."""
    view = build(session, asked)
    return page(
        "_sketch.html", {"view": view, "sketch": sketch(session, services, view), "may_plan": me.may(Role.OPERATOR)}
    )


class Kept(BaseModel):
    """The plan that was stored, and how many flights it takes."""

    plan_id: str
    flights: int


@router.post("")
def keep(
    request: Request,
    me: Operator,
    session: UnitOfWork,
    services: Svc,
    asked: Annotated[Asked, Form()],
    key: Key = None,
) -> HTMLResponse:
    """Store the plan, once per key."""
    view = build(session, asked)
    if view.pattern is None:
        raise InvalidInput("Choose an asset first.", field="asset")
    wish = asked.wish(view.pattern)

    def make() -> Kept:
        rows = plans.create(session, services.routes, wish, me.username, terrain_of(services.settings))
        return Kept(plan_id=rows[0].plan_id, flights=len(rows))

    kept = Kept.model_validate_json(bytes(once(session, request, me, key, asked, make).body))
    said = _("{0} is kept with its {1} flights.") if kept.flights > 1 else _("{0} is kept.")
    note = said.format(kept.plan_id, kept.flights)
    view = build(session, asked)
    return _shown(request, session, me, view, sketch(session, services, view), note)


class Flown(BaseModel):
    """Who flies a plan."""

    drone_id: str = Field(max_length=80)


class Made(BaseModel):
    """The flight that was planned."""

    flight_id: str


@router.post("/{plan_id}/{version}/flights")
def fly(  # noqa: PLR0913, PLR0917 - the same
    request: Request,
    plan_id: str,
    version: int,
    me: Operator,
    session: UnitOfWork,
    given: Annotated[Flown, Form()],
    key: Key = None,
) -> HTMLResponse:
    """Plan a flight of a stored plan, once per key, and go to it, where it is approved."""

    def make() -> Made:
        row = flights.create(session, plan_id=plan_id, version=version, drone_id=given.drone_id, by=me.username)
        return Made(flight_id=row.flight_id)

    made = Made.model_validate_json(bytes(once(session, request, me, key, given, make).body))
    return HTMLResponse("", headers={"HX-Redirect": f"/flights/{made.flight_id}"})
