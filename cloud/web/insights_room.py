"""/insights: trends, worst first, what was not looked at; the same views for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from cloud import miss_rate
from cloud.blind import planted, rate
from cloud.datasets import exports
from cloud.datasets.views import VIEWS
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, authenticate
from cloud.services import Services
from cloud.web import cost_view, insights_rest, insights_view, shell, zone
from cloud.web.insights_view import Live, Wanted
from cloud.web.rendering import page
from cloud.web.shell import room
from contracts.vocabulary import AssetKind

router = APIRouter(prefix="/insights", include_in_schema=False, dependencies=[Depends(authenticate)])
_MEDIA = {
    "csv": "text/csv",
    "geojson": "application/geo+json",
    "kml": "application/vnd.google-earth.kml+xml",
    "coco": "application/json",
}


@router.get("")
def insights(
    request: Request, me: Reader, services: Svc, session: UnitOfWork, wanted: Annotated[Wanted, Query()]
) -> HTMLResponse:
    """Return what many inspections say together; a filter gets the figures, and asks for the lists by itself."""
    now, middle = datetime.now(UTC), shell.is_middle(request)
    view = insights_view.build(session, wanted, now, zone.of_reader(request), choices=not middle)
    more = {} if middle else _lists(session, services, wanted, now, view.defects)
    return room(request, session, me, "insights.html", here="insights", view=view, kinds=tuple(AssetKind), **more)


@router.get("/rest")
def rest(session: UnitOfWork, services: Svc, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    """Return the lists below the figures."""
    now = datetime.now(UTC)
    live = insights_view.live_defects(session, wanted, now)
    return page("_insights_rest.html", _lists(session, services, wanted, now, live))


def _lists(session: Session, services: Services, wanted: Wanted, now: datetime, live: Iterable[Live]) -> dict[str, Any]:
    cost = cost_view.build(session, wanted, live, now - timedelta(days=int(wanted.days)), services.settings)
    more: dict[str, Any] = {"rest": insights_rest.build(session, wanted), "cost": cost}
    told: dict[str, Any] = {"qualities": miss_rate.of_classes(session), "blind": rate.of_classes(session)}
    card = planted.spoke_last(session)
    told["planted"] = card.planted if card else None
    told["planted_missed"] = planted.missed(card.planted) if card and card.planted else None
    return more | told | {"views": tuple(VIEWS)}


@router.get("/{view}.{form}")
def export(view: str, form: Literal["csv", "geojson", "kml", "coco"], session: UnitOfWork) -> Response:
    """Return a view of the analysts as CSV, or the findings as GeoJSON, KML or COCO."""
    body = exports.exported(session, form, view, None)
    ending = "json" if form == "coco" else form
    headers = {"Content-Disposition": f'attachment; filename="{view}.{ending}"', "Cache-Control": "no-store"}
    return Response(body, media_type=_MEDIA[form], headers=headers)
