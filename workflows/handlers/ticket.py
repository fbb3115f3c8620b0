"""The maintenance notification in SAP."""

from __future__ import annotations

from cloud import tickets
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return the notification's number."""
    finding_id = parsed(task).finding.finding_id
    with services.database.session() as session:
        ticket = tickets.open_ticket(session, services.sap, finding_id)
    return {"number": ticket.number}
