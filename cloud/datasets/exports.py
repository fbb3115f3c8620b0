"""Findings, or any view of the analysts, as the text of a file other programs read."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.datasets import formats
from cloud.datasets.rows import read
from cloud.tables import Drone, EvidenceRow, Finding, Media

Format = Literal["csv", "geojson", "kml", "coco"]


def exported(session: Session, form: Format, view: str, asset_id: str | None) -> str:
    """Return a view (CSV) or the findings (GeoJSON, KML, COCO) as text."""
    if form == "coco":
        return formats.as_coco(_evidence(session, asset_id))
    table = read(session, view if form == "csv" else "findings", asset_id)
    return {"csv": formats.as_csv, "geojson": formats.as_geojson, "kml": formats.as_kml}[form](table)


def _evidence(session: Session, asset_id: str | None) -> list[dict[str, Any]]:
    query = (
        select(EvidenceRow, Finding, Drone.camera)
        .join(Finding, Finding.finding_id == EvidenceRow.finding_id)
        .join(Media, Media.segment_id == EvidenceRow.segment_id)
        .join(Drone, Drone.drone_id == Media.drone_id)
    )
    if asset_id is not None:
        query = query.where(Finding.asset_id == asset_id)
    return [
        {
            "segment_id": row.segment_id,
            "frame": row.frame,
            "width_px": camera["width_px"],
            "height_px": camera["height_px"],
            "box": row.box,
            "captured_at": row.captured_at,
            "kind": finding.kind,
            "finding_id": finding.finding_id,
            "status": finding.status,
            "severity_rank": finding.severity_rank,
        }
        for row, finding, camera in session.execute(query.order_by(EvidenceRow.evidence_id))
    ]
