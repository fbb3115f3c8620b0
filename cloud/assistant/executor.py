"""Runs the steps of a plan in order and keeps their rows, whoever made the plan."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from cloud.assistant.evidence import Row, RowKind
from cloud.assistant.plans import Plan, Step
from cloud.assistant.tools.declarations import Asker, run
from contracts.geo import Frozen

_IDS = {"flight_ids": RowKind.FLIGHT, "asset_ids": RowKind.ASSET}
"""Parameters of ids in which ``#E1`` stands for the flights or assets that step E1 found."""


class StepRows(Frozen):
    """What one step found."""

    step: Step
    rows: tuple[Row, ...]
    elapsed_ms: float


def execute(asker: Asker, plan: Plan) -> Iterator[StepRows]:
    """Yield each step's rows; a step that waits for another to find nothing is passed over when it found something."""
    done: dict[str, tuple[Row, ...]] = {}
    for step in plan.steps:
        if step.only_if_none is not None and found_any(done[step.only_if_none]):
            continue
        parameters = _resolved(step.parameters, done)
        if parameters is None:
            done[step.id] = ()
            continue
        made = run_step(asker, step.model_copy(update={"parameters": parameters}), done)
        done[step.id] = made.rows
        yield made


def run_step(asker: Asker, step: Step, done: Mapping[str, tuple[Row, ...]]) -> StepRows:
    """Run one step with what the earlier ones found at hand.

    Raises:
        InvalidInput: No such tool, or the rows it refers to are not there.
        pydantic.ValidationError: The parameters are not the tool's.

    """
    began = time.perf_counter()
    rows = tuple(run(asker._replace(found=done), step.id, step.tool, step.parameters))
    return StepRows(step=step, rows=rows, elapsed_ms=1000 * (time.perf_counter() - began))


def found_any(rows: tuple[Row, ...]) -> bool:
    """Return whether a step found anything: its total is not 0."""
    totals = [row.values["total"] for row in rows if row.ref.endswith(".n") and "total" in row.values]
    return bool(totals[0]) if totals else bool(rows)


def _resolved(parameters: dict[str, Any], done: Mapping[str, tuple[Row, ...]]) -> dict[str, Any] | None:
    """Put ids that an earlier step found in the place of ``#E1``; None when it found none."""
    changed = dict(parameters)
    for name, kind in _IDS.items():
        given = parameters.get(name, ())
        if len(given) == 1 and given[0].startswith("#"):
            rows = [row for row in done.get(given[0][1:], ()) if row.kind is kind]
            if not rows:
                return None
            changed[name] = tuple(row.cites[0].id for row in rows)
    return changed
