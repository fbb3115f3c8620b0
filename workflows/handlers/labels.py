"""What people judged, collected for a new version of the detector."""

from __future__ import annotations

from datetime import UTC, datetime

from cloud.services import Services
from cloud.training import versions
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return how many frames the version learns and is measured from."""
    version = parsed_subject(task).subject
    with services.database.session() as session:
        return {"frames": versions.collect(session, services.objects, version, datetime.now(UTC))}
