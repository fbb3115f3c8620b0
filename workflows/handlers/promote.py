"""A new version of the detector comes into force."""

from __future__ import annotations

from datetime import UTC, datetime

from cloud.services import Services
from cloud.training import versions
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return which weights the workers take up."""
    version = parsed_subject(task).subject
    with services.database.session() as session:
        return {"sha256": versions.promote(session, services.objects, version, datetime.now(UTC)).sha256}
