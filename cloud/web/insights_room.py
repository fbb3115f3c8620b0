"""/insights: trends, worst first, what was not looked at; the same views for other programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from cloud import miss_rate
from cloud.datasets import exports
from cloud.datasets.views import VIEWS
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, authenticate
from cloud.web import cost_view, insights_view, zone
from cloud.web.insights_view import Wanted
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
    """Return what many inspections say together."""
    now = datetime.now(UTC)
    view = insights_view.build(session, wanted, now, zone.of_reader(request))
    since = now - timedelta(days=int(wanted.days))
    cost = cost_view.build(session, wanted, view.defects, since, services.settings)
    more: dict[str, Any] = {"view": view, "cost": cost, "qualities": miss_rate.of_classes(session)}
    more |= {"kinds": tuple(AssetKind), "views": tuple(VIEWS)}
    return room(request, session, me, "insights.html", here="insights", **more)


@router.get("/{view}.{form}")
def export(view: str, form: Literal["csv", "geojson", "kml", "coco"], session: UnitOfWork) -> Response:
    """Return a view of the analysts as CSV, or the findings as GeoJSON, KML or COCO."""
    body = exports.exported(session, form, view, None)
    ending = "json" if form == "coco" else form
    headers = {"Content-Disposition": f'attachment; filename="{view}.{ending}"', "Cache-Control": "no-store"}
    return Response(body, media_type=_MEDIA[form], headers=headers)
