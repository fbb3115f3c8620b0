"""The grades of a whole flight, growth included."""

from __future__ import annotations

from cloud import consume, grading, inspections
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return how many ranks changed, and start what became critical."""
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        changed = inspections.regrade(session, parsed_subject(task).subject, policy)
    consume.start_wanted(services)
    return {"changed": len(changed)}
