"""One whole demo per session, its processes killed in turn: the journeys look at what it left."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infra.local.stack import Stack
from tests.browser.conftest import browser, playwright  # noqa: F401 - fixtures
from tests.journeys.killing import Told, kill_in_turn

KESTREL = Path(sys.executable).with_name("kestrel")


class Flown(NamedTuple):
    """A finished demo whose platform still runs."""

    exit_code: int
    report: dict[str, Any]
    stack: Stack
    said: str
    killed: list[str]


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flown]:
    """Fly the demo as a newcomer would, kill each process on the way, leave the platform up for the tests that follow.

    One flight is both: what holds under the kills holds without them, and a flight takes four minutes.
    """
    state_dir = tmp_path_factory.mktemp("demo") / "state"
    command = [str(KESTREL), "demo", "--json", "--state-dir", str(state_dir)]
    stack = Stack(state_dir)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        told = Told(demo.stderr)
        try:
            killed = kill_in_turn(stack, told)
            wrote = demo.stdout.read()
            report = json.loads(wrote) if wrote.startswith("{") else {}
            yield Flown(demo.wait(), report, stack, "".join(told.lines), killed)
        finally:
            demo.kill()
            stack.down()


def get(flown: Flown, path: str) -> Any:
    """Return what the API tells the demo's viewer."""
    return json.loads(fetch(flown, path))


def fetch(flown: Flown, path: str) -> bytes:
    """Return the body of what the demo's viewer may read."""
    users = json.loads(Path(flown.stack.layout.state_dir, "users.json").read_text())
    password = next(u["password"] for u in users if u["username"] == "viewer")
    form = urllib.parse.urlencode({"grant_type": "password", "username": "viewer", "password": password}).encode()
    with urllib.request.urlopen(f"{flown.stack.api_url}/oidc/token", data=form) as answer:
        token = json.load(answer)["access_token"]
    request = urllib.request.Request(flown.stack.api_url + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())
