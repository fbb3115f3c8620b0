"""``kestrel`` on real processes: start, crash, adopt, side by side, stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from contracts.errors import InvalidInput, NotFound, Unavailable
from infra.local import doctor, supervisor
from infra.local.processes import Probe, ProcessSpec
from infra.local.stack import Stack

PARTS = ["postgres", "mosquitto", "emulator", "resources"]
PATIENCE_S = 30.0


def wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kestrel(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.local", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def stack(services_dir: Path) -> Iterator[Stack]:
    made = Stack(services_dir / "stack")
    try:
        made.up(PARTS)
        yield made
    finally:
        made.down()


def test_everything_is_ready_soon(stack: Stack) -> None:
    assert {row.name for row in stack.status() if row.well} == set(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_a_killed_process_comes_back_with_its_data(stack: Stack, name: str) -> None:
    _remember(stack, name)
    before = stack.kill(name)
    wait(lambda: stack.pid(name) not in {None, before})
    stack.wait_ready([name])
    assert _remembered(stack) == name


def test_a_killed_supervisor_is_followed_by_another(stack: Stack) -> None:
    keeper = supervisor.holder(stack.layout)
    assert keeper is not None
    before = {name: stack.pid(name) for name in PARTS}
    os.kill(keeper, signal.SIGKILL)
    wait(lambda: supervisor.holder(stack.layout) is None)
    assert stack.status() == []
    stack.up(PARTS)
    after = {name: stack.pid(name) for name in PARTS}
    assert all(after[name] not in {None, before[name]} for name in PARTS)


def test_processes_can_be_added_and_taken_away(stack: Stack) -> None:
    stack.start_process(ProcessSpec(name="extra", command=("sleep", "600"), probe=Probe(kind="command", target="true")))
    stack.wait_ready(["extra"])
    pid = stack.pid("extra")
    stack.stop_process("extra")
    assert stack.pid("extra") is None
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


def test_a_second_instance_runs_beside(stack: Stack, services_dir: Path) -> None:
    other = Stack(services_dir / "other")
    try:
        other.up(["mosquitto", "emulator"])
        assert not set(other.ports.values()) & set(stack.ports.values())
        assert {row.name for row in other.status()} == {"mosquitto", "emulator"}
    finally:
        other.down()
    assert other.status() == []
    assert {row.name for row in stack.status() if row.well} == set(PARTS)


def test_a_drone_gets_its_whole_environment(stack: Stack) -> None:
    env = stack.drone_env("drone-7", EDGE_CAMERA_URL="http://127.0.0.1:1")
    files = [env[f"EDGE_{name}_FILE"] for name in ("CA", "CERT", "KEY")]
    assert all(Path(file).is_file() for file in files)
    assert env["EDGE_MQTT_URL"] == f"mqtts://127.0.0.1:{stack.ports['mosquitto']}"
    assert env["EDGE_CAMERA_URL"] == "http://127.0.0.1:1"


def test_no_credentials_of_the_caller_reach_a_program(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_PROFILE", "production")
    env = stack.env("cloud")
    assert "AWS_PROFILE" not in env
    assert env["AWS_SECRET_ACCESS_KEY"] != "real"
    assert env["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_unknown_names_are_refused(stack: Stack) -> None:
    with pytest.raises(InvalidInput, match=r"No process is called nonsense\. Known: postgres"):
        stack.want(["nonsense"])
    with pytest.raises(NotFound, match="nonsense does not run"):
        stack.kill("nonsense")
    with pytest.raises(Unavailable, match=r"Not ready after 0 s: nonsense\."):
        stack.wait_ready(["nonsense"], timeout_s=0)


def test_the_doctor_finds_it_well_and_names_what_is_not(stack: Stack) -> None:
    stack.wait_ready(PARTS)
    found = {check.name: check for check in doctor.examine(stack)}
    assert found["supervisor"].verdict == "ok"
    assert found["certificates"].verdict == "ok"
    assert found["queue kestrel-vision-jobs"].found == "0 waiting, 0 dead"
    assert found["migrations"].verdict == "warn"
    assert found["migrations"].mend


def test_the_program_speaks_json(stack: Stack) -> None:
    place = ("--state-dir", str(stack.layout.state_dir), "--json")
    status = kestrel("status", *place)
    assert status.returncode == 0
    assert {row["name"] for row in json.loads(status.stdout)} == set(PARTS)
    up = json.loads(kestrel("up", "--only", ",".join(PARTS), *place).stdout)
    assert up["ports"]["postgres"] == stack.ports["postgres"]
    assert {check["name"] for check in json.loads(kestrel("doctor", *place).stdout)} >= {"disk", "clock"}
    issued = json.loads(kestrel("issue-drone", "drone-8", *place).stdout)
    assert Path(issued["cert_file"]).is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--only", "nonsense"), "No process is called nonsense."),
        (("logs", "nonsense"), "There is no log of nonsense."),
        (("issue-drone", "../x"), "cannot be a drone id"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_1(stack: Stack, words: tuple[str, ...], said: str) -> None:
    done = kestrel(*words, "--state-dir", str(stack.layout.state_dir))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    place = ("--state-dir", str(tmp_path / "none"))
    assert kestrel("status", *place).returncode == 1
    assert kestrel("down", *place).returncode == 0
    failed = [check for check in doctor.examine(Stack(tmp_path / "none")) if check.verdict == "fail"]
    assert [(check.name, check.mend) for check in failed] == [("supervisor", "Run `kestrel up`.")]


def _connect(stack: Stack) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(stack.database_url.replace("+psycopg2", ""), connect_timeout=5)
    connection.autocommit = True
    return connection


def _remember(stack: Stack, word: str) -> None:
    connection = _connect(stack)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS memory (word text)")
        cursor.execute("TRUNCATE memory")
        cursor.execute("INSERT INTO memory VALUES (%s)", (word,))
    connection.close()


def _remembered(stack: Stack) -> str | None:
    connection = _connect(stack)
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM memory")
        row = cursor.fetchone()
    connection.close()
    return str(row[0]) if row else None
