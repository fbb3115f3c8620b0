"""What is left to do for a critical finding."""

from __future__ import annotations

from cloud import follow_up, grading
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return ``todo``: the steps the state machine has to take."""
    finding_id = parsed(task).finding.finding_id
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        left = follow_up.left_to_do(session, finding_id, policy)
    return {"todo": left.todo, "reason": left.reason}
