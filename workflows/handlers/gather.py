"""What happened on a day."""

from __future__ import annotations

from cloud import digests
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return how much there is to tell."""
    day = digests.day_of(parsed_subject(task).subject)
    with services.database.session() as session:
        return {"happened": digests.gather(session, day).happened}
