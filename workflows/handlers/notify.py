"""The message to the engineers."""

from __future__ import annotations

from cloud import notifications
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return the message's id."""
    finding_id = parsed(task).finding.finding_id
    with services.database.session() as session:
        sent = notifications.tell_engineers(session, services.notifier, finding_id)
    return {"message_id": sent.message_id}
