"""The segments of a flight."""

from __future__ import annotations

from cloud import conclusions
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return their ids, once all are stored."""
    with services.database.session() as session:
        found = conclusions.segments(session, parsed_subject(task).subject)
    return {"segments": found}
