"""What the lint finds in a state machine's file, and that the shipped ones have none of it."""

from __future__ import annotations

import copy
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from contracts import errors, resources, training
from infra.local.resources import definition
from workflows.__main__ import app
from workflows.definition import DEFINITIONS, every_state, problems
from workflows.worker import HANDLERS

PLACEHOLDERS = set(re.findall(r"\$\{(\w+)\}", "".join(p.read_text() for p in DEFINITIONS.glob("*.asl.json"))))
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


@pytest.mark.parametrize("name", resources.STATE_MACHINES.values())
def test_the_schema_that_cfn_lint_keeps_of_the_language_finds_them_sound_too(name: str) -> None:
    """A second opinion; a third is the parser of moto's interpreter, which takes each of them before it runs it."""
    found = find_spec("cfnlint")
    assert found
    kept = Path(str(found.origin)).parent / "data/schemas/other/step_functions/statemachine.json"
    schema = json.loads(kept.read_text(encoding="utf-8"))
    filled = definition(DEFINITIONS / name, dict.fromkeys(PLACEHOLDERS, "x") | {"SegmentsMapMode": "INLINE"})
    machine = json.loads(filled)
    for _, state in every_state(machine):
        state["QueryLanguage"] = "JSONata"  # as cfn-lint does: its schema looks for it in each state
    assert [error.message for error in Draft7Validator(schema).iter_errors(machine)] == []
    assert not Draft7Validator(schema).is_valid(machine | {"StartAt": 1})


def test_every_task_has_a_handler_and_every_handler_a_task() -> None:
    asked = {t["Arguments"]["MessageBody"]["task"] for t in all_tasks() if "MessageBody" in t["Arguments"]}
    assert asked == set(HANDLERS) | {training.TRAIN, training.EVALUATE}


def test_every_error_that_is_retried_by_name_is_one_of_ours() -> None:
    named = {e for t in all_tasks() for r in t["Retry"] for e in r["ErrorEquals"] if "." not in e}
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
        ("States/Lost", {"Type": "Pass", "Next": "Lost"}, "Lost: no state leads to it"),
        ("States/Schedule/Next", "Check", "Record: no state leads to it"),
        ("States/AnythingToDo", {"Type": "Pass", "Next": "AnythingToDo"}, "AnythingToDo: never comes to an end"),
        ("States/Ticket", {"Type": "Succeed"}, "Ticket: the name stands twice in the file"),
        ("States/Check/Retry/0/ErrorEquals", ["States.ALL"], "Check: States.ALL stands alone and last in Retry"),
        ("States/Check/Retry/1/ErrorEquals", ["Unavailable"], "Retry names Unavailable twice"),
        ("States/Check/Retry/0/ErrorEquals", ["States.Timeot"], "which the language does not know"),
        ("States/Check/Retry/0/JitterStrategy", "NONE", "without jitter"),
        ("States/Check/Retry/0/MaxDelaySeconds", 1, "MaxDelaySeconds must be above"),
        ("States/Check/Retry/0/IntervalSeconds", 0, "waits at least a second"),
        ("States/Check/Retry/0/Interval", 1, "a Retry does not know Interval"),
        ("States/Check/Catch/0/Next", None, "a Catch needs a Next"),
        ("States/Check/Catch/0/ResultPath", "$", "a Catch does not know ResultPath"),
        ("States/Check/Catch/0/ErrorEquals", ["States.ALL", "Unavailable"], "stands alone and last in Catch"),
        ("States/AnythingToDo/Choices/0/Condition", "$count(x) > 0", "needs a Condition in JSONata"),
        ("States/AnythingToDo/End", True, "a Choice does not know End"),
        ("States/DoAll/ItemProcessor/ProcessorConfig", {}, "needs a ProcessorConfig with a Mode"),
        ("States/DoAll/Catch", None, "DoAll: a Map needs Catch"),
        ("States/Failure/Error", None, "Failure: a Fail needs Error"),
        ("Comments", "x", "file: does not know Comments"),
        ("States/Check/Output/todo", "{% $states.results.todo %}", "reads $states.results"),
        ("States/AnythingToDo/Default", None, "a Choice needs Default"),
        ("States/Check/TimeoutSeconds", None, "Check: a Task needs TimeoutSeconds"),
        ("States/Check/Retry", [], "Check: a Task needs Retry"),
        ("States/Check/Catch", None, "Check: a Task needs Catch"),
        ("States/Check/Catch/0/ErrorEquals", ["SapUnavailable"], "catch States.ALL"),
        ("States/Check/HeartbeatSeconds", 600, "HeartbeatSeconds must be below"),
        ("States/Check/Arguments/MessageBody/token", "x", "waits for a token it never sends"),
        ("States/Check/InputPath", "$", "a Task does not know InputPath"),
        ("States/Check/Type", "Tusk", "unknown Type 'Tusk'"),
        ("States/Record/End", False, "Record: needs either Next or End"),
        ("States/Check/End", True, "Check: needs either Next or End"),
        ("States/Check/Output/todo", "{% $states.result.todo", "opens or closes an expression"),
        ("States/Check/Output/todo", "{% $count($states.result.todo %}", "is not JSONata"),
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
