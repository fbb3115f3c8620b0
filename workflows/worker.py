"""The worker behind the state machines: takes tasks from the queue, runs their handlers, answers with their tokens.

It takes several at once and runs them side by side: asking the queue costs as much as many a task does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType

from pydantic import ValidationError

from cloud import dead_letters
from cloud.logbook import log, log_failure
from cloud.services import Message, Services
from contracts.errors import NotFound, PlatformError, Unavailable
from contracts.events import WorkflowTask
from contracts.resources import WORKFLOW_TASKS_QUEUE
from instruments import metrics, traces
from workflows.events import Handler
from workflows.handlers import (
    approve,
    ask,
    check,
    coverage,
    fail,
    gate,
    gather,
    grade,
    identity,
    labels,
    notify,
    promote,
    record,
    report,
    schedule,
    segment,
    segments,
    send,
    summarise,
    ticket,
)

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "check": check.handle,
        "ask": ask.handle,
        "ticket": ticket.handle,
        "notify": notify.handle,
        "summarise": summarise.handle,
        "schedule": schedule.handle,
        "record": record.handle,
        "segments": segments.handle,
        "segment": segment.handle,
        "coverage": coverage.handle,
        "identity": identity.handle,
        "grade": grade.handle,
        "report": report.handle,
        "labels": labels.handle,
        "gate": gate.handle,
        "approve": approve.handle,
        "promote": promote.handle,
        "gather": gather.handle,
        "send": send.handle,
        "fail": fail.handle,
    }
)
_HOLD_S = 30
"""How long a message stays ours: a worker killed with it, or while it waited for it, delays it by no more."""
_BEAT_S = 10.0
_AT_ONCE = 5
"""Tasks taken in one step. A slow one holds up only this step's next look at the queue."""
_UNEXPECTED = "Unexpected"
"""Error name of a bug in a handler: no retry matches it, the run fails where people see it."""


class Worker:
    """A daemon over the task queue. Any number may run side by side; every handler may run twice."""

    def __init__(
        self,
        services: Services,
        *,
        wait_s: int = 2,
        handlers: Mapping[str, Handler] = HANDLERS,
        beat_s: float = _BEAT_S,
    ) -> None:
        self._services = services
        self._wait_s = wait_s
        self._handlers = handlers
        self._beat_s = beat_s

    def step(self) -> bool | None:
        """Run the next tasks; None when there are none. Raises Unavailable when an answer cannot be given (yet)."""
        queues = self._services.queues
        messages = queues.receive(WORKFLOW_TASKS_QUEUE, _AT_ONCE, self._wait_s, _HOLD_S)
        if not messages:
            return None
        tasks = {m.receipt: task for m in messages if (task := self._parsed(m)) is not None}
        with self._kept(tasks), ThreadPoolExecutor(len(messages), "kestrel-task") as pool:
            running = [pool.submit(self._run, task) for task in tasks.values()]
        failed = {receipt: error for receipt, r in zip(tasks, running, strict=True) if (error := r.exception())}
        queues.delete_all(WORKFLOW_TASKS_QUEUE, [m.receipt for m in messages if m.receipt not in failed])
        for error in failed.values():
            raise error
        return True

    def _parsed(self, message: Message) -> WorkflowTask | None:
        """Return a message's task; what is none is buried with the reason."""
        try:
            return WorkflowTask.model_validate_json(message.body)
        except ValidationError as error:
            with self._services.database.session() as session:
                dead_letters.bury(session, WORKFLOW_TASKS_QUEUE, message.id, str(error), message.body)
            return None

    def _run(self, task: WorkflowTask) -> None:
        if not self._answered(task):
            log("task_answer_unwanted", task=task.task, execution=task.execution)

    def _answered(self, task: WorkflowTask) -> bool:
        """Run a task's handler and answer; returns whether anyone waited for it."""
        flows = self._services.workflows
        try:
            with metrics.TASK_SECONDS.labels(task=_label(task)).time(), _traced(task):
                result = self._handlers[task.task](self._services, task)
        except NotFound as error:
            if "finding" not in task.input:
                return self._failed(task, error)
            # Merged into another finding meanwhile: nothing is left to do here.
            return flows.succeed(task.token, json.dumps({"skipped": error.message, "number": None}))
        except PlatformError as error:
            return self._failed(task, error)
        except Exception as error:  # noqa: BLE001 - a bug must reach the state machine, or the run waits for its timeout
            log_failure("task_crashed", error, task=task.task, execution=task.execution)
            metrics.TASKS.labels(task=_label(task), outcome="crashed").inc()
            cause = {"message": f"{type(error).__name__}: {error}", "hint": "See the log of kestrel-workflows."}
            return flows.fail(task.token, _UNEXPECTED, json.dumps(cause))
        metrics.TASKS.labels(task=_label(task), outcome="done").inc()
        if result is None:
            return True  # a person will answer
        return flows.succeed(task.token, json.dumps(result))

    def _failed(self, task: WorkflowTask, error: PlatformError) -> bool:
        metrics.TASKS.labels(task=_label(task), outcome="failed").inc()
        log("task_failed", task=task.task, execution=task.execution, error=error.code, message=str(error))
        cause = {"message": error.message, "hint": error.hint}
        return self._services.workflows.fail(task.token, type(error).__name__, json.dumps(cause))

    @contextmanager
    def _kept(self, tasks: Mapping[str, WorkflowTask]) -> Iterator[None]:
        """Hold the messages and tell the state machine that their tasks are alive until the block ends."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._beat_s):
                for receipt, task in tasks.items():
                    self._beat(receipt, task)

        beating = threading.Thread(target=beat, name="kestrel-heartbeat", daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()

    def _beat(self, receipt: str, task: WorkflowTask) -> None:
        try:
            self._services.queues.extend(WORKFLOW_TASKS_QUEUE, receipt, _HOLD_S)
            self._services.workflows.beat(task.token)
        except Unavailable as error:
            log("heartbeat_missed", task=task.task, error=str(error))


def _traced(task: WorkflowTask) -> AbstractContextManager[None]:
    """Record a task in the trace of its finding's frame, or of its segment."""
    about = task.input.get("finding")
    parent = about.get("traceparent") if isinstance(about, dict) else None
    segment_id = task.input.get("segment_id")
    if isinstance(segment_id, str) and segment_id:
        return traces.of_segment(f"task {_label(task)}", segment_id, execution=task.execution)
    return traces.continued(f"task {_label(task)}", parent if isinstance(parent, str) else "", execution=task.execution)


def _label(task: WorkflowTask) -> str:
    """Return a task's name for counting; what a message calls a task may be anything."""
    return task.task if task.task in HANDLERS else "unknown"
