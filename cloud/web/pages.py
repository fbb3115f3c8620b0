"""The pages: sign-in and operations; static files and pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, authenticate
from cloud.web import mapping, overview, pictures
from cloud.web.overview import Shown
from cloud.web.rendering import data, page, static_response
from cloud.web.shell import room
from contracts.errors import NotAuthenticated
from contracts.vocabulary import Role

router = APIRouter(include_in_schema=False)


@router.get("/")
def operations(
    request: Request, principal: Reader, services: Svc, session: UnitOfWork, shown: Annotated[Shown, Query()]
) -> HTMLResponse:
    """Return the operations page of the flight asked for, else of the one in the air, else of the last."""
    view = overview.build(session, services.routes, services.objects, shown)
    may_command = principal.may(Role.OPERATOR)
    return room(request, session, principal, "operations.html", here="operations", view=view, may_command=may_command)


@router.get("/map.json", dependencies=[Depends(authenticate)])
def map_data(
    request: Request,
    services: Svc,
    session: UnitOfWork,
    flight: Annotated[str | None, Query(max_length=80)] = None,
) -> Response:
    """Return what the map draws: site, assets, drones, the flight's route and trail."""
    return data(request, mapping.build(session, services.routes, services.objects, flight))


@router.get("/login")
def sign_in(request: Request, next: Annotated[str, Query(max_length=400)] = "/") -> Response:  # noqa: A002 - query name
    """Return the sign-in page; who has a session goes on."""
    try:
        authenticate(request)
    except NotAuthenticated:
        return page("login.html", {"next": next})
    return RedirectResponse("/", status_code=303)


@router.get("/static/{path:path}")
async def static(request: Request, path: str) -> Response:
    """Return a static file; the first part of the path is the build and only makes addresses new."""
    return await static_response(request, path.partition("/")[2])


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Return the icon where browsers look for it."""
    return await static_response(request, "icon.svg")


router.include_router(pictures.router)
