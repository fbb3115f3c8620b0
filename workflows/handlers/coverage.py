"""What a flight did not see."""

from __future__ import annotations

from cloud import conclusions
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return how many stretches were not seen."""
    with services.database.session() as session:
        gaps = conclusions.unseen(session, parsed_subject(task).subject)
    return {"not_seen": len(gaps)}
