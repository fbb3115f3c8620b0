"""How the worker answers, whatever a handler does."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

import pytest

from cloud import dead_letters
from cloud.services import Services
from contracts.errors import NotFound, SapRejected, SapUnavailable, Unavailable
from contracts.events import WorkflowTask
from contracts.resources import WORKFLOW_TASKS_QUEUE
from tests.stand_ins import MemoryQueues, MemoryWorkflows
from workflows.events import Handler
from workflows.worker import Worker


class FakeDatabase:
    """A database nobody writes to in these tests."""

    def session(self) -> Any:
        raise AssertionError("no database here")


class Bench:
    """A worker with one handler over stand-ins."""

    def __init__(self, handler: Handler, beat_s: float = 20.0, about: str = "finding") -> None:
        self.queues, self.flows = MemoryQueues(), MemoryWorkflows()
        fake = type("Fake", (), {"queues": self.queues, "workflows": self.flows, "database": FakeDatabase()})
        services = cast("Services", fake())
        self.worker = Worker(services, wait_s=0, handlers={"ticket": handler}, beat_s=beat_s)
        task = WorkflowTask(task="ticket", token="t1", execution="fnd-1", input={about: {}})
        self.queues.send(WORKFLOW_TASKS_QUEUE, task.model_dump_json())


def raising(error: Exception) -> Handler:
    def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
        raise error

    return handle


def test_a_result_is_sent_with_the_token_and_the_message_is_gone() -> None:
    bench = Bench(lambda _services, _task: {"number": "1"})
    assert bench.worker.step() is True
    assert bench.flows.answers == [("t1", "", '{"number": "1"}')]
    assert bench.queues.waiting(WORKFLOW_TASKS_QUEUE) == 0
    assert bench.worker.step() is None


@pytest.mark.parametrize(
    ("error", "name", "says"),
    [
        (SapUnavailable("SAP is down.", hint="Wait."), "SapUnavailable", {"message": "SAP is down.", "hint": "Wait."}),
        (SapRejected("No.", hint="Mend."), "SapRejected", {"message": "No.", "hint": "Mend."}),
        (
            Unavailable("The database does not answer."),
            "Unavailable",
            {"message": "The database does not answer.", "hint": ""},
        ),
        (KeyError("x"), "Unexpected", {"message": "KeyError: 'x'", "hint": "See the log of kestrel-workflows."}),
    ],
)
def test_an_error_is_sent_under_its_class_name(error: Exception, name: str, says: dict[str, str]) -> None:
    bench = Bench(raising(error))
    assert bench.worker.step() is True
    ((token, sent, cause),) = bench.flows.answers
    assert (token, sent, json.loads(cause)) == ("t1", name, says)


def test_a_finding_that_was_merged_away_is_no_failure() -> None:
    bench = Bench(raising(NotFound("No finding 'fnd-1'.")))
    assert bench.worker.step() is True
    ((_, sent, output),) = bench.flows.answers
    assert (sent, json.loads(output)["number"]) == ("", None)


def test_a_flight_that_is_gone_is_a_failure() -> None:
    bench = Bench(raising(NotFound("No flight 'flt-1'.")), about="subject")
    assert bench.worker.step() is True
    ((_, error, _),) = bench.flows.answers
    assert error == "NotFound"


def test_a_person_who_answers_later_leaves_the_task_waiting() -> None:
    bench = Bench(lambda _services, _task: None)
    assert bench.worker.step() is True
    assert bench.flows.answers == []


def test_an_unknown_task_fails_where_people_see_it() -> None:
    bench = Bench(lambda _services, _task: {})
    bench.queues.lose_all()
    bench.queues.send(WORKFLOW_TASKS_QUEUE, WorkflowTask(task="dance", token="t2", input={}).model_dump_json())
    assert bench.worker.step() is True
    assert bench.flows.answers[0][1] == "Unexpected"


def test_an_answer_nobody_waits_for_still_ends_the_message() -> None:
    bench = Bench(lambda _services, _task: {})
    bench.flows.tokens = set()
    assert bench.worker.step() is True
    assert bench.queues.waiting(WORKFLOW_TASKS_QUEUE) == 0


def test_an_answer_that_cannot_be_given_leaves_the_message() -> None:
    bench = Bench(lambda _services, _task: {})
    bench.flows.down = Unavailable("Step Functions did not answer.")
    with pytest.raises(Unavailable):
        bench.worker.step()
    assert bench.queues.waiting(WORKFLOW_TASKS_QUEUE) == 1
    bench.flows.down = None
    bench.queues.reappear()
    assert bench.worker.step() is True
    assert [token for token, *_ in bench.flows.answers] == ["t1"]


def test_a_message_that_is_no_task_is_buried(monkeypatch: pytest.MonkeyPatch) -> None:
    buried: list[tuple[Any, ...]] = []
    bench = Bench(lambda _services, _task: {})
    bench.queues.lose_all()
    bench.queues.send(WORKFLOW_TASKS_QUEUE, "nonsense")

    class Session:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(FakeDatabase, "session", lambda _self: Session())
    monkeypatch.setattr(dead_letters, "bury", lambda *args: buried.append(args))
    assert bench.worker.step() is True
    assert buried[0][4] == "nonsense"
    assert bench.queues.waiting(WORKFLOW_TASKS_QUEUE) == 0


def test_a_long_task_is_kept_alive() -> None:
    beaten = threading.Event()

    def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
        assert beaten.wait(10)
        return {}

    bench = Bench(handle, beat_s=0.01)

    def beat(token: str) -> bool:
        beaten.set()
        return True

    bench.flows.beat = beat  # type: ignore[method-assign]
    assert bench.worker.step() is True


def test_tasks_taken_together_run_side_by_side_and_a_lost_answer_brings_only_its_own_back() -> None:
    met = threading.Barrier(2, timeout=10)

    def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
        met.wait()
        return {}

    bench = Bench(handle)
    bench.queues.send(
        WORKFLOW_TASKS_QUEUE, WorkflowTask(task="ticket", token="t2", input={"finding": {}}).model_dump_json()
    )
    succeed = bench.flows.succeed

    def lose_one(token: str, output: str) -> bool:
        if token == "t2":
            raise Unavailable("Step Functions did not answer.")
        return succeed(token, output)

    bench.flows.succeed = lose_one  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        bench.worker.step()
    assert [token for token, *_ in bench.flows.answers] == ["t1"]
    bench.queues.reappear()
    assert [json.loads(body)["token"] for body in bench.queues.bodies(WORKFLOW_TASKS_QUEUE)] == ["t2"]
