"""The function that turns fleet indexing on answers CloudFormation, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from botocore.stub import Stubber

SAID: list[dict[str, Any]] = []
ON = {
    "thingIndexingConfiguration": {
        "thingIndexingMode": "REGISTRY_AND_SHADOW",
        "thingConnectivityIndexingMode": "STATUS",
        "deviceDefenderIndexingMode": "VIOLATIONS",
    },
    "thingGroupIndexingConfiguration": {"thingGroupIndexingMode": "ON"},
}


class CloudFormation(BaseHTTPRequestHandler):
    """Takes an answer, as the address that CloudFormation gives does."""

    def do_PUT(self) -> None:
        SAID.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers() -> Iterator[str]:
    SAID.clear()
    with HTTPServer(("127.0.0.1", 0), CloudFormation) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    from infra.aws.functions.indexing import index as module  # noqa: PLC0415 - asks for a region when imported

    return module


def event(kind: str, answers: str, detect: str = "true") -> dict[str, Any]:
    names = {"StackId": "s", "RequestId": "r", "LogicalResourceId": "Index"}
    return {"RequestType": kind, "ResponseURL": answers, "ResourceProperties": {"Detect": detect}, **names}


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_it_turns_the_index_on_and_says_so(index: ModuleType, answers: str, kind: str) -> None:
    with Stubber(index._iot) as iot:
        iot.add_response("update_indexing_configuration", {}, ON)
        index.handler(event(kind, answers), None)
    [said] = SAID
    assert (said["Status"], said["RequestId"]) == ("SUCCESS", "r")


def test_a_refusal_is_the_reason_that_cloudformation_shows(index: ModuleType, answers: str) -> None:
    with Stubber(index._iot) as iot:
        iot.add_client_error("update_indexing_configuration", "InvalidRequestException", "no such mode")
        index.handler(event("Create", answers), None)
    [said] = SAID
    assert said["Status"] == "FAILED"
    assert "no such mode" in said["Reason"]


def test_taking_the_stack_away_leaves_the_index_of_the_account(index: ModuleType, answers: str) -> None:
    with Stubber(index._iot):
        index.handler(event("Delete", answers), None)
    assert SAID[0]["Status"] == "SUCCESS"
