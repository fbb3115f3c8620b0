"""SIGKILL each process of a platform in turn, by the clock of what the demo says as it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import IO

from infra.local.stack import Stack

DRONE = "kite-01"
VICTIMS = (
    f"edge-{DRONE}",
    "vision",
    "emulator",
    f"camera-{DRONE}",
    "mosquitto",
    "ingest",
    f"autopilot-{DRONE}",
    "consume",
    "postgres",
    "workflows",
    "api",
    "reconcile",
    "sap",
    f"edge-{DRONE}",
    "vision-2",
)
_LINES_BETWEEN = 3
_STARTS_S = 180
_SAYS_SOMETHING_S = 120
_COMES_BACK_S = 60


class Told:
    """The lines that a program has written so far."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._over = False
        self._news = threading.Condition()
        threading.Thread(target=self._listen, args=(stream,), daemon=True).start()

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def until(self, holds: Callable[[list[str]], bool], timeout_s: float) -> bool:
        """Wait until the lines so far satisfy ``holds``; False where the program ended first.

        Raises:
            AssertionError: Neither came in ``timeout_s``.

        """
        with self._news:
            came = self._news.wait_for(lambda: self._over or holds(self.lines), timeout_s)
            assert came, "".join(self.lines)
            return holds(self.lines)


def kill_in_turn(stack: Stack, told: Told) -> list[str]:
    """Once the flight has begun, kill a process at every few lines of progress; return which were killed.

    So the kills fall all over the flight and the analysis. Each victim is back before the next is killed.
    """
    if not told.until(lambda lines: any("begin_flight: executing" in line for line in lines), _STARTS_S):
        return []
    killed: list[str] = []
    for name in VICTIMS:
        enough = len(told.lines) + _LINES_BETWEEN
        if not told.until(lambda lines, enough=enough: len(lines) >= enough, _SAYS_SOMETHING_S):  # type: ignore[misc]
            break
        _await_return(stack, name, stack.kill(name))
        killed.append(name)
    return killed


def _await_return(stack: Stack, name: str, old: int) -> None:
    deadline = time.monotonic() + _COMES_BACK_S
    while (pid := stack.pid(name)) is None or pid == old:
        assert time.monotonic() < deadline, f"{name} did not come back: {stack.tail(name)}"
        time.sleep(0.1)
