"""One whole demo per session: the journeys look at what it left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infra.local.stack import Stack
from tests.browser.conftest import browser, playwright  # noqa: F401 - fixtures

KESTREL = Path(sys.executable).with_name("kestrel")


class Flown(NamedTuple):
    """A finished demo whose platform still runs."""

    exit_code: int
    report: dict[str, Any]
    stack: Stack
    said: str


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flown]:
    """Fly the demo as a newcomer would, and leave the platform up for the tests that follow."""
    state_dir = tmp_path_factory.mktemp("demo") / "state"
    command = [str(KESTREL), "demo", "--json", "--state-dir", str(state_dir)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        report = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        yield Flown(done.returncode, report, Stack(state_dir), done.stderr)
    finally:
        Stack(state_dir).down()
