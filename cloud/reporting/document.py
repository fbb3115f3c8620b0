"""The report as PDF: set by Typst, tagged for screen readers, in the archival profile PDF/A-2a."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import typst

from cloud.reporting.facts import InspectionReport
from cloud.reporting.signed import Since

_TEMPLATE = resources.files("cloud.reporting").joinpath("templates", "inspection.typ")


def pdf(report: InspectionReport, crops: Mapping[str, bytes], since: Since | None = None) -> bytes:
    """Return the report as PDF; the same facts give the same bytes.

    Args:
        report: The facts.
        crops: JPEG of the best frame by finding id; a finding without one says so.
        since: The final report that its reader fetched before, where that is not true any more.

    """
    counts = list(report.by_rank().values())
    changed = since and {"by": since.fetched_by, "at": since.fetched_at, "what": since.lines}
    said = {"unreviewed": report.unreviewed, "undecided": report.undecided, "final": report.final, "since": changed}
    facts = report.model_dump(mode="json") | {"counts": counts} | said
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        files = {}
        for number, (finding_id, crop) in enumerate(crops.items()):
            files[finding_id] = f"crop-{number}.jpg"
            Path(folder, files[finding_id]).write_bytes(crop)
        source = Path(folder, "inspection.typ")
        source.write_text(_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
        made = typst.compile(
            str(source),
            root=folder,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["a-2a"],
            timestamp=int(report.as_of.timestamp()),
            sys_inputs={"report": json.dumps(facts, default=str), "crops": json.dumps(files)},
        )
    return bytes(made)
