"""One segment, waited for."""

from __future__ import annotations

from cloud import conclusions
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return whether it is analysed or failed."""
    return {"state": conclusions.settle(services, parsed_subject(task).segment_id)}
