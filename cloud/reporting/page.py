"""The report as one HTML file: pictures inside, no script, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from cloud.assistant.words import severity_label
from cloud.reporting.facts import InspectionReport
from cloud.reporting.signed import Since

CONTENT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the file needs, for whoever serves it."""


def html(report: InspectionReport, crops: Mapping[str, bytes], since: Since | None = None) -> str:
    """Return the report as a page; ``crops`` holds the JPEG of the best frame by finding id.

    ``since`` is the final report that its reader fetched before, where that is not true any more.
    """
    embedded = {finding_id: base64.b64encode(crop).decode() for finding_id, crop in crops.items()}
    return _template().render(r=report, crops=embedded, since=since, when=_when, severity_label=severity_label)


@cache
def _template() -> Template:
    made = Environment(
        loader=PackageLoader("cloud.reporting"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return made.get_template("inspection.html")


def _when(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "not recorded"
