"""The probe from outside, against a server that answers as the platform does, or does not."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

import pytest

from infra.aws.functions.canary.index import probe

FUNCTIONS = Path(__file__).resolve().parents[3] / "infra" / "aws" / "functions"
KEY = "kst_known"


class Platform(BaseHTTPRequestHandler):
    """Answers by path; ``broken`` holds paths that answer something else."""

    broken: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        known = self.headers.get("Authorization") == f"Bearer {KEY}"
        sound = {
            "/readyz": (200, b"{}"),
            "/login": (200, b"<html>"),
            "/.well-known/jwks.json": (200, b'{"keys": [{"kid": "1"}]}'),
            "/v1/drones": (200 if known else 401, b"{}"),
        }
        status, body = {**sound, **self.broken}[path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def platform() -> Iterator[ThreadingHTTPServer]:
    handler = type("Handler", (Platform,), {"broken": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def told(
    server: ThreadingHTTPServer, broken: Mapping[str, tuple[int, bytes]] = MappingProxyType({}), key: str = KEY
) -> dict[str, Any]:
    server.RequestHandlerClass.broken = {f"/{path}": answer for path, answer in broken.items()}  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{server.server_port}"
    lines: list[str] = []
    probe(url, url, key, lines.append)
    [line] = lines
    said: dict[str, Any] = json.loads(line)
    return said


def test_a_sound_platform_fails_no_step_and_is_a_metric_of_zero(platform: ThreadingHTTPServer) -> None:
    said = told(platform)
    assert said["failed"] == {}
    assert said["canary-failures"] == 0
    [declared] = said["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == "Kestrel"
    assert {metric["Name"] for metric in declared["Metrics"]} <= set(said)


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        ({"readyz": (503, b"")}, {"ready"}),
        ({"login": (500, b"")}, {"page"}),
        ({".well-known/jwks.json": (200, b'{"keys": []}')}, {"issuer"}),
        ({".well-known/jwks.json": (200, b"no JSON")}, {"issuer"}),
        ({"v1/drones": (200, b"{}")}, {"stranger"}),
        ({"v1/drones": (500, b"")}, {"known", "stranger"}),
    ],
)
def test_each_step_fails_by_its_name(
    platform: ThreadingHTTPServer, broken: dict[str, tuple[int, bytes]], failed: set[str]
) -> None:
    said = told(platform, broken)
    assert set(said["failed"]) == failed
    assert said["canary-failures"] == len(failed)


def test_a_withdrawn_key_is_a_failure(platform: ThreadingHTTPServer) -> None:
    assert told(platform, key="kst_old")["failed"] == {"known": "401 instead of 200"}


def test_a_platform_that_is_away_fails_every_step() -> None:
    lines: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Platform) as server:
        nobody = f"http://127.0.0.1:{server.server_port}"
    probe(nobody, nobody, KEY, lines.append)
    assert len(json.loads(lines[0])["failed"]) == 5


@pytest.mark.parametrize("file", sorted(FUNCTIONS.glob("*/index.py")), ids=lambda file: file.parent.name)
def test_a_functions_folder_is_its_bundle(file: Path) -> None:
    """It needs nothing that Lambda's Python does not have, so nothing is built, and no Docker."""
    brought = {"boto3", "botocore"} | sys.stdlib_module_names
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= brought
