"""/assets: every asset by its health; /assets/{id}: one asset; a defect's years; pictures on each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from cloud.history import comparison, pictures
from cloud.history.comparison import Layer
from cloud.reporting import signed
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, authenticate
from cloud.web import asset_view, defect_view, flight_view, link_question, shell
from cloud.web.asset_view import Shown, Wanted
from cloud.web.shell import room
from contracts.vocabulary import AssetKind, Role

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])


@router.get("/assets")
def asset_list(request: Request, me: Reader, session: UnitOfWork, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    """Return the list of assets."""
    found = asset_view.listed(session, wanted, datetime.now(UTC), choices=not shell.is_middle(request))
    return room(request, session, me, "assets.html", here="assets", list=found, kinds=tuple(AssetKind))


@router.get("/assets/{asset_id}")
def asset(
    request: Request, asset_id: str, me: Reader, session: UnitOfWork, shown: Annotated[Shown, Query()]
) -> HTMLResponse:
    """Return the page of an asset, a defect of it opened."""
    view = asset_view.build(session, asset_id, shown)
    years = defect_view.build(session, view.open_defect) if view.open_defect else None
    untrue = signed.since(session, [one.flight.flight_id for one in view.inspections])
    return room(
        request,
        session,
        me,
        "asset.html",
        here="assets",
        view=view,
        years=years,
        stretches=flight_view.stretches(session, [one.flight.flight_id for one in view.inspections]),
        since={flight_id: signed.of_reader(found, me.username) for flight_id, found in untrue.items()},
        questions=link_question.open_questions(session, asset_id),
        may_review=me.may(Role.ANALYST, Role.REVIEWER),
        now=datetime.now(UTC),
    )


@router.get("/pictures/{earlier_id}/onto/{later_id}.jpg")
def compared(earlier_id: str, later_id: str, services: Svc, session: UnitOfWork, layer: Layer = Layer.CROP) -> Response:
    """Return an earlier crop on a later one's pixels, as a layer; ``X-Kestrel-Alignment`` says whether that worked."""
    found = comparison.layered(comparison.fit(session, services.objects, earlier_id, later_id), layer)
    headers = {"Cache-Control": "private, max-age=86400, immutable", "X-Kestrel-Alignment": found.alignment}
    return Response(pictures.encode(found.image), media_type="image/jpeg", headers=headers)
