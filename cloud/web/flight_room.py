"""/flights/{id}: one flight on one time axis; its approval before, and carrying it on after it was broken off."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cloud import flights
from cloud.language import _
from cloud.planning import conditions, plans, resuming
from cloud.reporting import blades, signed
from cloud.requests import Svc, UnitOfWork
from cloud.security import Operator, Principal, Reader, authenticate
from cloud.services import Services
from cloud.tables import Flight
from cloud.web import finding_view, flight_axis, flight_view, mapping, schematic, timeline
from cloud.web.rendering import data
from cloud.web.shell import room
from contracts.vocabulary import FlightState, Role

router = APIRouter(prefix="/flights", include_in_schema=False, dependencies=[Depends(authenticate)])
_OVER = (FlightState.LANDED.value, FlightState.COMPLETE.value, FlightState.ABORTED.value)


@router.get("/{flight_id}")
def flight(request: Request, flight_id: str, me: Reader, session: UnitOfWork, services: Svc) -> HTMLResponse:
    """Return a flight."""
    return _shown(request, session, services, me, flights.flight(session, flight_id))


def _shown(
    request: Request, session: Session, services: Services, me: Principal, row: Flight, note: str | None = None
) -> HTMLResponse:
    route = mapping.route_of(session, services.routes, row)
    reached = row.resume_at if row.waypoint is None else row.waypoint
    more = {
        "view": flight_view.build(session, row, route),
        "timeline": timeline.build(session, services.objects, row, route),
        "schematic": blades.build(session, row),
        "strips": schematic.of_flight(session, row),
        "cards": finding_view.cards(session, row.flight_id),
        "checks": conditions.of_flight(session, row.flight_id),
        "unfinished": row.state in _OVER and route is not None and reached < len(route.waypoints) - 1,
        "may_command": me.may(Role.OPERATOR),
        "people": services.settings.flight_approvals,
        "note": note,
        "since": signed.of_reader(signed.since(session, [row.flight_id]).get(row.flight_id, ()), me.username),
    }
    return room(request, session, me, "flight.html", here="operations", **more)


@router.get("/{flight_id}/axis.json")
def axis(request: Request, flight_id: str, session: UnitOfWork, services: Svc) -> Response:
    """Return the flight as numbers on one time axis."""
    row = flights.flight(session, flight_id)
    return data(request, flight_axis.build(session, services.routes, services.objects, row))


class Approval(BaseModel):
    """The warnings that the approver has read, by name."""

    acknowledged: list[str] = Field(default_factory=list, max_length=50)


@router.post("/{flight_id}/approve")
def approve(
    request: Request,
    flight_id: str,
    me: Operator,
    session: UnitOfWork,
    services: Svc,
    given: Annotated[Approval, Form()],
) -> HTMLResponse:
    """Let the flight fly."""
    people = services.settings.flight_approvals
    checks = [check.model_dump(mode="json") for check in conditions.of_flight(session, flight_id)]
    row = flights.approve(
        session, flight_id, me.username, checks=checks, acknowledged=given.acknowledged, people=people
    )
    session.flush()
    approved = row.state == FlightState.APPROVED.value
    note = _("The flight is approved.") if approved else _("Your approval is kept; another person's is needed.")
    return _shown(request, session, services, me, row, note)


@router.post("/{flight_id}/abort")
def abort(request: Request, flight_id: str, me: Operator, session: UnitOfWork, services: Svc) -> HTMLResponse:
    """Give up a flight that has not taken off, or whose aircraft is lost."""
    row = flights.abort(session, flight_id, me.username)
    session.flush()
    return _shown(request, session, services, me, row, _("The flight is given up."))


@router.post("/{flight_id}/carry-on")
def carry_on(flight_id: str, me: Operator, session: UnitOfWork, services: Svc) -> HTMLResponse:
    """Plan the flight that goes on where this one was broken off, and go to it."""
    row = flights.flight(session, flight_id)
    route = plans.route(session, services.routes, row.plan_id, row.plan_version)
    made = flights.carry_on(session, flight_id, len(route.waypoints), me.username, partial(resuming.joins, route))
    return HTMLResponse("", headers={"HX-Redirect": f"/flights/{made.flight_id}"})
