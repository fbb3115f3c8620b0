"""Structural checks of a state machine's file: what would otherwise fail at night, in a state nobody tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEFINITIONS = Path(__file__).parent / "definitions"
_TYPES = frozenset({"Task", "Choice", "Map", "Parallel", "Pass", "Wait", "Succeed", "Fail"})
_ENDS = frozenset({"Succeed", "Fail"})
_JSONPATH_FIELDS = frozenset({"InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "ItemsPath"})


def problems(text: str) -> list[str]:
    """Return what is wrong with a definition, each as ``state: sentence``; empty when nothing is."""
    try:
        machine = json.loads(text)
    except ValueError as error:
        return [f"file: not JSON: {error}"]
    if not isinstance(machine, dict) or machine.get("QueryLanguage") != "JSONata":
        return ["file: QueryLanguage must be JSONata"]
    return [*_of_machine(machine, "file"), *_of_expressions(machine, "file")]


def _of_machine(machine: dict[str, Any], where: str) -> Iterator[str]:
    states: dict[str, Any] = machine.get("States", {})
    if machine.get("StartAt") not in states:
        yield f"{where}: StartAt names {machine.get('StartAt')!r}, which does not exist"
        return
    reached = {machine["StartAt"]}
    for name, state in states.items():
        for target in _targets(state):
            reached.add(target)
            if target not in states:
                yield f"{name}: leads to {target!r}, which does not exist"
        yield from _of_state(name, state)
    for name in sorted(set(states) - reached):
        yield f"{name}: no state leads to it"


def _targets(state: dict[str, Any]) -> Iterator[str]:
    rules = [state, *state.get("Choices", []), *state.get("Catch", [])]
    yield from (rule["Next"] for rule in rules if "Next" in rule)
    if "Default" in state:
        yield state["Default"]


def _of_state(name: str, state: dict[str, Any]) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in _TYPES:
        yield f"{name}: unknown Type {kind!r}"
        return
    if kind == "Choice":
        if "Default" not in state:
            yield f"{name}: a Choice needs a Default, or an unforeseen value ends the run"
    elif kind not in _ENDS and ("Next" in state) == (state.get("End") is True):
        yield f"{name}: needs either Next or End"
    if stray := _JSONPATH_FIELDS & set(state):
        yield f"{name}: {', '.join(sorted(stray))} belongs to JSONPath, not JSONata"
    if kind == "Task":
        yield from _of_task(name, state)
    for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
        yield from _of_machine(inner, name)


def _of_task(name: str, state: dict[str, Any]) -> Iterator[str]:
    missing = [field for field in ("Resource", "TimeoutSeconds", "Retry", "Catch") if not state.get(field)]
    if missing:
        yield f"{name}: a Task needs {', '.join(missing)}"
    caught = [error for rule in state.get("Catch", []) for error in rule.get("ErrorEquals", [])]
    if "States.ALL" not in caught:
        yield f"{name}: an error could end the run without a record: catch States.ALL"
    if "HeartbeatSeconds" in state and state["HeartbeatSeconds"] >= state.get("TimeoutSeconds", 0):
        yield f"{name}: HeartbeatSeconds must be below TimeoutSeconds"
    if str(state.get("Resource", "")).endswith(".waitForTaskToken") and "Task.Token" not in json.dumps(state):
        yield f"{name}: waits for a token it never sends"


def _of_expressions(node: object, where: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _of_expressions(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _of_expressions(value, where)
    elif isinstance(node, str):
        if node.startswith("{%") != node.endswith("%}"):
            yield f"{where}: {node!r} opens or closes an expression, not both"
        elif node.startswith("{%") and any(node.count(a) != node.count(b) for a, b in ("()", "[]", "{}")):
            yield f"{where}: {node!r} has unbalanced brackets"
