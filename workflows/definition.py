"""Checks of a state machine's file: what would otherwise fail at night, in a state nobody tried.

The rules are those of the Amazon States Language (states-language.net/spec.html) as `statelint` checks them, for
JSONata, with a few of the house: every task is caught, retried with jitter and has a time-out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonata import Jsonata

DEFINITIONS = Path(__file__).parent / "definitions"
State = dict[str, Any]
_ANY = frozenset({"Type", "Comment", "QueryLanguage"})
_ON = frozenset({"Next", "End", "Assign", "Output"})
_GUARDED = frozenset({"Retry", "Catch"})
_FIELDS: Mapping[str, frozenset[str]] = {
    "Task": _ANY | _ON | _GUARDED | {"Resource", "Arguments", "Credentials", "TimeoutSeconds", "HeartbeatSeconds"},
    "Choice": _ANY | {"Choices", "Default", "Assign", "Output"},
    "Map": _ANY | _ON | _GUARDED | {
        "Items", "ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter", "ItemProcessor", "MaxConcurrency",
        "Label", "ToleratedFailurePercentage", "ToleratedFailureCount",
    },
    "Parallel": _ANY | _ON | _GUARDED | {"Branches", "Arguments"},
    "Pass": _ANY | _ON,
    "Wait": _ANY | _ON | {"Seconds", "Timestamp"},
    "Succeed": _ANY | {"Output"},
    "Fail": _ANY | {"Error", "Cause"},
}  # fmt: skip
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "Task": ("Resource", "TimeoutSeconds", "Retry", "Catch"),
    "Choice": ("Choices", "Default"),
    "Map": ("Items", "ItemProcessor", "Catch"),
    "Parallel": ("Branches", "Catch"),
    "Fail": ("Error",),
}
_MACHINE = frozenset({"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version", "ProcessorConfig"})
_RETRIER = frozenset(
    {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy", "Comment"}
)
_CATCHER = frozenset({"ErrorEquals", "Next", "Output", "Assign", "Comment"})
_ENDS = frozenset({"Succeed", "Fail"})
_ALL = "States.ALL"
_RESERVED = frozenset(
    f"States.{name}" for name in (
        "ALL", "Timeout", "HeartbeatTimeout", "TaskFailed", "Permissions", "DataLimitExceeded", "Runtime",
        "QueryEvaluationError", "BranchFailed", "NoChoiceMatched", "ExceedToleratedFailureThreshold",
        "ItemReaderFailed", "ResultWriterFailed",
    )
)  # fmt: skip
_NAME_MAX = 80
_EXPRESSION = re.compile(r"^\{%(.*)%\}$", re.DOTALL)
_VARIABLES = frozenset({"input", "result", "errorOutput", "context"})
_STATES = re.compile(r"\$states\.(\w+)")


def problems(text: str) -> list[str]:
    """Return what is wrong with a definition, each as ``state: sentence``; empty when nothing is."""
    try:
        machine = json.loads(text)
    except ValueError as error:
        return [f"file: not JSON: {error}"]
    if not isinstance(machine, dict) or machine.get("QueryLanguage") != "JSONata":
        return ["file: QueryLanguage must be JSONata"]
    twice = [name for name, number in Counter(name for name, _ in every_state(machine)).items() if number > 1]
    return [
        *(f"{name}: the name stands twice in the file" for name in twice),
        *_of_machine(machine, "file"),
        *_of_expressions(machine, "file"),
    ]


def every_state(machine: State) -> Iterator[tuple[str, State]]:
    """Yield every state by its name, those inside maps and branches too."""
    for name, state in machine.get("States", {}).items():
        yield name, state
        for inner in _inner(state):
            yield from every_state(inner)


def _inner(state: State) -> list[State]:
    return [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]


def _of_machine(machine: State, where: str) -> Iterator[str]:
    states: dict[str, State] = machine.get("States", {})
    if strange := sorted(set(machine) - _MACHINE):
        yield f"{where}: does not know {', '.join(strange)}"
    if machine.get("StartAt") not in states:
        yield f"{where}: StartAt names {machine.get('StartAt')!r}, which does not exist"
        return
    for name, state in states.items():
        yield from (f"{name}: leads to {t!r}, which does not exist" for t in _targets(state) if t not in states)
        yield from _of_state(name, state)
    yield from _of_ways(states, machine["StartAt"])


def _of_ways(states: dict[str, State], start: str) -> Iterator[str]:
    """Every state is reached from the start, and from every state an end is reached."""
    ways = {name: {target for target in _targets(state) if target in states} for name, state in states.items()}
    ends = {name for name, state in states.items() if state.get("Type") in _ENDS or state.get("End") is True}
    back: dict[str, set[str]] = {name: {one for one, to in ways.items() if name in to} for name in states}
    reached, ending = _closure(ways, {start}), _closure(back, ends)
    for name in states:
        if name not in reached:
            yield f"{name}: no state leads to it"
        elif name not in ending:
            yield f"{name}: never comes to an end"


def _closure(ways: Mapping[str, set[str]], found: set[str]) -> set[str]:
    while more := set().union(*(ways[name] for name in found)) - found:
        found = found | more
    return found


def _targets(state: State) -> Iterator[str]:
    rules = [state, *state.get("Choices", []), *state.get("Catch", [])]
    yield from (rule["Next"] for rule in rules if "Next" in rule)
    if "Default" in state:
        yield state["Default"]


def _of_state(name: str, state: State) -> Iterator[str]:
    kind = state.get("Type", "")
    if kind not in _FIELDS:
        yield f"{name}: unknown Type {kind!r}"
        return
    if len(name) > _NAME_MAX:
        yield f"{name}: a name has at most {_NAME_MAX} characters"
    if strange := sorted(set(state) - _FIELDS[kind]):
        yield f"{name}: a {kind} does not know {', '.join(strange)}"
    if missing := [field for field in _NEEDED.get(kind, ()) if not state.get(field)]:
        yield f"{name}: a {kind} needs {', '.join(missing)}"
    if kind not in _ENDS | {"Choice"} and ("Next" in state) == (state.get("End") is True):
        yield f"{name}: needs either Next or End"
    if kind == "Task":
        yield from _of_task(name, state)
    yield from _of_retriers(name, state.get("Retry", []))
    yield from _of_catchers(name, state)
    yield from _of_parts(name, state)


def _of_parts(name: str, state: State) -> Iterator[str]:
    """What stands inside a state: rules of a Choice, machines of a Map or a Parallel."""
    for rule in state.get("Choices", []):
        if not _EXPRESSION.match(str(rule.get("Condition", ""))) or "Next" not in rule:
            yield f"{name}: a rule needs a Condition in JSONata and a Next"
    if state["Type"] == "Map" and "Mode" not in state.get("ItemProcessor", {}).get("ProcessorConfig", {}):
        yield f"{name}: its ItemProcessor needs a ProcessorConfig with a Mode"
    for inner in _inner(state):
        yield from _of_machine(inner, name)


def _of_task(name: str, state: State) -> Iterator[str]:
    if "HeartbeatSeconds" in state and state["HeartbeatSeconds"] >= state.get("TimeoutSeconds", 0):
        yield f"{name}: HeartbeatSeconds must be below TimeoutSeconds"
    if str(state.get("Resource", "")).endswith(".waitForTaskToken") and "Task.Token" not in json.dumps(state):
        yield f"{name}: waits for a token it never sends"


def _of_retriers(name: str, retriers: list[State]) -> Iterator[str]:
    yield from _of_errors(name, "Retry", retriers)
    for rule in retriers:
        if strange := sorted(set(rule) - _RETRIER):
            yield f"{name}: a Retry does not know {', '.join(strange)}"
        if rule.get("JitterStrategy") != "FULL":
            yield f"{name}: a Retry without jitter lets all come back at once"
        if rule.get("IntervalSeconds", 1) < 1 or rule.get("MaxAttempts", 3) < 0 or rule.get("BackoffRate", 2) < 1:
            yield f"{name}: a Retry waits at least a second, backs off at least by 1, tries no negative times"
        if rule.get("MaxDelaySeconds", 1e9) <= rule.get("IntervalSeconds", 1):
            yield f"{name}: MaxDelaySeconds must be above IntervalSeconds"


def _of_catchers(name: str, state: State) -> Iterator[str]:
    catchers = state.get("Catch", [])
    yield from _of_errors(name, "Catch", catchers)
    for rule in catchers:
        if strange := sorted(set(rule) - _CATCHER):
            yield f"{name}: a Catch does not know {', '.join(strange)}"
        if "Next" not in rule:
            yield f"{name}: a Catch needs a Next"
    if catchers and _ALL not in catchers[-1].get("ErrorEquals", []):
        yield f"{name}: an error could end the run without a record: catch {_ALL} last"


def _of_errors(name: str, where: str, rules: list[State]) -> Iterator[str]:
    """``States.ALL`` stands alone and last; no error is named after a rule that took it."""
    taken: set[str] = set()
    for position, rule in enumerate(rules):
        errors = rule.get("ErrorEquals", [])
        if not errors:
            yield f"{name}: a {where} needs ErrorEquals"
        if _ALL in errors and (len(errors) > 1 or position != len(rules) - 1):
            yield f"{name}: {_ALL} stands alone and last in {where}"
        if again := sorted(taken & set(errors)):
            yield f"{name}: {where} names {', '.join(again)} twice; the second never matches"
        if unknown := sorted(e for e in errors if e.startswith("States.") and e not in _RESERVED):
            yield f"{name}: {where} names {', '.join(unknown)}, which the language does not know"
        taken |= set(errors)


def _of_expressions(node: object, where: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _of_expressions(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _of_expressions(value, where)
    elif isinstance(node, str):
        yield from _of_text(node, where)


def _of_text(text: str, where: str) -> Iterator[str]:
    if text.startswith("{%") != text.endswith("%}"):
        yield f"{where}: {text!r} opens or closes an expression, not both"
        return
    match = _EXPRESSION.match(text)
    if match is None:
        return
    if strange := sorted(set(_STATES.findall(match[1])) - _VARIABLES):
        yield f"{where}: {text!r} reads $states.{strange[0]}, which does not exist"
    try:
        Jsonata.jsonata(match[1].strip())
    except Exception as error:  # noqa: BLE001 - the parser raises whatever it stumbles over
        yield f"{where}: {text!r} is not JSONata: {error}"
