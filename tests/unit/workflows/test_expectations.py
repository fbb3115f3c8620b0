"""Every state, every Retry and every Catch of every definition has an expectation in TestState's form, and it holds.

`tests/backends/test_state_machine.py` holds the runs of two interpreters against the same one-state check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.resources import STATE_MACHINES
from tests.state_check import answer
from workflows.definition import DEFINITIONS, every_state

EXPECTATIONS = Path(__file__).parents[2] / "expectations"
NAMES = [file.removesuffix(".asl.json") for file in STATE_MACHINES.values()]
Json = Any


def machine(name: str) -> Json:
    return json.loads((DEFINITIONS / f"{name}.asl.json").read_text())


def cases(name: str) -> Iterator[Json]:
    kept = json.loads((EXPECTATIONS / f"{name}.json").read_text())
    yield from ({"context": kept["context"], **case} for case in kept["cases"])


def ways(state: str, definition: Json) -> Iterator[tuple[str, ...]]:
    """Yield what must be expected of a state: that it goes well or ends, each rule, each Retry, each Catch."""
    for position, rule in enumerate(definition.get("Choices", [])):
        yield state, f"rule {position}", rule["Next"]
    if "Default" in definition:
        yield state, "default", definition["Default"]
    elif definition["Type"] == "Fail":
        yield state, "FAILED"
    else:
        yield state, "SUCCEEDED", definition.get("Next", "the end")
    for retrier in definition.get("Retry", []):
        yield state, "RETRIABLE", retrier["ErrorEquals"][-1]
    for catcher in definition.get("Catch", []):
        yield state, "CAUGHT_ERROR", catcher["Next"]


def went(case: Json, definition: Json) -> tuple[str, ...]:
    """Return which of a state's ways a case takes."""
    state, said = case["stateName"], case["expect"]
    if definition["Type"] == "Choice":
        taken = [i for i, rule in enumerate(definition["Choices"]) if rule["Next"] == said["nextState"]]
        return (state, f"rule {taken[0]}" if taken else "default", said["nextState"])
    more = {
        "SUCCEEDED": said.get("nextState", "the end"),
        "RETRIABLE": said.get("error", ""),
        "CAUGHT_ERROR": said.get("nextState", ""),
    }
    return (state, said["status"], *([more[said["status"]]] if said["status"] in more else []))


@pytest.mark.parametrize("name", NAMES)
def test_every_state_rule_retry_and_catch_is_expected(name: str) -> None:
    states = dict(every_state(machine(name)))
    wanted = {way for state, definition in states.items() for way in ways(state, definition)}
    found = {went(case, states[case["stateName"]]) for case in cases(name)}
    assert wanted - found == set()
    assert found - wanted == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_expectation_holds(name: str) -> None:
    definition = machine(name)
    wrong = {case["name"]: answer(definition, case).said() for case in cases(name)}
    wrong = {case["name"]: wrong[case["name"]] for case in cases(name) if wrong[case["name"]] != case["expect"]}
    assert wrong == {}


def test_a_way_that_nobody_expects_is_noticed() -> None:
    definition = machine("critical_finding")
    definition["States"]["Check"]["Catch"].insert(0, {"ErrorEquals": ["NotFound"], "Next": "Schedule"})
    states = dict(every_state(definition))
    wanted = set(ways("Check", states["Check"]))
    found = {went(case, states["Check"]) for case in cases("critical_finding") if case["stateName"] == "Check"}
    assert wanted - found == {("Check", "CAUGHT_ERROR", "Schedule")}
