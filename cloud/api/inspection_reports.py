"""/v1/flights/{id}/report: the inspection as a document to sign, and its findings as tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from cloud import audit
from cloud.problems import RESPONSES
from cloud.reporting import facts, page, tables
from cloud.reporting.facts import InspectionReport
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from cloud.services import Objects
from contracts.errors import NotFound

router = APIRouter(prefix="/v1/flights", tags=["flights"], responses=RESPONSES)


class ReportFormat(StrEnum):
    """How a report is said."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"
    GEOJSON = "geojson"
    JSON = "json"


_MEDIA_TYPES = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.HTML: "text/html; charset=utf-8",
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.GEOJSON: "application/geo+json",
    ReportFormat.JSON: "application/json",
}
_CONTENT: dict[str, dict[str, str]] = {media_type.split(";")[0]: {} for media_type in _MEDIA_TYPES.values()}


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
    audit.record(session, principal.username, "flight.report", flight_id, after={"format": form.value})
    shown = "inline" if form is ReportFormat.HTML else "attachment"
    headers = {
        "Content-Disposition": f'{shown}; filename="{flight_id}.{form}"',
        "Content-Security-Policy": page.CONTENT_POLICY,
        "Cache-Control": "private, no-store",
    }
    return Response(_said(report, form, services.objects), media_type=_MEDIA_TYPES[form], headers=headers)


def _said(report: InspectionReport, form: ReportFormat, objects: Objects) -> bytes | str:
    match form:
        case ReportFormat.CSV:
            return tables.findings_csv(report)
        case ReportFormat.GEOJSON:
            return tables.findings_geojson(report)
        case ReportFormat.JSON:
            return report.model_dump_json()
        case ReportFormat.HTML:
            return page.html(report, _crops(report, objects))
        case ReportFormat.PDF:
            from cloud.reporting import document  # noqa: PLC0415 - Typst is 80 MB of code that only this needs

            return document.pdf(report, _crops(report, objects))


def _crops(report: InspectionReport, objects: Objects) -> dict[str, bytes]:
    """Return the best frame's crop of each finding, less those gone from the store: the report says so."""
    found = {}
    for finding in report.findings:
        if finding.picture is None:
            continue
        try:
            found[finding.finding_id] = objects.get(finding.picture.crop_key)
        except NotFound:
            continue
    return found
