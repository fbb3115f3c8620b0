"""A daemon's loop rests, backs off, says each trouble once, and never dies of a step."""

from __future__ import annotations

import logging
import threading

import pytest

from contracts.errors import Unavailable
from edge.loop import Loop


def _run(outcomes: list[bool | Exception | None]) -> int:
    stop, left = threading.Event(), list(outcomes)

    def step() -> bool | None:
        if len(left) == 1:
            stop.set()
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    Loop("tested", step, 0.0, max_backoff_s=0.001).run(stop)
    return len(outcomes) - len(left)


def test_it_goes_on_after_any_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert _run([True, None, False, Unavailable("gone"), ZeroDivisionError("oops"), True, None]) == 7


def test_each_trouble_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kestrel")
    _run([Unavailable("a"), Unavailable("b"), ValueError("x"), ValueError("x"), None, True, Unavailable("c"), None])
    said = [record.getMessage() for record in caplog.records]
    assert said == ["step_failed", "step_crashed", "step_works_again", "step_failed", "step_works_again"]


def test_a_thread_ends_when_told() -> None:
    stop = threading.Event()
    thread = Loop("tested", lambda: None, 0.01).start(stop)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
