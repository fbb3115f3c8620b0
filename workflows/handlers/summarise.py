"""The drafted summary."""

from __future__ import annotations

from cloud import summaries
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return where the text came from."""
    finding_id = parsed(task).finding.finding_id
    with services.database.session() as session:
        summary = summaries.summarise(session, services.language_model, finding_id)
    return {"source": summary.source}
