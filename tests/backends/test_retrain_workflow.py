"""A retraining from wish to force: the shipped machine on the emulator, our handlers, a trainer over its own queue."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud import consume, executions
from cloud.backends.objects import S3Objects
from cloud.backends.queues import SqsQueues
from cloud.backends.workflows import StepFunctions
from cloud.services import Services
from cloud.tables import DetectorVersion, WorkflowRun
from cloud.training import versions
from contracts import resources, training
from contracts.training import Current
from contracts.vocabulary import FindingStatus
from tests import platform
from tests.clean_database import empty
from tests.factories import MemoryObjects
from tests.services import MiniStack
from tests.verdicts import judged, measured
from vision.backends.jobs import SqsJobs
from vision.backends.objects import S3Objects as Store
from vision.backends.tokens import TaskTokens
from vision.detector import SHIPPED, open_detector
from vision.trainer import Lesson, Trainer
from workflows.events import Handler
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


def labelled(one: Services, task: object) -> dict[str, object]:
    """Labels are another test's matter: here there are some."""
    return {"frames": 60}


SOME_LABELS = {**HANDLERS, "labels": labelled}


def run_until(
    services: Services,
    trainer: Trainer,
    holds: Callable[[], bool],
    handlers: Mapping[str, Handler] = SOME_LABELS,
    within_s: float = 60,
) -> None:
    """Run handlers and trainer until something holds."""
    stop = threading.Event()
    worker = Worker(services, wait_s=0, handlers=handlers)
    threads = [threading.Thread(target=lambda s=s: _loop(s, stop)) for s in (worker.step, trainer.step)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + within_s
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


EPOCHS = int(os.environ.get("KESTREL_RETRAIN_EPOCHS", "0"))
VERDICTS = (FindingStatus.CONFIRMED,) * 60 + (FindingStatus.REJECTED,) * 40


def photographed(services: Services, keys: list[str]) -> None:
    """Store a frame for each verdict: a dark notch where people confirmed, a pale spot where they rejected."""
    rng = np.random.default_rng(7)
    for key, verdict in zip(keys, VERDICTS, strict=True):
        picture = rng.integers(150, 170, (320, 320, 3), np.uint8)
        if verdict is FindingStatus.CONFIRMED:
            cv2.rectangle(picture, (128, 128), (160, 160), (20, 20, 20), -1)
        else:
            cv2.circle(picture, (144, 144), 14, (215, 215, 215), -1)
        services.objects.put(key, cv2.imencode(".jpg", picture)[1].tobytes(), "image/jpeg")


@pytest.mark.skipif(not EPOCHS, reason="a training of a minute: make retrain-run")
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")  # torch and ultralytics warn about themselves
def test_a_version_is_really_trained_measured_approved_and_taken_up(services: Services, tmp_path: Path) -> None:
    """Nothing stands in for anything but the photos; the network is as small as one can be."""
    from vision.school import School, evaluate_version, fetched, train_version  # noqa: PLC0415 - needs torch
    from vision.train import read_spec  # noqa: PLC0415

    services = replace(services, objects=S3Objects(resources.BUCKET))
    empty(services.database)
    photographed(services, judged(services, VERDICTS))
    with services.database.session() as session:
        version = versions.want(session, "ada", datetime.now(UTC), "A hundred verdicts.").version
    consume.start_wanted(services)
    small = {"tile_px": 64, "batch": 8, "bfloat16": False, "warmup_epochs": 0.2}
    store = Store(resources.BUCKET)
    place = School(store, tmp_path, read_spec().model_copy(update=small), SHIPPED, epochs=EPOCHS)
    lessons: dict[str, Lesson] = {
        "train": partial(train_version, place),
        "evaluate": partial(evaluate_version, place),
    }
    trainer = Trainer(SqsJobs(wait_s=0, queue=resources.TRAINING_JOBS_QUEUE), TaskTokens(), lessons)
    begun = time.monotonic()
    over = {"waiting", "refused"}
    run_until(services, trainer, lambda: state(services, version)[1] in over, HANDLERS, within_s=1500)
    with services.database.session() as session:
        row = session.get_one(DetectorVersion, version)
        seconds = round(time.monotonic() - begun)
        told = {"seconds": seconds, "labels": row.labels, "state": row.state, "objections": row.objections}
        print(json.dumps(told | (row.evaluation or {}), indent=2))  # noqa: T201 - what `make retrain-run` is for
        versions.answer(session, version, approve=True, reason="Better.", by="ada")
    consume.pass_on_answers(services)
    run_until(services, trainer, lambda: state(services, version) == (executions.SUCCEEDED, "promoted"), HANDLERS)
    current = Current.model_validate_json(services.objects.get(training.CURRENT_KEY))
    taken = open_detector(fetched(store, version, tmp_path / "taken"))
    assert (taken.card.name, taken.card.sha256) == (version, current.sha256)
