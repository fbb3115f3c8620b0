"""SIGKILL every process in turn while one blade is inspected: the same findings and tickets, none twice."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from infra.local.stack import Stack
from tests.journeys.conftest import KESTREL, Flown

pytestmark = [pytest.mark.journey, pytest.mark.timeout(700)]

DRONE = "kite-01"
_LINES_BETWEEN = 2
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
    "vision",
)


class Told:
    """What the demo says as it goes; its lines are the clock of the killing."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        threading.Thread(target=self._listen, args=(stream,), daemon=True).start()

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    def until(self, holds: Callable[[list[str]], bool], timeout_s: float) -> None:
        """Wait until the lines so far satisfy ``holds``."""
        with self._news:
            assert self._news.wait_for(lambda: holds(self.lines), timeout_s), "".join(self.lines)


def _back(stack: Stack, name: str, old: int) -> bool:
    pid = stack.pid(name)
    return pid is not None and pid != old


def _kill_in_turn(stack: Stack, demo: subprocess.Popen[str], told: Told) -> list[str]:
    """Kill a process at every few lines of progress, so that the kills fall all over the flight and the analysis."""
    killed: list[str] = []
    for name in VICTIMS:
        heard = len(told.lines)
        told.until(lambda lines, heard=heard: len(lines) >= heard + _LINES_BETWEEN or demo.poll() is not None, 120)  # type: ignore[misc]
        if demo.poll() is not None:
            break
        old = stack.kill(name)
        killed.append(name)
        deadline = time.monotonic() + 60
        while not _back(stack, name, old):
            assert time.monotonic() < deadline, f"{name} did not come back: {stack.tail(name)}"
            time.sleep(0.1)
    return killed


def test_killing_each_process_changes_nothing(flown: Flown, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    command = [str(KESTREL), "demo", "--json", "--blades", "A", "--state-dir", str(state_dir)]
    stack = Stack(state_dir)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stderr is not None
        assert demo.stdout is not None
        told = Told(demo.stderr)
        try:
            told.until(lambda lines: any("begin_flight: executing" in line for line in lines), 180)
            killed = _kill_in_turn(stack, demo, told)
            report = json.loads(demo.stdout.read())
        finally:
            demo.kill()
            stack.down()
    assert set(VICTIMS) <= set(killed)
    undisturbed = {r["defect_id"]: r["found_kind"] for r in flown.report["planted"] if r["place"].startswith("A ")}
    assert {r["defect_id"]: r["found_kind"] for r in report["planted"]} == undisturbed
    tickets = [t["finding_id"] for t in report["tickets"]]
    assert len(tickets) == len(set(tickets))
    wanted = {r["defect_id"] for r in flown.report["planted"] if r["place"].startswith("A ") and r["ticket"]}
    assert {r["defect_id"] for r in report["planted"] if r["ticket"]} == wanted
