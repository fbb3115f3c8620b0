"""SIGKILL every process in turn while one blade is inspected: the same findings and tickets, none twice."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import httpx
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
    "vision-2",
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
            in_sap = _in_sap(stack)
        finally:
            demo.kill()
            stack.down()
    assert set(VICTIMS) <= set(killed)
    undisturbed = {r["defect_id"]: r for r in flown.report["planted"] if r["place"].startswith("A ")}
    disturbed = {r["defect_id"]: r for r in report["planted"]}
    assert {d for d, r in disturbed.items() if r["found"]} == {d for d, r in undisturbed.items() if r["found"]}
    # A size measured near a limit of the policy may be graded either way; what both runs grade critical has a ticket.
    critical = [d for d, r in undisturbed.items() if r["ticket"] and _is_critical(disturbed[d])]
    assert critical
    assert all(disturbed[d]["ticket"] for d in critical)
    assert sorted(in_sap) == sorted(t["finding_id"] for t in report["tickets"]), "one notification for each, none twice"


def _is_critical(row: dict[str, Any]) -> bool:
    return row["severity"] is not None and int(row["severity"].split()[1]) >= 4


def _in_sap(stack: Stack) -> list[str]:
    """Return the finding id of every notification that SAP itself holds."""
    env = stack.env("cloud")
    answer = httpx.get(
        f"{env['CLOUD_SAP_URL']}/sap/opu/odata/sap/API_MAINTNOTIFICATION/MaintenanceNotification",
        params={"$format": "json", "$top": "200"},
        auth=(env["CLOUD_SAP_USER"], env["CLOUD_SAP_PASSWORD"]),
    )
    answer.raise_for_status()
    return [row["MaintNotifExtReferenceNumber"] for row in answer.json()["d"]["results"]]
