from __future__ import annotations

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from infra.local.processes import Mark, Probe, ProcessSpec, read_mark


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_alive_means_for_two_seconds() -> None:
    assert [Probe().holds(age) for age in (0.0, 1.9, 2.0)] == [False, False, True]


def test_a_file_is_a_sign(tmp_path: Path) -> None:
    probe = Probe(kind="file", target=str(tmp_path / "ready"))
    assert not probe.holds(5)
    (tmp_path / "ready").touch()
    assert probe.holds(5)


def test_a_port_is_a_sign() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = Probe(kind="tcp", target=str(server.getsockname()[1]))
        assert probe.holds(0)
    assert not probe.holds(0)


@pytest.mark.parametrize(("path", "ready"), [("/healthz", True), ("/other", False)])
def test_an_answer_is_a_sign(path: str, *, ready: bool) -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert Probe(kind="http", target=f"http://127.0.0.1:{server.server_port}{path}").holds(0) is ready
        thread.join()
    assert not Probe(kind="http", target=f"http://127.0.0.1:{server.server_port}{path}").holds(0)


@pytest.mark.parametrize(("command", "ready"), [("true", True), ("false", False), ("test\n1\n=\n1", True)])
def test_a_command_is_a_sign(command: str, *, ready: bool) -> None:
    assert Probe(kind="command", target=command).holds(0) is ready


def test_a_task_is_never_ready_while_it_runs() -> None:
    assert not Probe(kind="exit").holds(100)
    assert ProcessSpec(name="t", command=("true",), probe=Probe(kind="exit")).once


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "-a"])
def test_names_make_safe_file_names(name: str) -> None:
    with pytest.raises(ValidationError):
        ProcessSpec(name=name, command=("true",))


def test_a_reused_pid_is_not_taken_for_the_process() -> None:
    created = psutil.Process().create_time()
    assert Mark(pid=os.getpid(), created=created).process() is not None
    assert Mark(pid=os.getpid(), created=created - 10).process() is None


@pytest.mark.parametrize("content", ["", "123", "{"])
def test_a_torn_pid_file_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.pid").write_text(content)
    assert read_mark(tmp_path / "x.pid") is None
    assert read_mark(tmp_path / "absent.pid") is None
