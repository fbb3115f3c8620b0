"""Who is who over time."""

from __future__ import annotations

from cloud import conclusions
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return how many findings turned out to be others than before."""
    with services.database.session() as session:
        changed = conclusions.identify(session, parsed_subject(task).subject)
    return {"changed": changed}
