"""The findings of a report for other programs: CSV for spreadsheets, GeoJSON for maps."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any

from cloud.reporting.facts import InspectionReport, Reported

COLUMNS = (
    "finding_id",
    "number",
    "kind",
    "place",
    "length_mm",
    "width_mm",
    "size_sigma_mm",
    "rank",
    "scheme",
    "code",
    "graded_by",
    "reason",
    "action",
    "due_at",
    "status",
    "confidence",
    "reviewed_by",
    "ticket",
    "ticket_phase",
    "lat_deg",
    "lon_deg",
    "alt_m",
    "ce90_m",
    "ticket_system",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def findings_csv(report: InspectionReport) -> str:
    """Return one line per finding; a text that a spreadsheet would run as a formula is led by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for finding in report.findings:
        writer.writerow([_cell(getattr(finding, column)) for column in COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def findings_geojson(report: InspectionReport) -> str:
    """Return a FeatureCollection (RFC 7946: longitude first); a finding without a place has a null geometry."""
    features = [_feature(finding) for finding in report.findings]
    return json.dumps({"type": "FeatureCollection", "features": features})


def _feature(finding: Reported) -> dict[str, Any]:
    placed = finding.lon_deg is not None and finding.lat_deg is not None
    point = [finding.lon_deg, finding.lat_deg, *([finding.alt_m] if finding.alt_m is not None else [])]
    plain = finding.model_dump(mode="json", include=set(COLUMNS) - {"lat_deg", "lon_deg", "alt_m"})
    geometry = {"type": "Point", "coordinates": point} if placed else None
    return {"type": "Feature", "id": finding.finding_id, "geometry": geometry, "properties": plain}
