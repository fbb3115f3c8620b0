"""The forms a report comes in, and how each is made."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from cloud.reporting import page, tables
from cloud.reporting.facts import InspectionReport
from cloud.reporting.signed import Since
from contracts.errors import NotFound


class ReportFormat(StrEnum):
    """How a report is said."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"
    GEOJSON = "geojson"
    JSON = "json"


MEDIA_TYPES = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.HTML: "text/html; charset=utf-8",
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.GEOJSON: "application/geo+json",
    ReportFormat.JSON: "application/json",
}


TELLING = frozenset({ReportFormat.PDF, ReportFormat.HTML})
"""The forms that say what changed since their reader fetched a final report."""


class Objects(Protocol):
    """Where crops lie."""

    def get(self, key: str) -> bytes:
        """Return the whole object."""


def said(report: InspectionReport, form: ReportFormat, objects: Objects, since: Since | None = None) -> bytes | str:
    """Return a report in a form; the PDF and the page say what changed ``since`` its reader fetched a final one."""
    match form:
        case ReportFormat.CSV:
            return tables.findings_csv(report)
        case ReportFormat.GEOJSON:
            return tables.findings_geojson(report)
        case ReportFormat.JSON:
            return report.model_dump_json()
        case ReportFormat.HTML:
            return page.html(report, _crops(report, objects), since)
        case ReportFormat.PDF:
            from cloud.reporting import document  # noqa: PLC0415 - Typst is 80 MB of code that only this needs

            return document.pdf(report, _crops(report, objects), since)


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
