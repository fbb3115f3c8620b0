"""What the state machine sends to the handlers, inside ``WorkflowTask.input``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from pydantic import ConfigDict, ValidationError

from cloud.services import Services
from contracts.errors import InvalidInput
from contracts.events import FindingCritical, WorkflowTask
from contracts.geo import Frozen

Handler: TypeAlias = Callable[[Services, WorkflowTask], dict[str, object] | None]
"""Returns the task's result; None when the answer comes later, from elsewhere."""
_I = TypeVar("_I", bound=Frozen)


class Failure(Frozen):
    """A branch that gave up: the error's name and its cause as the state machine saw them."""

    task: str
    error: str
    cause: str = ""


class TaskInput(Frozen):
    """The input of every task."""

    finding: FindingCritical
    failures: tuple[Failure, ...] = ()


class SubjectInput(Frozen):
    """The input of a task that is about a flight or a day; of any task, as far as failures go."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str = ""
    segment_id: str = ""
    failures: tuple[Failure, ...] = ()


def parsed_subject(task: WorkflowTask) -> SubjectInput:
    """Return the input of a task that is about a flight or a day.

    Raises:
        InvalidInput: It is not what the state machine should send.

    """
    return _read(SubjectInput, task)


def parsed(task: WorkflowTask) -> TaskInput:
    """Return the input of a task that is about a finding.

    Raises:
        InvalidInput: It is not what the state machine should send.

    """
    return _read(TaskInput, task)


def _read(shape: type[_I], task: WorkflowTask) -> _I:
    try:
        return shape.model_validate_json(json.dumps(task.input))
    except ValidationError as error:
        what = f"Task {task.task} of {task.execution}: {error}."
        raise InvalidInput(what, hint="Check the state machine.") from error
