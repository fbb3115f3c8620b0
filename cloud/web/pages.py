"""The pages: sign-in and operations; static files and pictures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, authenticate, csrf_token
from cloud.web import mapping, overview, pictures
from cloud.web.rendering import page, static_response
from contracts.errors import NotAuthenticated

router = APIRouter(include_in_schema=False)


@router.get("/")
def operations(
    request: Request,
    principal: Reader,
    services: Svc,
    session: UnitOfWork,
    flight: Annotated[str | None, Query(max_length=80)] = None,
    finding: Annotated[str | None, Query(max_length=80)] = None,
    asset: Annotated[str | None, Query(max_length=80)] = None,
) -> HTMLResponse:
    """Return the operations page of the flight asked for, else of the one in the air, else of the last."""
    view = overview.build(session, services.routes, flight_id=flight, asset_id=asset, finding_id=finding)
    return page("operations.html", {"me": principal, "csrf": csrf_token(request), "view": view, **_base(principal)})


@router.get("/map.json")
def map_data(
    principal: Reader,
    services: Svc,
    session: UnitOfWork,
    flight: Annotated[str | None, Query(max_length=80)] = None,
) -> JSONResponse:
    """Return what the map draws: site, assets, drones, the flight's route and trail."""
    return JSONResponse(mapping.build(session, services.routes, flight), headers={"Cache-Control": "no-store"})


@router.get("/login")
def sign_in(request: Request, next: Annotated[str, Query(max_length=400)] = "/") -> Response:  # noqa: A002 - query name
    """Return the sign-in page; who has a session goes on."""
    try:
        authenticate(request)
    except NotAuthenticated:
        return page("login.html", {"next": next})
    return RedirectResponse("/", status_code=303)


@router.get("/static/{build}/{path:path}")
async def static(request: Request, build: str, path: str) -> Response:
    """Return a static file."""
    return await static_response(request, path)


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Return the icon where browsers look for it."""
    return await static_response(request, "icon.svg")


def _base(principal: Any) -> dict[str, Any]:
    from contracts.vocabulary import Role  # noqa: PLC0415

    return {
        "may_command": principal.may(Role.OPERATOR),
        "may_review": principal.may(Role.ANALYST, Role.REVIEWER),
    }


router.include_router(pictures.router)
