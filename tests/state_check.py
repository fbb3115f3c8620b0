"""One state of a machine by itself, as AWS's TestState takes it: definition, input, mocked result or error.

States Language, JSONata (states-language.net/spec.html): arguments, output, choice rules, retriers and catchers. The
expectation files in ``tests/expectations`` hold such requests with their answers, under the API's own names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from jsonata import Jsonata

from workflows.definition import every_state

Json = Any
_UNDEFINED = "States.QueryEvaluationError"


class Failed(Exception):
    """An error in a state: its name and its cause."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error, self.cause = error, cause


class Answer(NamedTuple):
    """What TestState answers."""

    status: str
    output: Json = None
    next_state: str | None = None
    error: str | None = None

    def said(self) -> dict[str, Json]:
        """Return it under the API's names, without what is not there."""
        named = {"status": self.status, "output": self.output, "nextState": self.next_state, "error": self.error}
        return {key: value for key, value in named.items() if value is not None}


def evaluated(text: str, scope: Mapping[str, Json]) -> Json:
    """Return what an expression says; one that says nothing is an error, as on AWS."""
    bare = text.removeprefix("{%").removesuffix("%}").strip()
    found = _asked(bare, scope)
    if found is None and not _asked(f"$exists(({bare}))", scope):  # the engine says None for null, too
        raise Failed(_UNDEFINED, f"{text} returned nothing.")
    return json.loads(json.dumps(found))


def _asked(bare: str, scope: Mapping[str, Json]) -> Json:
    expression = Jsonata.jsonata(bare)
    expression.assign("states", dict(scope))
    return expression.evaluate(None)


def filled(node: Json, scope: Mapping[str, Json]) -> Json:
    """Return a template with every expression in it evaluated."""
    if isinstance(node, dict):
        return {key: filled(value, scope) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(value, scope) for value in node]
    return evaluated(node, scope) if isinstance(node, str) and node.startswith("{%") else node


def answer(machine: Json, request: Mapping[str, Json]) -> Answer:
    """Return how a state of a machine answers a request."""
    text = json.dumps(machine)
    for key, value in request.get("definitionSubstitutions", {}).items():
        text = text.replace(f"${{{key}}}", value)
    state = dict(every_state(json.loads(text)))[request["stateName"]]
    scope = {"input": request["input"], "context": request.get("context", {})}
    try:
        return _run(state, scope, request.get("mock", {}))
    except Failed as failure:
        count = request.get("stateConfiguration", {}).get("retrierRetryCount", 0)
        return _caught(state, scope, failure, count)


def _run(state: Json, scope: Mapping[str, Json], mock: Mapping[str, Json]) -> Answer:
    kind = state["Type"]
    if kind == "Fail":
        return Answer("FAILED", error=filled(state["Error"], scope))
    if kind == "Choice":
        return _chosen(state, scope)
    for field in ("Arguments", "Items"):
        value = filled(state.get(field), scope)
        if field == "Items" and kind == "Map" and not isinstance(value, list):
            raise Failed(_UNDEFINED, "Items is no array.")
    if "errorOutput" in mock:
        raise Failed(mock["errorOutput"]["error"], mock["errorOutput"].get("cause", ""))
    result = mock.get("result", scope["input"])
    output = filled(state["Output"], {**scope, "result": result}) if "Output" in state else result
    return Answer("SUCCEEDED", output, state.get("Next"))


def _chosen(state: Json, scope: Mapping[str, Json]) -> Answer:
    for rule in state["Choices"]:
        if evaluated(rule["Condition"], scope) is True:
            output = filled(rule["Output"], scope) if "Output" in rule else scope["input"]
            return Answer("SUCCEEDED", output, rule["Next"])
    return Answer("SUCCEEDED", scope["input"], state["Default"])


def _caught(state: Json, scope: Mapping[str, Json], failure: Failed, count: int) -> Answer:
    for retrier in state.get("Retry", []):
        if _takes(retrier, failure.error):
            if count < retrier.get("MaxAttempts", 3):
                return Answer("RETRIABLE", error=failure.error)
            break
    for catcher in state.get("Catch", []):
        if _takes(catcher, failure.error):
            said = {"Error": failure.error, "Cause": failure.cause}
            output = filled(catcher["Output"], {**scope, "errorOutput": said}) if "Output" in catcher else said
            return Answer("CAUGHT_ERROR", output, catcher["Next"], failure.error)
    return Answer("FAILED", error=failure.error)


def _takes(rule: Json, error: str) -> bool:
    return error in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]
