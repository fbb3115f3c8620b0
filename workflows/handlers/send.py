"""The morning's digest, to everyone of the rota."""

from __future__ import annotations

from cloud import digests
from cloud.alerts import rota
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return to how many it went."""
    day = digests.day_of(parsed_subject(task).subject)
    chosen = rota.load(services.settings.oncall_file)
    with services.database.session() as session:
        digest = digests.gather(session, day)
    return {"sent": digests.send(services.channels, chosen, day, digest)}
