"""Tools over what earlier steps found: aggregate, rank, join, difference. They see rows, never the database."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloud.assistant.evidence import Citation, Row, RowKind, Value
from cloud.assistant.tools.parameters import AggregateQuery, DifferenceQuery, JoinQuery, RankQuery
from cloud.assistant.tools.selection import MAX_CITED
from contracts.errors import InvalidInput

Found = Mapping[str, Sequence[Row]]
_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}
_ORDER_TYPES = (int, float, str, datetime)


def _rows(found: Found, reference: str) -> Sequence[Row]:
    """Return the rows of a step.

    Raises:
        InvalidInput: No such step ran before.

    """
    if reference[1:] not in found:
        ran = ", ".join(f"#{name}" for name in found) or "none yet"
        raise InvalidInput(f"{reference} is no earlier step.", hint=f"Steps that ran: {ran}.", field="source")
    return found[reference[1:]]


def listed(found: Found, reference: str) -> list[Row]:
    """Return the rows that are things or groups, all of them.

    Raises:
        InvalidInput: The step listed fewer than it counted: a figure over a part would be a wrong figure.

    """
    rows = _rows(found, reference)
    items = [row for row in rows if not row.ref.endswith((".n", ".r"))]
    totals = [row.values.get("total") for row in rows if row.ref.endswith(".n")]
    grouped = any("group" in row.values for row in items)
    if totals and not grouped and isinstance(totals[0], int) and totals[0] > len(items):
        hint = "Narrow the step, raise its limit, or use count_findings or measure_findings, which see all."
        raise InvalidInput(f"{reference} lists {len(items)} of {totals[0]} rows.", hint=hint, field="source")
    return items


def _column(rows: Iterable[Row], name: str, reference: str) -> list[tuple[Row, Any]]:
    """Return (row, value) where the value is there.

    Raises:
        InvalidInput: No row has such a column.

    """
    rows = list(rows)
    if rows and not any(name in row.values for row in rows):
        has = ", ".join(sorted({key for row in rows for key in row.values}))
        raise InvalidInput(f"{reference} has no column {name!r}.", hint=f"Columns: {has}.", field=name)
    return [(row, row.values[name]) for row in rows if row.values.get(name) is not None]


def _cites(rows: Iterable[Row]) -> tuple[Citation, ...]:
    return tuple(dict.fromkeys(cite for row in rows for cite in row.cites))[:MAX_CITED]


def aggregate(step: str, query: AggregateQuery, found: Found) -> list[Row]:
    """Return one row per group with the statistic, the greatest first.

    Raises:
        InvalidInput: Unknown step or column, a column that is not of numbers, or a source that was cut.

    """
    items = listed(found, query.source)
    keyed = _column(items, query.group_by, query.source) if query.group_by else [(row, "all") for row in items]
    groups: dict[str, list[Row]] = {}
    for row, key in keyed:
        groups.setdefault(str(key), []).append(row)
    made = [(key, _figure(rows, query), rows) for key, rows in groups.items()]
    made.sort(key=lambda item: (-item[1], item[0]))
    name = f"{query.statistic}_{query.column}" if query.column else query.statistic
    rows_made = []
    for i, (key, figure, rows) in enumerate(made[: query.limit], 1):
        values: dict[str, Value] = {"group": key, name: figure, "of": len(rows)}
        rows_made.append(Row(ref=f"{step}.{i}", kind=RowKind.COUNT, label=key, values=values, cites=_cites(rows),
                             cited_of=len(rows)))  # fmt: skip
    return rows_made


def _figure(rows: list[Row], query: AggregateQuery) -> float:
    if query.statistic == "count":
        return len(rows)
    figures = [value for _, value in _column(rows, query.column, query.source)]
    if not figures or any(isinstance(value, bool) or not isinstance(value, int | float) for value in figures):
        raise InvalidInput(f"{query.column!r} of {query.source} is not a column of numbers.", field="column")
    return _STATISTICS[query.statistic](figures)


def rank(step: str, query: RankQuery, found: Found) -> list[Row]:
    """Return the rows of a step in the order of a column.

    Raises:
        InvalidInput: Unknown step or column, values that have no order, or a source that was cut.

    """
    keyed = _column(listed(found, query.source), query.by, query.source)
    kinds = {type(value) if not isinstance(value, int | float) else float for _, value in keyed}
    if len(kinds) > 1 or any(not isinstance(value, _ORDER_TYPES) for _, value in keyed):
        raise InvalidInput(f"{query.by!r} of {query.source} has no order.", field="by")
    keyed.sort(key=lambda pair: pair[1], reverse=query.descending)
    return [row.model_copy(update={"ref": f"{step}.{i}"}) for i, (row, _) in enumerate(keyed[: query.limit], 1)]


def join(step: str, query: JoinQuery, found: Found) -> list[Row]:
    """Return rows of two steps that agree in a column; columns of the right one are called ``right_…``.

    Raises:
        InvalidInput: Unknown step or column, or a source that was cut.

    """
    right: dict[str, list[Row]] = {}
    for row, key in _column(listed(found, query.right), query.on, query.right):
        right.setdefault(str(key), []).append(row)
    made: list[Row] = []
    for row, key in _column(listed(found, query.left), query.on, query.left):
        for other in right.get(str(key), []):
            beside = {f"right_{name}": value for name, value in other.values.items() if name != query.on}
            made.append(Row(ref=f"{step}.{len(made) + 1}", kind=row.kind, label=f"{row.label} | {other.label}",
                            values=row.values | beside, cites=_cites((row, other))))  # fmt: skip
    return made[: query.limit]


def difference(step: str, query: DifferenceQuery, found: Found) -> list[Row]:
    """Return by how much the second step's whole differs from the first's, then the same per group of either.

    Raises:
        InvalidInput: A step counted and measured nothing.

    """
    left, right = (_wholes(found, reference) for reference in (query.left, query.right))
    made: list[Row] = []
    for label in dict.fromkeys((*left, *right)):
        before, after = left.get(label), right.get(label)
        first, second = _amount(before), _amount(after)
        change = None if first is None or second is None else second - first
        values: dict[str, Value] = {
            "group": label,
            "left": first,
            "right": second,
            "difference": change,
            "more": None if change is None else abs(change),
            "change_percent": None if not first or change is None else 100 * change / first,
            "percent": None if not first or change is None else abs(100 * change / first),
        }
        behind = [row for row in (before, after) if row]
        ref = f"{step}.n" if label == "all" else f"{step}.{len(made)}"
        made.append(Row(ref=ref, kind=RowKind.COUNT, label=label, values=values, cites=_cites(behind),
                        cited_of=sum(row.cited_of or 0 for row in behind)))  # fmt: skip
    return made


def _wholes(found: Found, reference: str) -> dict[str, Row]:
    rows = [row for row in _rows(found, reference) if not row.ref.endswith(".r")]
    if not rows or not rows[0].ref.endswith(".n"):
        raise InvalidInput(f"{reference} counted and measured nothing.", field="source")
    return {"all": rows[0]} | {row.label: row for row in rows[1:] if "group" in row.values}


def _amount(row: Row | None) -> int | float | None:
    """Return what a row counted or measured; a group that is not there counted 0."""
    if row is None:
        return 0
    value = row.values.get("figure", row.values.get("total"))
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
