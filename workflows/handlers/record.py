"""The end of a run, written down."""

from __future__ import annotations

from cloud import executions
from cloud.services import Services
from contracts.events import WorkflowTask


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Note that the run succeeded."""
    with services.database.session() as session:
        executions.succeed(session, task.execution)
    return {"execution": task.execution}
