"""How a filter is said back: a count is only true together with every condition it was counted under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.assistant.evidence import Row
from contracts.vocabulary import FindingStatus


def noun(total: Row, count: int) -> str:
    """Return what was counted: "finding", "confirmed crack findings of severity 4 to 5 without a ticket"."""
    v = total.values
    statuses, kinds = words(v, "statuses"), words(v, "kinds")
    any_status = len(statuses) == len(FindingStatus)
    named = [*([] if any_status else statuses), *_review(v), *([" and ".join(kinds)] if kinds else [])]
    others = words(v, "without_kinds")
    but = f" other than {' and '.join(others)}" if others else ""
    head = " ".join([*named, plural("finding", count)])
    return head + but + (" of any status" if any_status else "") + _grade(v) + _size(v) + _ticket(v)


def place(total: Row) -> str:
    """Return where: " on T-03 on blade B at the leading edge between 10 and 15 m from the root"."""
    v = total.values
    parts = [f" on {v[name]}" for name in ("assets_asked", "sites_asked", "flights_asked") if v.get(name)]
    if blades := words(v, "blades"):
        parts.append(f" on blade {' and '.join(blades)}")
    if sides := words(v, "sides"):
        parts.append(f" at the {' and '.join(sides)}")
    low, high = v.get("min_distance_m"), v.get("max_distance_m")
    if low is not None and high is not None:
        parts.append(f" between {figure(low)} and {figure(high)} m from the root")
    elif low is not None:
        parts.append(f" {figure(low)} m or more from the root")
    elif high is not None:
        parts.append(f" within {figure(high)} m of the root")
    return "".join(parts)


def when(row: Row) -> str:
    """Return the period, with its dates and zone."""
    return f" {row.values['period']}" if row.values.get("period") else ""


def number(value: Any, decimals: int = 0) -> str:
    """Return a number with fixed decimals."""
    return f"{float(value):.{decimals}f}"


def figure(value: Any) -> str:
    """Return a number as it was asked: ``10``, ``2.5``."""
    return f"{float(value):g}"


def plural(word: str, count: Any) -> str:
    """Return a regular noun in the right number."""
    return word if count == 1 else f"{word}s"


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def words(values: Mapping[str, Any], name: str) -> list[str]:
    """Return a fact that is a list of words; empty when it is absent."""
    found = values.get(name)
    return [str(word) for word in found] if isinstance(found, tuple) else []


def _review(values: dict[str, Any]) -> list[str]:
    reviewed = values.get("reviewed")
    return [] if reviewed is None else ["reviewed" if reviewed else "unreviewed"]


def _grade(values: dict[str, Any]) -> str:
    low, high = values.get("min_rank"), values.get("max_rank")
    if low is None and high is None:
        return ""
    low, high = low or 1, high or 5
    return f" of severity {low}" if low == high else f" of severity {low} to {high}"


def _size(values: dict[str, Any]) -> str:
    said = ""
    for bound, which in (("min", "more"), ("max", "less")):
        for of, way in (("length", ""), ("width", " in width")):
            limit = values.get(f"{bound}_{of}_mm")
            said += "" if limit is None else f" of {figure(limit)} mm or {which}{way}"
    return said


def _ticket(values: dict[str, Any]) -> str:
    has = values.get("has_ticket")
    return "" if has is None else " with a ticket" if has else " without a ticket"
