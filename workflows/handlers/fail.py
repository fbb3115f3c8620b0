"""A failure that people see and can resume."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cloud import executions
from cloud.services import Services
from contracts.errors import PlatformError, Unavailable
from contracts.events import WorkflowTask
from workflows.events import Failure, parsed_subject


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Note that the run failed, which steps, why, and what to do."""
    failures = parsed_subject(task).failures
    error = "; ".join(f"{f.task}: {f.error}" for f in failures) or "Unknown"
    hint = " ".join(_told(f) for f in failures)
    with services.database.session() as session:
        told = f"{hint} Then resume the run.".strip()
        executions.fail(session, task.execution, error, told, outage=outage_of(failures))
    return {"error": error}


def outage_of(failures: Sequence[Failure]) -> str:
    """Return whose outage is among the failures; empty where none is."""
    tasks = {failure.task for failure in failures if failure.error in _names(Unavailable)}
    if not tasks:
        return ""
    return executions.OF_MAINTENANCE if "ticket" in tasks else executions.OF_PLATFORM


def _names(kind: type[PlatformError]) -> set[str]:
    """Return an error's name in the state machine, and those of its kinds."""
    return {kind.__name__}.union(*(_names(sub) for sub in kind.__subclasses__()))


def _told(failure: Failure) -> str:
    """Return the sentence in a cause: our handlers send JSON with message and hint, AWS itself sends text."""
    try:
        cause = json.loads(failure.cause)
        return f"{cause['message']} {cause['hint']}".strip()
    except (ValueError, KeyError, TypeError):
        return failure.cause.strip() or f"The step {failure.task} failed with {failure.error}."
