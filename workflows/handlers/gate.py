"""Whether a new version of the detector may be put before a person."""

from __future__ import annotations

from cloud.services import Services
from cloud.training import versions
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Fail where the gate has objections; what was measured and what it objects to is kept all the same."""
    version = parsed_subject(task).subject
    with services.database.session() as session:
        versions.judge(session, services.objects, version)
    with services.database.session() as session:
        versions.refuse_objectionable(session, version)
    return {"passed": True}
