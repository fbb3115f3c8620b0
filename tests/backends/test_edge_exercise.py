"""The acceptance flight, as a field engineer starts it: an address, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.instance import free_port
from tests.unit.edge.world import HOME

pytestmark = pytest.mark.backends
STEPS = [
    "handshake",
    "readiness",
    "link loss",
    "fence",
    "rally point",
    "mission",
    "arm and take off",
    "start",
    "pause",
    "resume",
    "adjust",
    "return",
    "land",
]


@pytest.fixture(params=["ardupilot", "px4"])
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(tmp_path: Path, stack: str) -> Iterator[str]:
    port = free_port(set())
    craft = subprocess.Popen(
        [
            *(sys.executable, "-m", "simulators", "autopilot", "--home", f"{HOME.lat_deg},{HOME.lon_deg},45.0"),
            *("--pose-log", str(tmp_path / "pose.jsonl"), "--state-file", str(tmp_path / "state.json")),
            *("--connect", f"tcpin:127.0.0.1:{port}", "--ready-s", "1", "--speedup", "6", "--wind-mps", "3"),
            *("--stack", stack, "--bare"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"tcp:127.0.0.1:{port}"
    craft.kill()
    craft.wait(10)


SAYS_IT_IS = {"ardupilot": "ArduPilot 4.5.5, mode STABILIZE", "px4": "PX4 1.15.4, mode MANUAL"}


def test_every_step_is_flown_and_told_with_the_autopilots_words(address: str, stack: str) -> None:
    flown = subprocess.run(
        [sys.executable, "-m", "edge", "exercise", "--autopilot", address, "--altitude-m", "12", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(flown.stdout)
    assert [row["step"] for row in told["steps"] if row["passed"]] == STEPS, told
    assert flown.returncode == 0
    rows = {row["step"]: row for row in told["steps"]}
    assert rows["handshake"]["detail"].startswith(SAYS_IT_IS[stack])
    assert "9 items stored and read back" in rows["mission"]["detail"]
    assert {"Land complete", "Disarming motors"} <= set(rows["land"]["said"])


def test_an_address_that_is_none_is_refused() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "edge", "exercise", "--autopilot", "carrier-pigeon:5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "tcp:HOST:PORT" in refused.stderr


def test_run_takes_the_address_on_its_command_line() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    told = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--autopilot", "tcp:127.0.0.1:5760"],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert told.returncode == 2
    assert "EDGE_DRONE_ID" in told.stderr
    assert "EDGE_AUTOPILOT_URL" not in told.stderr
    assert "kestrel-edge bench --autopilot" in told.stderr
