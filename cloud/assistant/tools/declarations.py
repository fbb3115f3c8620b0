"""The assistant's tools, declared once each: for the executor, a language model, MCP, the page and the docs.

All read only, typed, bounded in rows and time, and run with the asker's rights: roles and sites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud import site_limits
from cloud.assistant.evidence import Row
from cloud.assistant.tools import (
    coverage_rows,
    figures,
    finding_rows,
    fleet_rows,
    measures,
    parameters,
    policy_rows,
    references,
    telemetry_rows,
    ticket_rows,
)
from cloud.grading import Policy, shipped_policy
from cloud.security import Principal
from contracts.errors import Forbidden, InvalidInput

TIMEOUT_MS = 5000


class Asker(NamedTuple):
    """Who asks, when, where their midnight is, the policy in force, and what earlier steps found."""

    session: Session
    principal: Principal
    now: datetime
    zone: ZoneInfo
    policy: Policy = shipped_policy()
    found: Mapping[str, Sequence[Row]] = MappingProxyType({})


class Tool(NamedTuple):
    """A read-only question that can be answered exactly. ``columns`` are what its rows say."""

    name: str
    description: str
    parameters: type[BaseModel]
    columns: tuple[str, ...]
    run: Callable[[Asker, str, Any], list[Row]]


_TOTAL = ("total",)
_GROUP = ("total", "assets", "group", "worst_rank", "worst")

TOOLS = {
    tool.name: tool
    for tool in (
        Tool("findings", "Findings with place, size, severity and ticket; filtered, ranked, limited.",
             parameters.FindingsQuery,
             (*_TOTAL, "number", "asset", "kind", "severity_rank", "severity", "severity_code", "blade", "side",
              "distance_to_root_m", "place", "length_mm", "width_mm", "size_sigma_mm", "confidence_percent", "status",
              "reviewed_by", "reason", "action", "detected_at", "due_at", "lat_deg", "lon_deg", "ticket",
              "ticket_wanted"),
             lambda a, step, q: finding_rows.findings(a.session, step, q)),
        Tool("count_findings", "How many findings there are, whole, by group, or per day, week or month.",
             parameters.CountQuery, _GROUP,
             lambda a, step, q: finding_rows.count_findings(a.session, step, q, a.zone)),
        Tool("measure_findings", "Mean, median, least, greatest or sum of a figure over findings, whole or by group.",
             parameters.MeasureQuery, ("total", "group", "figure", "statistic", "measure", "unit"),
             lambda a, step, q: measures.measure_findings(a.session, step, q, a.zone)),
        Tool("frames", "The video frames that show findings.", parameters.FramesQuery,
             (*_TOTAL, "finding", "segment", "frame", "captured_at", "gsd_mm_px", "incidence_deg",
              "confidence_percent"),
             lambda a, step, q: fleet_rows.frames(a.session, step, q)),
        Tool("coverage", "What was seen and not seen: of blades by metres from the root, of all else as gaps.",
             parameters.CoverageQuery,
             ("asset", "flights", "flight_at", "seen_m", "unseen_m", "whole_m", "seen_percent", "rule_percent",
              "blade", "side", "ranges", "length_m", "surface",
              "gaps … of what has no blades", "towers … of a line"),
             lambda a, step, q: coverage_rows.coverage(a.session, step, q)),
        Tool("flights", "Flights (inspections) with state, asset, drone, segments and findings.",
             parameters.FlightsQuery,
             (*_TOTAL, "flight", "state", "at", "landed_at", "segments", "analysed", "expected_segments", "findings",
              "asset", "drone"),
             lambda a, step, q: fleet_rows.flights(a.session, step, q)),
        Tool("telemetry", "Least, mean and greatest battery, wind, height, speed and link, by drone, flight or time.",
             parameters.TelemetryQuery,
             ("drone", "group", "samples", "first_at", "last_at", "min_battery_percent", "mean_battery_percent",
              "max_wind_mps", "mean_wind_mps", "max_alt_rel_m", "max_speed_mps", "min_link_percent",
              "min_satellites"),
             lambda a, step, q: telemetry_rows.telemetry(a.session, step, q, str(a.zone))),
        Tool("tickets", "Maintenance notifications: number, phase, finding, frame-to-ticket time.",
             parameters.TicketsQuery,
             (*_TOTAL, "ticket", "system", "phase", "priority", "finding", "kind", "severity", "asset", "opened_at",
              "frame_to_ticket_s"),
             lambda a, step, q: ticket_rows.tickets(a.session, step, q)),
        Tool("sites", "Sites with their assets, findings and last flight.", parameters.SitesQuery,
             (*_TOTAL, "site", "assets", "findings", "worst", "worst_rank", "last_flight_at", "lat_deg", "lon_deg"),
             lambda a, step, q: fleet_rows.sites(a.session, step, q)),
        Tool("assets", "Assets with their last inspection and worst finding.", parameters.AssetsQuery,
             (*_TOTAL, "asset", "kind", "functional_location", "last_flight_at", "findings", "worst", "worst_rank",
              "lat_deg", "lon_deg"),
             lambda a, step, q: fleet_rows.assets(a.session, step, q)),
        Tool("drones", "Drones, whether they are online, and their last telemetry.", parameters.DronesQuery,
             (*_TOTAL, "drone", "online", "last_seen_at", "state", "battery_percent", "alt_rel_m", "captured_at"),
             lambda a, step, q: fleet_rows.drones(a.session, step, q)),
        Tool("policy", "The severity policy in force: the action per severity, the smallest size per kind.",
             parameters.PolicyQuery,
             ("policy", "severity_rank", "severity", "action", "due_days", "kind", "from_mm"),
             lambda a, step, q: policy_rows.policy_rows(step, q, a.policy)),
        Tool("aggregate", "A statistic over the rows of an earlier step, by one of its columns.",
             parameters.AggregateQuery, ("group", "of", "count (or sum_…, mean_…, median_…, min_…, max_…)"),
             lambda a, step, q: references.aggregate(step, q, a.found)),
        Tool("rank", "The rows of an earlier step in the order of one of its columns.", parameters.RankQuery,
             ("as in the source",), lambda a, step, q: references.rank(step, q, a.found)),
        Tool("join", "Rows of two earlier steps that agree in a column.", parameters.JoinQuery,
             ("as in the left source", "right_…"), lambda a, step, q: references.join(step, q, a.found)),
        Tool("difference", "How much more or less the second step counted or measured than the first.",
             parameters.DifferenceQuery, ("group", "left", "right", "difference", "more", "change_percent", "percent"),
             lambda a, step, q: references.difference(step, q, a.found)),
        Tool("chart", "A chart (Vega-Lite) of the groups of an earlier step.", parameters.ChartQuery,
             ("mark", "points"), lambda a, step, q: figures.chart(step, q, a.found)),
        Tool("map", "A map (GeoJSON) of the findings, assets or sites of an earlier step.", parameters.MapQuery,
             ("points", "without_place"), lambda a, step, q: figures.map_rows(step, q, a.found)),
    )
}  # fmt: skip


def begin(asker: Asker) -> None:
    """Make the asker's transaction read-only, bounded in time, and blind to other sites.

    Raises:
        Forbidden: The asker has no role.

    """
    if not asker.principal.roles:
        raise Forbidden(f"{asker.principal.username} may not read.", hint="Ask an administrator for a role.")
    asker.session.execute(text("SET TRANSACTION READ ONLY"))
    asker.session.execute(text(f"SET LOCAL statement_timeout = {TIMEOUT_MS}"))
    site_limits.limit(asker.session, asker.principal.username, asker.principal.sites)


def run(asker: Asker, step: str, name: str, arguments: Mapping[str, Any]) -> list[Row]:
    """Run one tool; rows are numbered below ``step``.

    Raises:
        InvalidInput: No such tool, or the rows referred to are not there.
        pydantic.ValidationError: The arguments are not the tool's.

    """
    tool = TOOLS.get(name)
    if tool is None:
        raise InvalidInput(f"There is no tool {name[:60]!r}.", hint=f"Tools: {', '.join(TOOLS)}.", field="tool")
    return tool.run(asker, step, tool.parameters.model_validate(arguments))
