"""Pieces of the page that refresh on their own, and the actions a person takes on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from cloud import fleet, flights
from cloud.planning.flying import TAKE_OFF_UP_M
from cloud.reporting import blades
from cloud.requests import Svc, UnitOfWork
from cloud.security import Principal, Reader, authenticate
from cloud.web import finding_view, flight_view, mapping, schematic, timeline
from cloud.web.rendering import page, problem
from contracts.errors import Forbidden, PlatformError
from contracts.vocabulary import CommandKind, Role

router = APIRouter(prefix="/fragments", include_in_schema=False, dependencies=[Depends(authenticate)])


@router.get("/flights/{flight_id}/header")
def header(flight_id: str, principal: Reader, services: Svc, session: UnitOfWork) -> HTMLResponse:
    """Return state, progress and command buttons of a flight."""
    flight = flights.flight(session, flight_id)
    view = flight_view.build(session, flight, mapping.route_of(session, services.routes, flight))
    return page("_flight.html", {"flight": view, "may_command": principal.may(Role.OPERATOR)})


@router.get("/flights/{flight_id}/timeline")
def time_axis(flight_id: str, services: Svc, session: UnitOfWork) -> HTMLResponse:
    """Return the time axis of a flight."""
    flight = flights.flight(session, flight_id)
    route = mapping.route_of(session, services.routes, flight)
    axis = timeline.build(session, services.objects, flight, route)
    return page("_timeline.html", {"timeline": axis, "flight_id": flight_id})


@router.get("/flights/{flight_id}/blades")
def coverage(flight_id: str, session: UnitOfWork) -> HTMLResponse:
    """Return what a flight saw: a turbine's blades unrolled, or the parts of what has none."""
    flight = flights.flight(session, flight_id)
    drawn = {"schematic": blades.build(session, flight), "strips": schematic.of_flight(session, flight)}
    return page("_blades.html", drawn | {"flight_id": flight_id})


@router.get("/findings")
def findings(
    session: UnitOfWork,
    flight: Annotated[str | None, Query(max_length=80)] = None,
    rank: Annotated[int | None, Query(ge=1, le=5)] = None,
) -> HTMLResponse:
    """Return the finding cards of a flight, or of one severity."""
    return page("_findings.html", {"cards": finding_view.cards(session, flight, rank)})


@router.get("/findings/{finding_id}")
def finding(finding_id: str, principal: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return the side sheet of a finding."""
    try:
        may_review = principal.may(Role.ANALYST, Role.REVIEWER)
        return page("_finding.html", {"sheet": finding_view.sheet(session, finding_id), "may_review": may_review})
    except PlatformError as error:
        return problem(error)


@router.get("/tickets")
def tickets(session: UnitOfWork, flight: Annotated[str | None, Query(max_length=80)] = None) -> HTMLResponse:
    """Return the ticket table of a flight."""
    return page("_tickets.html", {"tickets": finding_view.tickets(session, flight), "flight_id": flight})


class Held(BaseModel):
    """A button that was held; each holding has its own key."""

    kind: CommandKind
    key: str = Field(min_length=8, max_length=80)


@router.post("/flights/{flight_id}/commands")
def command(
    flight_id: str, principal: Reader, services: Svc, session: UnitOfWork, held: Annotated[Held, Form()]
) -> HTMLResponse:
    """Issue a command (once per key) and return the flight's header with its life cycle."""
    try:
        _allow(principal, Role.OPERATOR)
        flight = flights.flight(session, flight_id, lock=True)
        fleet.issue_command(
            session,
            flight=flight,
            drone_id=flight.drone_id,
            kind=held.kind,
            issuer=principal.username,
            altitude_m=TAKE_OFF_UP_M if held.kind is CommandKind.TAKE_OFF else None,
            key=held.key,
        )
        session.flush()
        return header(flight_id, principal, services, session)
    except PlatformError as error:
        session.rollback()
        return problem(error)


def _allow(principal: Principal, *roles: Role) -> None:
    if not principal.may(*roles):
        wanted = " or ".join(role.value for role in roles)
        raise Forbidden(f"{principal.username} may not do this.", hint=f"It takes the role {wanted}.")
