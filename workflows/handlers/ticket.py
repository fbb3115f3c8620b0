"""The maintenance notification in SAP."""

from __future__ import annotations

from cloud import follow_up, grading
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return the notification's number; None where none is due any more."""
    finding_id = parsed(task).finding.finding_id
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        ticket = follow_up.open_ticket(session, services.maintenance, finding_id, policy)
    return {"number": ticket.number if ticket else None}
