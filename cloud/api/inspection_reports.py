"""/v1/flights/{id}/report: the inspection as a document to sign, and its findings as tables."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from cloud import audit, flights
from cloud.language import SOURCE, speaking, spoken
from cloud.problems import RESPONSES
from cloud.reporting import facts, page, signed
from cloud.reporting.forms import MEDIA_TYPES, TELLING, ReportFormat, said
from cloud.reporting.signed import Since
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader

router = APIRouter(prefix="/v1/flights", tags=["flights"], responses=RESPONSES)


_CONTENT: dict[str, dict[str, str]] = {media_type.split(";")[0]: {} for media_type in MEDIA_TYPES.values()}


@router.get("/{flight_id}/report", response_class=Response, responses={200: {"content": _CONTENT}})
def get_report(
    flight_id: str,
    session: UnitOfWork,
    services: Svc,
    principal: Reader,
    form: Annotated[ReportFormat, Query(alias="format", description="How the report is said.")] = ReportFormat.PDF,
) -> Response:
    """Return the inspection report as it stands now; a draft says so on its first page."""
    report = facts.gather(session, flight_id)
    since = signed.of_reader(signed.since(session, [flight_id]).get(flight_id, ()), principal.username)
    if since is None or since.fetched_by != principal.username or form in TELLING:
        signed.keep(session, report, principal.username, spoken())
    audit.record(session, principal.username, "flight.report", flight_id, after={"format": form.value})
    shown = "inline" if form is ReportFormat.HTML else "attachment"
    headers = {
        "Content-Disposition": f'{shown}; filename="{flight_id}.{form}"',
        "Content-Security-Policy": page.CONTENT_POLICY,
        "Cache-Control": "private, no-store",
    }
    with speaking(SOURCE):
        content = said(report, form, services.objects, since)
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


@router.get("/{flight_id}/report/changes")
def get_report_changes(flight_id: str, session: UnitOfWork, _: Reader) -> list[Since]:
    """Return the final reports of a flight that were fetched and are not true any more, with what changed since."""
    flights.flight(session, flight_id)
    return signed.since(session, [flight_id]).get(flight_id, [])
