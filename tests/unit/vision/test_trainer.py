"""The trainer answers every job with its token, and keeps it while it works."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from contracts.errors import InvalidInput, Unavailable
from vision.trainer import Trainer, once
from vision.worker import Job


class Bench:
    """A queue with one job, and whoever waits for its answer."""

    def __init__(self, body: str) -> None:
        self.jobs = [Job(body, "receipt", 1)]
        self.answers: list[tuple[str, ...]] = []
        self.kept = threading.Event()
        self.finished = 0

    def receive(self) -> Job | None:
        return self.jobs.pop() if self.jobs else None

    def extend(self, job: Job, seconds: int) -> None:
        assert (job.receipt, seconds > 0) == ("receipt", True)

    def done(self, job: Job) -> None:
        self.finished += 1

    def succeed(self, token: str, output: str) -> bool:
        self.answers.append((token, output))
        return True

    def fail(self, token: str, error: str, cause: str) -> bool:
        self.answers.append((token, error, json.loads(cause)["message"]))
        return True

    def beat(self, token: str) -> bool:
        self.kept.set()
        return True


def task(name: str = "train") -> str:
    said = {"task": name, "token": "t-1", "execution": "mdl-1", "input": {"subject": "mdl-1"}}
    return json.dumps(said)


def run(lesson: Callable[[str], object], body: str = "") -> Bench:
    bench = Bench(body or task())
    trainer = Trainer(bench, bench, {"train": lesson}, beat_s=0.01)
    bench.answers.append((str(trainer.step()),))
    return bench


def test_a_lesson_that_was_learnt_is_answered() -> None:
    seen: list[str] = []
    bench = run(seen.append)
    assert (seen, bench.answers, bench.finished) == (["mdl-1"], [("t-1", "{}"), ("True",)], 1)


@pytest.mark.parametrize(
    ("error", "name"),
    [(InvalidInput("Bad."), "InvalidInput"), (Unavailable("Down."), "Unavailable"), (KeyError("x"), "Unexpected")],
)
def test_a_failure_reaches_the_state_machine_by_its_name(error: Exception, name: str) -> None:
    def lesson(_: str) -> None:
        raise error

    bench = run(lesson)
    assert (bench.answers[0][:2], bench.finished) == (("t-1", name), 1)


def test_the_state_machine_hears_that_a_long_lesson_is_alive() -> None:
    bench = Bench(task())
    trainer = Trainer(bench, bench, {"train": lambda _: bench.kept.wait(10)}, beat_s=0.01)
    assert trainer.step()
    assert bench.kept.is_set()


@pytest.mark.parametrize("body", ["{", task("bake"), json.dumps({"task": "train", "token": "t", "input": {}})])
def test_what_is_no_job_of_ours_is_left_to_the_queue(body: str) -> None:
    bench = run(lambda _: None, body)
    assert (bench.answers, bench.finished) == ([("False",)], 0)


def test_nothing_to_do_is_nothing() -> None:
    bench = Bench("")
    bench.jobs.clear()
    assert Trainer(bench, bench, {}).step() is None


def test_one_step_without_a_queue() -> None:
    seen: list[str] = []
    once({"train": seen.append}, "train", "mdl-2")
    assert seen == ["mdl-2"]
    with pytest.raises(InvalidInput, match="bake"):
        once({"train": seen.append}, "bake", "mdl-2")
