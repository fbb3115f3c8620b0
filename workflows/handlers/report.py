"""The report as it stands at the end of an inspection."""

from __future__ import annotations

from cloud import conclusions
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return where it is kept."""
    return {"keys": conclusions.report(services, parsed_subject(task).subject)}
