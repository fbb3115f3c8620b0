"""The steps of a plan: which tool, with what, and which rows of an earlier step it needs."""

from __future__ import annotations

from typing import Any

from cloud.assistant.plans import Step
from cloud.assistant.tools.parameters import (
    MAX_ROWS,
    CountQuery,
    CoverageQuery,
    FindingFilter,
    FindingsQuery,
    FlightsQuery,
    MeasureQuery,
    TelemetryQuery,
    TicketsQuery,
)

LAST_FLIGHTS = "#E1"
"""In ``flight_ids``: the flights that step E1 found."""


def finding_steps(subject: str, found: dict[str, Any]) -> tuple[Step, ...]:
    """Return the steps of a question about findings: look, and when there are none, say what was looked at."""
    first, found = _last_flights(found)
    if subject == "finding":
        query = {"numbers": found["numbers"], "limit": MAX_ROWS}
        return (Step(id="E1", tool="findings", title="The finding", parameters=query),)
    tool, model = _FINDING_TOOLS[subject]
    query = {name: value for name, value in found.items() if name in model.model_fields}
    if "limit" in query:
        query["limit"] = max(1, min(query["limit"], MAX_ROWS))
    main = f"E{len(first) + 1}"
    titles = {"count": "Count findings", "measure": "Measure findings"}
    title = titles.get(subject, "Findings, " + str(found.get("order", "severity")) + " first")
    scope = {name: found[name] for name in ("site_ids", "asset_ids", "period", "flight_ids") if name in found}
    seen = {name: found[name] for name in ("blades", "sides") if name in found}
    return (
        *first,
        Step(id=main, tool=tool, title=title, parameters=query),
        Step(id="E7", tool="flights", title="None found: which flights looked", parameters=scope, only_if_none=main),
        Step(id="E8", tool="coverage", title="None found: what they saw", parameters=scope | seen, only_if_none=main),
        Step(id="E9", tool="assets", title="None found: where", only_if_none=main,
             parameters={name: found[name] for name in ("site_ids", "asset_ids") if name in found}),
    )  # fmt: skip


def absence_steps(empty: Step) -> tuple[Step, ...]:
    """Return the steps that say what was looked at where a step found no finding; their ids are E91 to E99."""
    subject = "count" if empty.tool == "count_findings" else "findings"
    made = finding_steps(subject, empty.parameters)
    return tuple(
        step.model_copy(update={
            "id": step.id.replace("E", "E9"),
            "only_if_none": step.only_if_none and step.only_if_none.replace("E", "E9"),
        })
        for step in made
    )  # fmt: skip


def compare_steps(found: dict[str, Any], field: str, values: tuple[Any, Any]) -> tuple[Step, ...]:
    """Return two counts that differ in one condition, and the difference: the second less the first."""
    query = {name: value for name, value in found.items() if name in CountQuery.model_fields and name != "limit"}
    sides = [query | {field: value if field == "period" else (value,)} for value in values]
    return (
        Step(id="E1", tool="count_findings", title="Count the first", parameters=sides[0]),
        Step(id="E2", tool="count_findings", title="Count the second", parameters=sides[1]),
        Step(id="E3", tool="difference", title="The difference", parameters={"left": "#E1", "right": "#E2"}),
    )


_FINDING_TOOLS: dict[str, tuple[str, type[FindingFilter]]] = {
    "count": ("count_findings", CountQuery),
    "measure": ("measure_findings", MeasureQuery),
    "findings": ("findings", FindingsQuery),
}


