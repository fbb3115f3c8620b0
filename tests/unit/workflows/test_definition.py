"""What the lint finds in a state machine's file, and that the shipped ones have none of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts import errors, resources
from workflows.__main__ import app
from workflows.definition import DEFINITIONS, problems
from workflows.worker import HANDLERS

SHIPPED = json.loads((DEFINITIONS / "critical_finding.asl.json").read_text())


def states(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every state of a machine, inner ones included."""
    found: dict[str, dict[str, Any]] = dict(machine["States"])
    for state in list(found.values()):
        if "ItemProcessor" in state:
            found |= states(state["ItemProcessor"])
    return found


def all_tasks() -> list[dict[str, Any]]:
    machines = [json.loads((DEFINITIONS / name).read_text()) for name in resources.STATE_MACHINES.values()]
    return [state for machine in machines for state in states(machine).values() if state["Type"] == "Task"]


def tasks() -> dict[str, dict[str, Any]]:
    return {name: state for name, state in states(SHIPPED).items() if state["Type"] == "Task"}


def test_every_declared_machine_ships_and_is_sound() -> None:
    for name in resources.STATE_MACHINES.values():
        assert problems((DEFINITIONS / name).read_text()) == []


def test_every_task_has_a_handler_and_every_handler_a_task() -> None:
    assert {t["Arguments"]["MessageBody"]["task"] for t in all_tasks()} == set(HANDLERS)


def test_every_error_that_is_retried_by_name_is_one_of_ours() -> None:
    named = {e for t in all_tasks() for r in t["Retry"] for e in r["ErrorEquals"] if not e.startswith("States.")}
    assert named
    for name in named:
        assert issubclass(getattr(errors, name), errors.Unavailable)


def test_sap_is_retried_with_backoff_and_jitter_and_refusals_are_not() -> None:
    first = tasks()["Ticket"]["Retry"][0]
    assert "SapUnavailable" in first["ErrorEquals"]
    assert first["BackoffRate"] > 1
    assert first["JitterStrategy"] == "FULL"
    assert "SapRejected" not in json.dumps(tasks()["Ticket"]["Retry"])


def put(path: str, value: object) -> dict[str, Any]:
    """Return the shipped machine with one value replaced (None removes it)."""
    machine: dict[str, Any] = copy.deepcopy(SHIPPED)
    node: Any = machine
    *above, last = path.split("/")
    for part in above:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return machine


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("QueryLanguage", "JSONPath", "QueryLanguage must be JSONata"),
        ("StartAt", "Nowhere", "StartAt names 'Nowhere'"),
        ("States/Check/Next", "Nowhere", "Check: leads to 'Nowhere'"),
        ("States/Check/Next", "Record", "AnythingToDo: no state leads to it"),
        ("States/AnythingToDo/Default", None, "a Choice needs a Default"),
        ("States/Check/TimeoutSeconds", None, "Check: a Task needs TimeoutSeconds"),
        ("States/Check/Retry", [], "Check: a Task needs Retry"),
        ("States/Check/Catch", None, "an error could end the run without a record"),
        ("States/Check/Catch/0/ErrorEquals", ["SapUnavailable"], "catch States.ALL"),
        ("States/Check/HeartbeatSeconds", 600, "HeartbeatSeconds must be below"),
        ("States/Check/Arguments/MessageBody/token", "x", "waits for a token it never sends"),
        ("States/Check/InputPath", "$", "InputPath belongs to JSONPath"),
        ("States/Check/Type", "Tusk", "unknown Type 'Tusk'"),
        ("States/Record/End", False, "Record: needs either Next or End"),
        ("States/Check/End", True, "Check: needs either Next or End"),
        ("States/Check/Output/todo", "{% $states.result.todo", "opens or closes an expression"),
        ("States/Check/Output/todo", "{% $count($states.result.todo %}", "unbalanced brackets"),
        ("States/DoAll/ItemProcessor/States/Ticket/Catch", [], "Ticket: a Task needs Catch"),
        ("States/DoAll/ItemProcessor/States/Which/Default", "Nowhere", "Which: leads to 'Nowhere'"),
    ],
)
def test_a_broken_machine_is_found_out(path: str, value: object, says: str) -> None:
    assert any(says in sentence for sentence in problems(json.dumps(put(path, value)))), problems(
        json.dumps(put(path, value))
    )


def test_text_that_is_no_machine_is_found_out() -> None:
    assert problems("{")[0].startswith("file: not JSON")
    assert problems("[]") == ["file: QueryLanguage must be JSONata"]


def test_the_lint_verb_exits_by_its_finding(tmp_path: Any) -> None:
    good = CliRunner().invoke(app, ["lint", "--json"])
    assert (good.exit_code, json.loads(good.stdout)["ok"]) == (0, True)
    bad = tmp_path / "bad.asl.json"
    bad.write_text(json.dumps(put("StartAt", "Nowhere")))
    answer = CliRunner().invoke(app, ["lint", str(bad)])
    assert answer.exit_code == 1
    assert "StartAt names 'Nowhere'" in answer.stdout
