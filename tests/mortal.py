"""Programs that are killed at the worst moments: every task once before its work, at its commit, after it, answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

from sqlalchemy.orm import Session

from cloud.services import Services
from contracts import resources
from contracts.events import WorkflowTask
from vision.worker import Job
from workflows.worker import HANDLERS

MOMENTS = ("before", "uncommitted", "done", "answered")
"""One more delivery than these and the queue still gives a message out (``resources.MAX_RECEIVES``)."""
R = TypeVar("R")


class Killed(BaseException):
    """SIGKILL in the middle of a task: nothing after it runs, nothing is answered, the message comes again."""


class Mortal:
    """A world in which each victim dies once at each moment; the message it held comes again at once."""

    def __init__(self, services: Services, victims: AbstractSet[str]) -> None:
        self._victims = victims
        self.died: set[tuple[str, str]] = set()
        self._real = services
        self._task = ""
        self._let_go: Callable[[], object] = lambda: None
        around = cast("Any", self)
        self.services = replace(services, database=around, queues=around, workflows=around)

    def __getattr__(self, name: str) -> Any:
        parts = (self._real.queues, self._real.workflows, self._real.database)
        return getattr(next(part for part in parts if hasattr(part, name)), name)

    def receive(self, queue: str, most: int, wait_s: int, hold_s: int) -> list[Any]:
        """Take one message only: what dies is known."""
        found = list(self._real.queues.receive(queue, 1, wait_s, hold_s))
        receipts = [message.receipt for message in found]
        self._let_go = lambda: self._real.queues.extend(resources.WORKFLOW_TASKS_QUEUE, receipts[0], 0)
        return found

    def succeed(self, token: str, output: str) -> bool:
        """Answer, and die before anybody else hears of it."""
        return self._answered(self._real.workflows.succeed(token, output))

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer with an error, and die."""
        return self._answered(self._real.workflows.fail(token, error, cause))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Work on the database, and die with all of it done and nothing of it committed."""
        with self._real.database.session() as session:
            yield session
            self._die("uncommitted")

    def handlers(self) -> dict[str, Callable[[Services, WorkflowTask], Any]]:
        """Return every handler, mortal."""

        def mortal(name: str) -> Callable[[Services, WorkflowTask], Any]:
            return lambda _, task: self.do(name, lambda: HANDLERS[name](self.services, task))

        return {name: mortal(name) for name in HANDLERS}

    def do(self, name: str, work: Callable[[], R]) -> R:
        """Do some work as ``name``, and die."""
        self._task = name
        self._die("before")
        done = work()
        self._die("done")
        return done

    def holds(self, let_go: Callable[[], object]) -> None:
        """Say how the message in hand goes back."""
        self._let_go = let_go

    def _answered(self, heard: bool) -> bool:
        self._die("answered")
        return heard

    def _die(self, moment: str) -> None:
        if self._task in self._victims and (self._task, moment) not in self.died:
            self.died.add((self._task, moment))
            self._let_go()
            raise Killed


class MortalJobs:
    """The trainer's queue in that world."""

    def __init__(self, mortal: Mortal, real: Any) -> None:
        self._mortal, self._real = mortal, real

    def receive(self) -> Job | None:
        """Take a job."""
        job: Job | None = self._real.receive()
        if job is not None:
            self._mortal.holds(lambda: self._real.extend(job, 0))
        return job

    def extend(self, job: Job, seconds: int) -> None:
        """Keep it."""
        self._real.extend(job, seconds)

    def done(self, job: Job) -> None:
        """Remove it."""
        self._real.done(job)
