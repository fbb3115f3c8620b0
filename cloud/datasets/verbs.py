"""``kestrel-cloud export`` and ``kestrel-cloud publish``: findings as files; the analysts' views as Parquet in S3."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.datasets import formats
from cloud.datasets.rows import read
from cloud.db import Database
from cloud.services import Services
from cloud.tables import Drone, EvidenceRow, Finding, Media

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Guarded = Callable[[Callable[[], object]], object]
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


def add_to(
    app: typer.Typer, database: Callable[[], Database], services: Callable[[], Services], guarded: Guarded
) -> None:
    """Add the verbs; ``guarded`` turns failures into a line and an exit code."""

    @app.command()
    def export(
        form: Annotated[Format, typer.Argument(metavar="FORMAT", help="csv, geojson, kml or coco")],
        out: Annotated[Path, typer.Option(help="File to write.")],
        view: Annotated[str, typer.Option(help="CSV: which view of docs/datasets.md.")] = "findings",
        asset: Annotated[str | None, typer.Option(help="Only this asset.")] = None,
        as_json: Json = False,
    ) -> None:
        """Write findings (or for CSV any view) as a file other programs read."""

        def act() -> int:
            opened = database()
            with opened.session() as session:
                written = out.write_text(exported(session, form, view, asset), encoding="utf-8")
            opened.close()
            return written

        size = guarded(act)
        typer.echo(json.dumps({"file": str(out), "characters": size}) if as_json else f"{out}: {size} characters")

    @app.command()
    def publish(as_json: Json = False) -> None:
        """Write the analysts' views to S3 as Parquet, with the Glue tables Athena and QuickSight read them by."""

        def act() -> dict[str, int]:
            from cloud.datasets.publish import publish as write  # noqa: PLC0415 - polars loads slowly

            built = services()
            with built.database.session() as session:
                return write(session, built.objects, built.settings.bucket, datetime.now(UTC))

        counts = guarded(act)
        if isinstance(counts, dict):
            typer.echo(json.dumps(counts) if as_json else "\n".join(f"{k}: {v} rows" for k, v in counts.items()))
