from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from contracts.errors import InvalidInput
from infra.local import resources
from infra.local.resources import Keeper

VALUES = {"WorkflowTasksQueueUrl": "http://q", "EngineersTopicArn": "arn:t", "SegmentsMapMode": "INLINE"}


class Aws:
    """Counts how often the resources were made; may be down."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = False

    def ensure(self) -> list[str]:
        if self.down:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        self.calls += 1
        return ["queue"] if self.calls == 1 else []


class Bench:
    def __init__(self, folder: Path) -> None:
        self.aws = Aws()
        self.now_s = 0.0
        self.events: list[str] = []
        self.pid_file = folder / "emulator.pid"
        self.ready_file = folder / "resources.ready"
        self.keeper = Keeper(
            self.pid_file,
            self.ready_file,
            lambda event, **_: self.events.append(event),
            ensure_all=self.aws.ensure,
            clock=lambda: self.now_s,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.pid_file.write_text("1")
    return made


def test_resources_are_made_once_for_one_emulator(bench: Bench) -> None:
    assert [bench.keeper.step() for _ in range(3)] == [True, None, None]
    assert bench.aws.calls == 1
    assert bench.ready_file.exists()


def test_a_new_emulator_gets_them_at_once(bench: Bench) -> None:
    bench.keeper.step()
    bench.pid_file.write_text("2")
    assert bench.keeper.step() is True
    assert bench.aws.calls == 2


def test_they_are_looked_after_now_and_then(bench: Bench) -> None:
    bench.keeper.step()
    bench.now_s = 31.0
    assert bench.keeper.step() is True


def test_an_outage_is_said_once_and_its_end_once(bench: Bench) -> None:
    bench.aws.down = True
    assert [bench.keeper.step() for _ in range(3)] == [False, False, False]
    assert not bench.ready_file.exists()
    bench.aws.down = False
    assert bench.keeper.step() is True
    assert bench.events == ["resources_unavailable", "resources_ready"]


def test_placeholders_of_a_definition_are_filled(tmp_path: Path) -> None:
    path = tmp_path / "m.asl.json"
    path.write_text('{"QueueUrl": "${WorkflowTasksQueueUrl}", "Topic": "${EngineersTopicArn}"}')
    assert json.loads(resources.definition(path, VALUES)) == {"QueueUrl": "http://q", "Topic": "arn:t"}


@pytest.mark.parametrize(
    ("text", "said"), [("{", "is not JSON"), ('{"a": "${Unknown}"}', "unknown placeholder \\${Unknown}")]
)
def test_a_bad_definition_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.asl.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=said):
        resources.definition(path, VALUES)
