"""A drone whose network is back connects at once; one whose broker refuses it rests as before."""

from __future__ import annotations

import queue
import socket
import threading

import pytest

from edge.backends.reachability import Dialling, Reachability, dial

_QUICK = Dialling(rest_s=0.001, dial_s=0.1, wake_s=(0.0, 0.001))


class Script:
    """Answers of the port, one a dial; the last one stays."""

    def __init__(self, answers: list[bool]) -> None:
        self._answers = answers
        self.heard = threading.Semaphore(0)

    def __call__(self, timeout_s: float) -> bool:
        self.heard.release()
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize(
    ("answers", "wakes"),
    [
        ([True], 0),
        ([False], 0),
        ([False, True], 1),
        ([False, False, True], 1),
        ([True, False, True], 1),
        ([False, True, False, True], 2),
    ],
)
def test_only_a_port_that_was_closed_and_opens_wakes_the_client(answers: list[bool], wakes: int) -> None:
    script, woken = Script(list(answers)), queue.Queue[None]()
    watch = Reachability(script, lambda: woken.put(None), _QUICK)
    watch.watch()
    for _ in range(len(answers) + 3):
        assert script.heard.acquire(timeout=10)
    watch.rest()
    assert woken.qsize() == wakes


def test_a_client_that_has_come_back_by_itself_is_not_woken() -> None:
    woken = queue.Queue[None]()
    script = Script([False, True])
    watch = Reachability(script, lambda: woken.put(None), _QUICK._replace(wake_s=(60.0, 60.0)))
    watch.watch()
    for _ in range(2):
        assert script.heard.acquire(timeout=10)
    watch.rest()
    watch.watch()
    assert script.heard.acquire(timeout=10), "it can be watched again"
    watch.rest()
    assert woken.empty()


def test_watching_twice_dials_once() -> None:
    began, go_on = threading.Semaphore(0), threading.Event()

    def slow(timeout_s: float) -> bool:
        began.release()
        return go_on.wait(10)

    watch = Reachability(slow, lambda: None, _QUICK)
    watch.watch()
    assert began.acquire(timeout=10)
    watch.watch()
    assert not began.acquire(timeout=0.05)
    watch.rest()
    go_on.set()


def test_a_dial_tells_an_open_port_from_a_closed_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert dial("127.0.0.1", port, 5.0)
    assert not dial("127.0.0.1", port, 5.0)
    assert not dial("no-such-host.invalid", port, 0.5)
