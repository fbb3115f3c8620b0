"""The question to a person whether a notification may be opened."""

from __future__ import annotations

from cloud import consume, decisions, grading
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> None:
    """Keep the token with the question: the answer comes when a person gives it, or when time is up."""
    finding_id = parsed(task).finding.finding_id
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        decisions.ask(session, finding_id, policy, execution=task.execution, token=task.token)
    consume.pass_on_answers(services)
