"""A failure that people see and can resume."""

from __future__ import annotations

import json

from cloud import executions
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import Failure, parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Note that the run failed, which steps, why, and what to do."""
    failures = parsed_subject(task).failures
    error = "; ".join(f"{f.task}: {f.error}" for f in failures) or "Unknown"
    hint = " ".join(_told(f) for f in failures)
    with services.database.session() as session:
        executions.fail(session, task.execution, error, f"{hint} Then resume the run.".strip())
    return {"error": error}


def _told(failure: Failure) -> str:
    """Return the sentence in a cause: our handlers send JSON with message and hint, AWS itself sends text."""
    try:
        cause = json.loads(failure.cause)
        return f"{cause['message']} {cause['hint']}".strip()
    except (ValueError, KeyError, TypeError):
        return failure.cause.strip() or f"The step {failure.task} failed with {failure.error}."
