"""The shipped state machine on two independent interpreters of the States Language, with tasks answered by the test."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import jsonata
import pytest
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata

from contracts.resources import (
    CRITICAL_FINDING_MACHINE,
    DAILY_DIGEST_MACHINE,
    INSPECTION_MACHINE,
    RETRAIN_MACHINE,
)
from infra.local import resources
from tests.machines import FINDING, Answer, Machine, trained
from tests.services import AwsServer, Moto

pytestmark = pytest.mark.flaky(reruns=1)  # moto's threads stopped between two states once: docs/decisions/0034


@pytest.fixture
def machine(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    if isinstance(aws, Moto):
        _configure(aws, execute=True)
        monkeypatch.setattr(moto_jsonata, "_eval_jsonata", _evaluated)
        monkeypatch.setenv("MOTO_PORT", aws.url.rpartition(":")[2])
        resources.ensure()  # its interpreter keeps machines of its own
    yield Machine(tells_causes=not isinstance(aws, Moto))
    if isinstance(aws, Moto):
        _configure(aws, execute=False)


def _configure(aws: Moto, *, execute: bool) -> None:
    body = json.dumps({"stepfunctions": {"execute_state_machine": execute}}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{aws.url}/moto-api/config", body, method="POST"), timeout=10):
        pass


def _evaluated(expression: str) -> object:
    return jsonata.Jsonata.jsonata(expression).evaluate(None)


def everything(task: dict[str, Any]) -> tuple[str, Any]:
    if task["task"] == "check":
        return "", {"todo": ["ticket", "notify", "summarise"], "reason": ""}
    return "", {"number": "10000001"} if task["task"] == "ticket" else {}


def test_all_goes_well(machine: Machine) -> None:
    status, _ = machine.run(everything, "well")
    assert status == "SUCCEEDED"
    tasks = machine.tasks()
    assert (tasks[0], sorted(tasks[1:4]), tasks[4:]) == (
        "check",
        ["notify", "summarise", "ticket"],
        ["schedule", "record"],
    )
    assert all(task["input"]["finding"] == FINDING for task in machine.seen)
    assert {task["execution"] for task in machine.seen} == {"well"}


@pytest.mark.parametrize("todo", [[], ["notify"], ["ticket", "summarise"]])
def test_only_what_is_left_is_done(machine: Machine, todo: list[str]) -> None:
    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        return ("", {"todo": todo}) if task["task"] == "check" else everything(task)

    status, _ = machine.run(answer, f"left-{len(todo)}")
    assert status == "SUCCEEDED"
    assert sorted(machine.tasks()) == sorted(["check", *todo, "schedule", "record"])


def test_unavailable_is_retried_with_a_token_of_its_own(machine: Machine) -> None:
    failures = {"ticket": 2}

    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        if failures.get(task["task"], 0):
            failures[task["task"]] -= 1
            return "SapUnavailable", {"message": "SAP is down.", "hint": ""}
        return everything(task)

    status, _ = machine.run(answer, "retried")
    assert status == "SUCCEEDED"
    assert machine.tasks().count("ticket") == 3
    tokens = {(task["task"], task["token"]) for task in machine.seen}
    assert len({token for _, token in tokens}) == len(tokens), "a token is shared between tasks"


def test_a_refusal_is_not_retried_does_not_stop_the_others_and_is_recorded(machine: Machine, aws: AwsServer) -> None:
    refusal = {"message": "No.", "hint": "Mend it."}

    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        return ("SapRejected", refusal) if task["task"] == "ticket" else everything(task)

    status, end = machine.run(answer, "refused")
    assert (status, end["error"]) == ("FAILED", "SapRejected")
    tasks = machine.tasks()
    assert sorted(tasks[1:4]) == ["notify", "summarise", "ticket"]
    assert tasks[4:] == ["fail"]
    (failure,) = machine.seen[-1]["input"]["failures"]
    assert (failure["task"], failure["error"]) == ("ticket", "SapRejected")
    assert failure["cause"] == ("" if isinstance(aws, Moto) else json.dumps(refusal))  # moto forgets causes


def test_two_refusals_are_both_recorded(machine: Machine) -> None:
    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        return ("Unexpected", {}) if task["task"] in {"ticket", "notify"} else everything(task)

    status, _ = machine.run(answer, "two")
    assert status == "FAILED"
    assert sorted(f["task"] for f in machine.seen[-1]["input"]["failures"]) == ["notify", "ticket"]


def asked(decision: dict[str, Any]) -> Answer:
    """Answer as handlers do where the policy asks a person first."""

    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        if task["task"] == "check":
            return "", {"todo": ["ask", "notify"]}
        return ("", decision) if task["task"] == "ask" else everything(task)

    return answer


@pytest.mark.parametrize(
    ("decision", "opened"), [("approved", 1), ("rejected", 0), ("withdrawn", 0)], ids=["yes", "no", "nobody"]
)
def test_only_a_yes_leads_to_sap(machine: Machine, decision: str, opened: int) -> None:
    status, _ = machine.run(asked({"decision": decision}), f"asked-{decision}")
    assert status == "SUCCEEDED"
    assert machine.tasks().count("ticket") == opened
    assert machine.tasks()[-1] == "record"


def test_a_finding_that_is_gone_when_a_person_would_be_asked_needs_no_answer(machine: Machine) -> None:
    status, _ = machine.run(asked({"skipped": "merged", "number": None}), "asked-gone")
    assert status == "SUCCEEDED"
    assert "ticket" not in machine.tasks()


def test_a_question_nobody_answered_is_a_failure_people_see(machine: Machine) -> None:
    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        return ("DecisionExpired", {}) if task["task"] == "ask" else asked({})(task)

    status, end = machine.run(answer, "expired")
    assert (status, end["error"]) == ("FAILED", "DecisionExpired")
    assert [f["task"] for f in machine.seen[-1]["input"]["failures"]] == ["ask"]
    assert "notify" in machine.tasks()


SEGMENTS = ("flt-1.00000", "flt-1.00001", "flt-1.00002")


def inspected(
    broken: str = "", error: str = "Unexpected", times: int = 99, segments: Sequence[str] = SEGMENTS
) -> Answer:
    """Answer an inspection's tasks; one task, or one segment, fails some times."""
    left = {"times": times}

    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        if broken in {task["task"], task["input"].get("segment_id", "-")} and left["times"] > 0:
            left["times"] -= 1
            return error, {"message": "No.", "hint": ""}
        return "", {"segments": list(segments)} if task["task"] == "segments" else {}

    return answer