def other_steps(subject: str, found: dict[str, Any]) -> tuple[Step, ...]:
    """Return the steps of a question about coverage, tickets, flights, assets or drones."""
    if subject == "coverage":
        first, found = _last_flights(found)
        query = {name: value for name, value in found.items() if name in CoverageQuery.model_fields}
        return (*first, Step(id=f"E{len(first) + 1}", tool="coverage", title="What was not seen", parameters=query))
    if subject == "tickets":
        query = {name: value for name, value in found.items() if name in TicketsQuery.model_fields}
        query |= {"finding_numbers": found["numbers"]} if "numbers" in found else {}
        numbered = Step(id="E2", tool="findings", title="No ticket: the finding", only_if_none="E1",
                        parameters={"numbers": found.get("numbers", ()), "limit": MAX_ROWS})  # fmt: skip
        step = Step(id="E1", tool="tickets", title="Tickets", parameters=query)
        places = {name: found[name] for name in ("site_ids", "asset_ids") if name in found}
        assets = Step(id="E3", tool="assets", title="No ticket: where", parameters=places, only_if_none="E1")
        return (step, numbered) if "numbers" in found else (step, assets)
    if subject == "flights":
        query = {name: value for name, value in found.items() if name in FlightsQuery.model_fields}
        query |= {"limit": min(found["last_flights"], MAX_ROWS)} if "last_flights" in found else {}
        places = {name: found[name] for name in ("site_ids", "asset_ids") if name in found}
        return (
            Step(id="E1", tool="flights", title="Flights", parameters=query),
            Step(id="E2", tool="assets", title="No flight: where", parameters=places, only_if_none="E1"),
        )
    if subject == "telemetry":
        return _telemetry_steps(found)
    if subject == "report":
        return report_steps(found)
    names = {"site_ids", "asset_ids", "drone_ids", "online", "kinds", "ranks", "numbers"}
    query = {name: value for name, value in found.items() if name in names}
    return (Step(id="E1", tool=subject, title=subject.capitalize(), parameters=query),)


def report_steps(found: dict[str, Any]) -> tuple[Step, ...]:
    """Return the steps of a report: how many and how bad, the worst, where, who looked, what was seen, tickets."""
    scope = {name: found[name] for name in ("site_ids", "asset_ids", "period") if name in found}
    places = {name: value for name, value in scope.items() if name != "period"}
    return (
        Step(id="E1", tool="count_findings", title="By severity", parameters=scope | {"group_by": "severity"}),
        Step(id="E2", tool="findings", title="The worst", parameters=scope | {"limit": 5}),
        Step(id="E3", tool="count_findings", title="By asset", parameters=scope | {"group_by": "asset"}),
        Step(id="E4", tool="flights", title="Flights", parameters=scope),
        Step(id="E5", tool="coverage", title="What was seen", parameters=scope),
        Step(id="E6", tool="tickets", title="Tickets", parameters=scope),
        Step(id="E7", tool="assets", title="Assets", parameters=places),
    )


def _telemetry_steps(found: dict[str, Any]) -> tuple[Step, ...]:
    """Return the step of a telemetry question; without a flight or a period it is about the last flight."""
    if "period" not in found and "flight_ids" not in found:
        found = {"last_flights": 1} | found
    first, found = _last_flights(found)
    query = {name: value for name, value in found.items() if name in TelemetryQuery.model_fields}
    return (*first, Step(id=f"E{len(first) + 1}", tool="telemetry", title="Telemetry", parameters=query))


def _last_flights(found: dict[str, Any]) -> tuple[tuple[Step, ...], dict[str, Any]]:
    """Return a step that finds the last flights, and the conditions that then refer to it."""
    if "last_flights" not in found:
        return (), found
    names = ("site_ids", "asset_ids", "period", "drone_ids")
    query: dict[str, Any] = {name: found[name] for name in names if name in found}
    query["limit"] = max(1, min(found["last_flights"], MAX_ROWS))
    query["states"] = ("flying", "paused", "returning", "landed", "complete", "aborted")
    title = "The last flight" if query["limit"] == 1 else f"The last {query['limit']} flights"
    rest = {name: value for name, value in found.items() if name not in {"last_flights", "period", "drone_ids"}}
    return (Step(id="E1", tool="flights", title=title, parameters=query),), rest | {"flight_ids": (LAST_FLIGHTS,)}
