"""SIGKILL every process in turn while one blade is inspected: the same findings and tickets, none twice."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

import pytest

from infra.local.stack import Stack
from tests.journeys.conftest import KESTREL, Flown

pytestmark = [pytest.mark.journey, pytest.mark.timeout(700)]

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
    "vision",
)


def _when(stream: IO[str], words: str, happened: threading.Event, said: list[str]) -> None:
    for line in stream:
        said.append(line)
        if words in line:
            happened.set()
    happened.set()


def _back(stack: Stack, name: str, old: int) -> bool:
    pid = stack.pid(name)
    return pid is not None and pid != old


def _kill_in_turn(stack: Stack, demo: subprocess.Popen[str]) -> list[str]:
    killed = []
    for name in VICTIMS:
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
    flying, said = threading.Event(), list[str]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stderr is not None
        assert demo.stdout is not None
        threading.Thread(target=_when, args=(demo.stderr, "begin_flight: executing", flying, said), daemon=True).start()
        try:
            assert flying.wait(timeout=180), "".join(said)
            killed = _kill_in_turn(stack, demo)
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
