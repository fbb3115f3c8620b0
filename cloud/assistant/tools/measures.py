"""The tool ``measure_findings``: a statistic of a figure that every finding has, computed by the database."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Row, RowKind, Value
from cloud.assistant.tools.finding_rows import asked_values, bucket, filter_values, finding_citation, group_label
from cloud.assistant.tools.parameters import CALENDAR, Measure, MeasureQuery, Statistic
from cloud.assistant.tools.selection import GROUP_COLUMNS, LARGEST, MAX_CITED, WORST_FIRST, conditions, joined
from cloud.tables import Finding

_COLUMNS: dict[Measure, Any] = {
    Measure.LENGTH: Finding.length_mm,
    Measure.WIDTH: Finding.width_mm,
    Measure.SIZE: LARGEST,
    Measure.DISTANCE: Finding.distance_to_root_m,
    Measure.CONFIDENCE: 100 * Finding.confidence,
    Measure.SEVERITY: Finding.severity_rank,
}
_SAID = {
    Measure.LENGTH: "length",
    Measure.WIDTH: "width",
    Measure.SIZE: "larger dimension",
    Measure.DISTANCE: "distance from the root",
    Measure.CONFIDENCE: "confidence",
    Measure.SEVERITY: "severity rank",
}
_UNITS = {"mm": "mm", "m": "m from the root", "percent": "%", "rank": ""}


def _statistic(query: MeasureQuery) -> Any:
    column = _COLUMNS[query.measure]
    if query.statistic is Statistic.MEDIAN:
        return func.percentile_cont(0.5).within_group(column)
    made: dict[Statistic, Any] = {
        Statistic.MEAN: func.avg,
        Statistic.MIN: func.min,
        Statistic.MAX: func.max,
        Statistic.SUM: func.sum,
    }
    return made[query.statistic](column)


def measure_findings(session: Session, step: str, query: MeasureQuery, zone: ZoneInfo) -> list[Row]:
    """Return the whole figure first, then one row per group, the greatest figure first (calendar groups in order)."""
    terms = conditions(query)
    figures = (_statistic(query).label("figure"), func.count(_COLUMNS[query.measure]).label("total"))
    whole = session.execute(joined(select(*figures), terms)).one()
    worst = session.execute(
        joined(select(Finding.finding_id, Finding.number), terms).order_by(*WORST_FIRST).limit(MAX_CITED)
    ).all()
    said = filter_values(query) | asked_values(session, query)
    rows = [_row(f"{step}.n", query, whole, said, worst)]
    if query.group_by is None:
        return rows
    column = bucket(query.group_by, zone) if query.group_by in CALENDAR else GROUP_COLUMNS[query.group_by]
    order = (column,) if query.group_by in CALENDAR else (figures[0].desc().nulls_last(), column)
    ids = func.array_agg(func.concat(Finding.number, "|", Finding.finding_id)).label("ids")
    groups = session.execute(
        joined(select(column.label("key"), *figures, ids), terms).group_by(column).order_by(*order).limit(query.limit)
    )
    for group in groups:
        label = group_label(query.group_by, group.key)
        members = sorted((int(n), i) for n, i in (pair.split("|", 1) for pair in group.ids))[:MAX_CITED]
        behind = [(finding_id, number) for number, finding_id in members]
        rows.append(_row(f"{step}.{len(rows)}", query, group, {"group": label, **said}, behind))
    return rows


def _row(ref: str, query: MeasureQuery, found: Any, said: dict[str, Value], behind: Any) -> Row:
    figure = None if found.figure is None else float(found.figure)
    unit = query.measure.value.rsplit("_", 1)[-1]
    values: dict[str, Value] = {
        "total": found.total,
        f"{query.statistic.value}_{query.measure.value}": figure,
        "figure": figure,
        "statistic": query.statistic.value,
        "measure": _SAID[query.measure],
        "unit": _UNITS[unit],
        **said,
    }
    cites = tuple(finding_citation(finding_id, number) for finding_id, number in behind)
    label = str(said.get("group") or "all")
    return Row(ref=ref, kind=RowKind.COUNT, label=label, values=values, cites=cites, cited_of=found.total)
