"""Words on a bench: every command takes the agent's own way to an autopilot of which only the address is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.instance import free_port

pytestmark = pytest.mark.backends
CANBERRA = "-35.363262,149.165237,584"
"""Where software-in-the-loop starts by default; it takes sea level for the ellipsoid."""


@pytest.fixture
def craft(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port(set())
    flags = ("--ready-s", "1", "--speedup", "6", "--geoid-m", "0", "--bare", "--connect", f"tcpin:127.0.0.1:{port}")
    files = ("--pose-log", str(tmp_path / "pose.jsonl"), "--state-file", str(tmp_path / "state.json"))
    program = (sys.executable, "-m", "simulators", "autopilot", f"--home={CANBERRA}", *flags, *files)
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process, f"tcp:127.0.0.1:{port}"
    process.kill()
    process.wait(10)


@pytest.fixture
def bench(craft: tuple[subprocess.Popen[bytes], str]) -> Iterator[subprocess.Popen[str]]:
    program = (sys.executable, "-u", "-m", "edge", "bench", "--autopilot", craft[1], "--json")
    process = subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )
    yield process
    process.kill()
    process.communicate(timeout=10)


def said(bench: subprocess.Popen[str], name: str, value: str) -> list[dict[str, Any]]:
    """Return what was told up to a row that says this."""
    rows: list[dict[str, Any]] = []
    assert bench.stdout is not None
    for line in bench.stdout:
        rows.append(json.loads(line))
        if rows[-1].get(name) == value:
            return rows
    raise AssertionError(f"never: {name} {value}; {rows[-6:]}")


def test_an_autopilot_is_checked_by_its_address_alone(craft: tuple[subprocess.Popen[bytes], str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    program = [sys.executable, "-m", "edge", "check", "--json", "--autopilot", craft[1]]
    checked = subprocess.run(program, capture_output=True, text=True, check=False, env=env)
    rows = {row["name"]: row for row in json.loads(checked.stdout)["checks"]}
    assert checked.returncode == 0
    assert rows["autopilot"]["detail"].startswith("ArduPilot 4.5.5, mode ")
    assert set(rows) == {"settings", "autopilot"}


def test_a_flight_by_words_is_acknowledged_at_every_step_and_a_killed_autopilot_is_told(
    craft: tuple[subprocess.Popen[bytes], str], bench: subprocess.Popen[str]
) -> None:
    assert bench.stdin is not None
    bench.stdin.write("takeoff\nfly\npause\nresume\nadjust\nhold\nresume\nreturn\nland\nlook\n")
    bench.stdin.flush()
    rows = said(bench, "ack", "failed")  # the flight that was broken off to return
    done = [row["command"] for row in rows if row.get("ack") == "done"]
    assert done[:6] == ["take_off", "pause", "resume", "adjust_route", "hold", "resume"], rows[-6:]
    assert rows[-1]["command"] == "begin_flight"
    craft[0].kill()
    rows += said(bench, "event", "autopilot_lost")
    done = [row["command"] for row in rows if row.get("ack") == "done"]
    assert "return_home" in done
