"""The trainer: takes jobs of a retraining from its queue and answers each with the task's token."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from pydantic import ValidationError

from contracts import resources
from contracts.errors import InvalidInput, PlatformError, Unavailable
from contracts.events import WorkflowTask
from vision.logbook import log, log_failure
from vision.worker import Job

_BEAT_S = 30.0
_UNEXPECTED = "Unexpected"
"""Error name of a bug: no retry matches it, the run fails where people see it."""
Lesson = Callable[[str], object]
"""A step of a retraining, given the version."""


class Queue(Protocol):
    """Jobs of trainings."""

    def receive(self) -> Job | None:
        """Return the next job, or None."""
        ...

    def extend(self, job: Job, seconds: int) -> None:
        """Keep a job for longer."""
        ...

    def done(self, job: Job) -> None:
        """Remove a job for good."""
        ...


class Tokens(Protocol):
    """Tasks that wait; False where nobody does any more."""

    def succeed(self, token: str, output: str) -> bool:
        """Answer a task."""
        ...

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task with an error."""
        ...

    def beat(self, token: str) -> bool:
        """Say that a task is alive."""
        ...


class Trainer:
    """One job per ``step``: hours at a time, so it keeps the job and says all the while that it is alive."""

    def __init__(self, queue: Queue, tokens: Tokens, lessons: Mapping[str, Lesson], *, beat_s: float = _BEAT_S) -> None:
        self._queue = queue
        self._tokens = tokens
        self._lessons = lessons
        self._beat_s = beat_s

    def step(self) -> bool | None:
        """Run the next job; None when there is none, False when it is not one of ours."""
        job = self._queue.receive()
        if job is None:
            return None
        try:
            task = WorkflowTask.model_validate_json(job.body)
            lesson, version = self._lessons[task.task], str(task.input["subject"])
        except (ValidationError, KeyError) as error:
            log("training_job_unreadable", times=job.times_received, error=str(error)[:400])
            return False  # left to the queue: after its last delivery it is a dead letter
        with self._kept(job, task.token):
            wanted = self._answer(task, lesson, version)
        if not wanted:
            log("training_answer_unwanted", task=task.task, execution=task.execution)
        self._queue.done(job)
        return True

    def _answer(self, task: WorkflowTask, lesson: Lesson, version: str) -> bool:
        try:
            lesson(version)
        except PlatformError as error:
            log("training_failed", task=task.task, version=version, error=error.code, message=str(error))
            cause = {"message": error.message, "hint": error.hint}
            return self._tokens.fail(task.token, type(error).__name__, json.dumps(cause))
        except Exception as error:  # noqa: BLE001 - a bug must reach the state machine, or the run waits for its timeout
            log_failure("training_crashed", error)
            cause = {"message": f"{type(error).__name__}: {error}", "hint": "See the trainer's log."}
            return self._tokens.fail(task.token, _UNEXPECTED, json.dumps(cause))
        log("training_done", task=task.task, version=version)
        return self._tokens.succeed(task.token, "{}")

    @contextmanager
    def _kept(self, job: Job, token: str) -> Iterator[None]:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._beat_s):
                try:
                    self._queue.extend(job, resources.VISIBILITY_S)
                    self._tokens.beat(token)
                except Unavailable as error:
                    log("heartbeat_missed", error=str(error))

        beating = threading.Thread(target=beat, name="kestrel-heartbeat", daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()


def once(lessons: Mapping[str, Lesson], task: str, version: str) -> None:
    """Run one step without a queue, as a job of SageMaker does.

    Raises:
        InvalidInput: There is no such step.

    """
    if task not in lessons:
        raise InvalidInput(f"No step {task!r}.", hint=f"There are {', '.join(lessons)}.", field="once")
    lessons[task](version)
