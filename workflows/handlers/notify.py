"""The alert to the engineers."""

from __future__ import annotations

from cloud import consume, notifications
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Raise the alert, and let its first round go out at once where the rota allows it."""
    finding_id = parsed(task).finding.finding_id
    with services.database.session() as session:
        raised = notifications.tell_engineers(session, finding_id)
    consume.tell_people(services)
    return {"message_id": raised.message_id}