def test_an_inspection_is_waited_for_and_brought_to_its_end(machine: Machine) -> None:
    status, _ = machine.run(inspected(SEGMENTS[1], "StillAnalysing", times=1), "flt-1", INSPECTION_MACHINE)
    assert status == "SUCCEEDED"
    tasks = machine.tasks()
    assert (tasks[0], tasks.count("segment")) == ("segments", 4)
    assert [t for t in tasks[1:] if t != "segment"] == ["coverage", "identity", "grade", "report", "record"]
    asked = {(t["input"]["subject"], t["input"]["segment_id"]) for t in machine.seen if t["task"] == "segment"}
    assert asked == {("flt-1", segment) for segment in SEGMENTS}
    assert {t["execution"] for t in machine.seen} == {"flt-1"}


def test_an_inspection_without_segments_ends_too(machine: Machine) -> None:
    status, _ = machine.run(inspected(segments=()), "flt-none", INSPECTION_MACHINE)
    assert status == "SUCCEEDED"
    assert "segment" not in machine.tasks()


@pytest.mark.parametrize(("happened", "tasks"), [(0, ["gather", "record"]), (3, ["gather", "send", "record"])])
def test_a_day_on_which_nothing_happened_is_not_told(machine: Machine, happened: int, tasks: list[str]) -> None:
    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        return "", {"happened": happened} if task["task"] == "gather" else {}

    status, _ = machine.run(answer, f"2026-11-{20 + happened}", DAILY_DIGEST_MACHINE)
    assert (status, machine.tasks()) == ("SUCCEEDED", tasks)


@pytest.mark.parametrize(
    ("decision", "then"), [("approved", ["promote", "record"]), ("rejected", ["record"])], ids=["yes", "no"]
)
def test_a_detector_comes_into_force_by_a_persons_yes(machine: Machine, decision: str, then: list[str]) -> None:
    status, _ = machine.run(trained(decision), f"mdl-{decision}", RETRAIN_MACHINE)
    assert status == "SUCCEEDED"
    assert machine.tasks() == ["labels", "train", "evaluate", "gate", "approve", *then]
    assert {task["input"]["subject"] for task in machine.seen} == {f"mdl-{decision}"}


def test_a_name_starts_once(machine: Machine) -> None:
    status, end = machine.run(everything, "once")
    assert status == "SUCCEEDED"
    assert (
        machine.flows.start(CRITICAL_FINDING_MACHINE, "once", json.dumps(FINDING | {"flight_id": "x"}))
        == (end["executionArn"])
    )
    assert machine.flows.status(end["executionArn"]) == "SUCCEEDED"


def test_what_does_not_exist_is_none_or_false(machine: Machine) -> None:
    _, end = machine.run(everything, "known")
    assert machine.flows.status(end["executionArn"].replace("known", "unknown")) is None
    assert machine.flows.succeed("no-such-token", "{}") is False
    assert machine.flows.fail("no-such-token", "Unavailable", "") is False
    assert machine.flows.beat("no-such-token") is False
