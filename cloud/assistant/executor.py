"""Runs the steps of a plan in order and keeps their rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from cloud.assistant.evidence import Row, RowKind
from cloud.assistant.grammar.steps import LAST_FLIGHTS
from cloud.assistant.plans import Plan, Step
from cloud.assistant.tools.declarations import Asker, run
from contracts.geo import Frozen


class StepRows(Frozen):
    """What one step found. ``skipped`` steps were not needed."""

    step: Step
    rows: tuple[Row, ...]
    elapsed_ms: float


def execute(asker: Asker, plan: Plan) -> Iterator[StepRows]:
    """Yield each step's rows; a step that waits for another to find nothing is passed over when it found something."""
    done: dict[str, StepRows] = {}
    for step in plan.steps:
        if step.only_if_none is not None and found_any(done[step.only_if_none].rows):
            continue
        parameters = _resolved(step.parameters, done)
        if parameters is None:
            done[step.id] = StepRows(step=step, rows=(), elapsed_ms=0.0)
            continue
        began = time.perf_counter()
        rows = tuple(run(asker, step.id, step.tool, parameters))
        done[step.id] = StepRows(step=step, rows=rows, elapsed_ms=1000 * (time.perf_counter() - began))
        yield done[step.id]


def found_any(rows: tuple[Row, ...]) -> bool:
    """Return whether a step found anything: its total is not 0."""
    totals = [row.values.get("total") for row in rows if row.ref.endswith(".n")]
    return bool(totals[0]) if totals else bool(rows)


def _resolved(parameters: dict[str, Any], done: dict[str, StepRows]) -> dict[str, Any] | None:
    """Put the ids of an earlier step's flights in the place of ``#E1``; None when there were none."""
    if LAST_FLIGHTS not in parameters.get("flight_ids", ()):
        return parameters
    flights = [row for row in done[LAST_FLIGHTS[1:]].rows if row.kind is RowKind.FLIGHT]
    ids = tuple(row.cites[0].id for row in flights)
    return parameters | {"flight_ids": ids} if ids else None
