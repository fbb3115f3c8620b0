"""A retraining from wish to force: the shipped machine on the emulator, our handlers, a trainer over its own queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloud import consume, executions
from cloud.backends.queues import SqsQueues
from cloud.backends.workflows import StepFunctions
from cloud.services import Services
from cloud.tables import DetectorVersion, WorkflowRun
from cloud.training import versions
from contracts import resources, training
from contracts.training import Current
from tests import platform
from tests.factories import MemoryObjects
from tests.services import MiniStack
from tests.verdicts import measured
from vision.backends.jobs import SqsJobs
from vision.backends.tokens import TaskTokens
from vision.trainer import Trainer
from workflows.handlers import labels
from workflows.worker import HANDLERS, Worker


@pytest.fixture
def services(database_url: str, aws_ministack: MiniStack) -> Iterator[Services]:
    built = replace(
        platform.build(database_url), objects=MemoryObjects(), queues=SqsQueues(), workflows=StepFunctions()
    )
    yield built
    built.database.close()


@pytest.fixture
def version(services: Services) -> str:
    with services.database.session() as session:
        made = versions.want(session, "ada", datetime.now(UTC), "New verdicts.").version
    consume.start_wanted(services)
    return made


def run_until(services: Services, trainer: Trainer, holds: Callable[[], bool]) -> None:
    """Run handlers and trainer until something holds. Labels are another test's matter: here there are some."""
    stop = threading.Event()

    def labelled(one: Services, task: object) -> dict[str, object]:
        return {"frames": 60}

    worker = Worker(services, wait_s=0, handlers={**HANDLERS, labels.__name__.rpartition(".")[2]: labelled})
    threads = [threading.Thread(target=lambda s=s: _loop(s, stop)) for s in (worker.step, trainer.step)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    try:
        while not holds():
            assert time.monotonic() < end, "the condition never held"
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _loop(step: Callable[[], bool | None], stop: threading.Event) -> None:
    while not stop.is_set():
        if not step():
            stop.wait(0.05)


def state(services: Services, version: str) -> tuple[str, str]:
    with services.database.session() as session:
        return session.get_one(WorkflowRun, version).state, session.get_one(DetectorVersion, version).state


def test_a_better_version_comes_into_force_by_a_persons_yes(services: Services, version: str) -> None:
    learnt: list[str] = []
    lessons = {"train": learnt.append, "evaluate": lambda name: measured(services, name, 0.6)}
    trainer = Trainer(SqsJobs(wait_s=0, queue=resources.TRAINING_JOBS_QUEUE), TaskTokens(), lessons)
    run_until(services, trainer, lambda: state(services, version)[1] == "waiting")
    assert learnt == [version]
    with services.database.session() as session:
        versions.answer(session, version, approve=True, reason="Better.", by="ada")
    consume.pass_on_answers(services)
    run_until(services, trainer, lambda: state(services, version) == (executions.SUCCEEDED, "promoted"))
    assert Current.model_validate_json(services.objects.get(training.CURRENT_KEY)).version == version


def test_a_worse_one_is_a_failed_run_with_the_figures_and_can_be_resumed(services: Services, version: str) -> None:
    lessons = {"train": lambda _: None, "evaluate": lambda name: measured(services, name, 0.3)}
    trainer = Trainer(SqsJobs(wait_s=0, queue=resources.TRAINING_JOBS_QUEUE), TaskTokens(), lessons)
    run_until(services, trainer, lambda: state(services, version) == (executions.FAILED, "refused"))
    with services.database.session() as session:
        run = session.get_one(WorkflowRun, version)
        assert (run.error, "mAP50 is 0.300" in run.hint) == ("gate: ModelRefused", True)
        again = executions.resume(session, version, by="ada").execution_name
    lessons["evaluate"] = lambda name: measured(services, name, 0.6)
    consume.start_wanted(services)
    run_until(services, trainer, lambda: state(services, version)[1] == "waiting")
    assert again == f"{version}-2"
