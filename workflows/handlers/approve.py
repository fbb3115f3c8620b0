"""The question to a person whether a new version of the detector comes into force."""

from __future__ import annotations

from datetime import UTC, datetime

from cloud import consume
from cloud.services import Services
from cloud.training import versions
from contracts.events import WorkflowTask
from workflows.events import parsed_subject


def handle(services: Services, task: WorkflowTask) -> None:
    """Keep the token with the version: the answer comes when a person gives it, or when time is up."""
    version, now = parsed_subject(task).subject, datetime.now(UTC)
    with services.database.session() as session:
        versions.ask(session, version, execution=task.execution, token=task.token, now=now)
    consume.pass_on_answers(services)
