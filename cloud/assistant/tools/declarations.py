"""The assistant's tools: read only, typed, bounded in rows, run with the asker's rights.

One declaration each serves the planner, the page and, later, a language model.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Row
from cloud.assistant.tools import coverage_rows, finding_rows, fleet_rows
from cloud.assistant.tools.parameters import (
    AssetsQuery,
    CountQuery,
    CoverageQuery,
    DronesQuery,
    FindingsQuery,
    FlightsQuery,
    TicketsQuery,
)
from cloud.security import Principal
from contracts.errors import Forbidden, InvalidInput

TIMEOUT_MS = 5000


class Asker(NamedTuple):
    """Who asks, when, and where their midnight is."""

    session: Session
    principal: Principal
    now: datetime
    zone: ZoneInfo


class Tool(NamedTuple):
    """A read-only question the database can answer."""

    name: str
    description: str
    parameters: type[BaseModel]
    run: Callable[[Asker, str, Any], list[Row]]


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("findings", "Findings with place, size, severity and ticket; filtered, ranked, limited.", FindingsQuery,
             lambda a, step, q: finding_rows.findings(a.session, step, q)),
        Tool("count_findings", "How many findings there are, whole, by group, or per day, week or month.", CountQuery,
             lambda a, step, q: finding_rows.count_findings(a.session, step, q, a.zone)),
        Tool("coverage", "What was seen and not seen of the blades, as metre ranges from the root.", CoverageQuery,
             lambda a, step, q: coverage_rows.coverage(a.session, step, q)),
        Tool("flights", "Flights (inspections) with state, asset, drone, segments and findings.", FlightsQuery,
             lambda a, step, q: fleet_rows.flights(a.session, step, q)),
        Tool("tickets", "Maintenance notifications: number, phase, finding, frame-to-ticket time.", TicketsQuery,
             lambda a, step, q: fleet_rows.tickets(a.session, step, q)),
        Tool("assets", "Assets with their last inspection and worst finding.", AssetsQuery,
             lambda a, step, q: fleet_rows.assets(a.session, step, q)),
        Tool("drones", "Drones, whether they are online, and their last telemetry.", DronesQuery,
             lambda a, step, q: fleet_rows.drones(a.session, step, q)),
    )
}  # fmt: skip


def begin(asker: Asker) -> None:
    """Make the asker's transaction read-only and bounded in time.

    Raises:
        Forbidden: The asker has no role.

    """
    if not asker.principal.roles:
        raise Forbidden(f"{asker.principal.username} may not read.", hint="Ask an administrator for a role.")
    asker.session.execute(text("SET TRANSACTION READ ONLY"))
    asker.session.execute(text(f"SET LOCAL statement_timeout = {TIMEOUT_MS}"))


def run(asker: Asker, step: str, name: str, parameters: dict[str, Any]) -> list[Row]:
    """Run one tool; rows are numbered below ``step``.

    Raises:
        InvalidInput: No such tool.
        pydantic.ValidationError: The parameters are not the tool's.

    """
    tool = TOOLS.get(name)
    if tool is None:
        raise InvalidInput(f"There is no tool {name!r}.", hint=f"Tools: {', '.join(TOOLS)}.", field="tool")
    return tool.run(asker, step, tool.parameters.model_validate(parameters))
