"""The gate every sentence passes, whoever wrote it: bound to rows, and saying only what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cloud.assistant.evidence import Citation, Row, Sentence, day, moment
from cloud.assistant.words import KIND_LABELS, SEVERITY_LABELS, SIDE_LABELS
from contracts.geo import Frozen

_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)?")
_ID = re.compile(r"(?<![\w-])[A-Za-z]{1,12}-(?=[\w-]*\d)[\w-]+")
"""What looks like an id or a name with a number: F-142, T-03, flt-07000012."""
_MEASURED = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)?) ?(mm|m/s|m|%)(?![\w/])")
_ENDINGS = (("_mm_px", "mm"), ("_mm", "mm"), ("_m", "m"), ("_percent", "%"), ("percent", "%"), ("_mps", "m/s"))
_WORDS = sorted((*KIND_LABELS.values(), *SEVERITY_LABELS.values(), *SIDE_LABELS.values()), key=len, reverse=True)


class Removed(Frozen):
    """A sentence that was not let through, and why."""

    text: str
    reason: str


class _Facts(NamedTuple):
    texts: list[str]
    numbers: list[float]
    words: set[str]
    measured: dict[str, list[float]]
    """Figures by unit: ``mm``, ``m``, ``%``, ``m/s``."""


def check(sentence: Sentence, rows: dict[str, Row], zone: ZoneInfo) -> Sentence | Removed:
    """Return the sentence with its citations, or why it may not be said.

    Each number, date, id, blade, side, kind and severity word must be in a row it refers to, and at least one of
    those rows must lead to something in the database.
    """
    unknown = [ref for ref in sentence.refs if ref not in rows]
    if unknown:
        return Removed(text=sentence.text, reason=f"refers to {unknown[0]!r}, which no tool returned")
    behind = [rows[ref] for ref in sentence.refs]
    cites = tuple(dict.fromkeys(cite for row in behind for cite in row.cites))
    if not cites:
        return Removed(text=sentence.text, reason="no evidence")
    wrong = _unfounded(sentence.text, _facts(behind, zone))
    if wrong:
        return Removed(text=sentence.text, reason=f"{wrong!r} is not in the evidence")
    of = max((row.cited_of or 0 for row in behind), default=0)
    return sentence.model_copy(update={"citations": cites, "cited_of": of if of > len(cites) else None})


def _facts(rows: Iterable[Row], zone: ZoneInfo) -> _Facts:
    facts = _Facts([], [], set(), {})
    for row in rows:
        for name, value in row.values.items():
            unit = _unit_of(name, row)
            if unit and isinstance(value, int | float) and not isinstance(value, bool):
                facts.measured.setdefault(unit, []).append(float(value))
        for value in (*row.values.values(), *(c.label for c in row.cites)):
            _add(facts, value, zone)
    facts.texts.sort(key=len, reverse=True)
    return facts


def _unit_of(name: str, row: Row) -> str | None:
    """Return the unit of a column, by its name; a statistic's unit stands beside it."""
    if name == "figure":
        return str(row.values.get("unit", "")).split(" ")[0] or None
    return next((unit for ending, unit in _ENDINGS if name.endswith(ending)), None)


def _add(facts: _Facts, value: object, zone: ZoneInfo) -> None:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, datetime):
        local = value.astimezone(zone)
        facts.texts.extend((moment(value, zone), day(value, zone), f"{local:%Y-%m-%d %H:%M}", f"{local:%Y-%m-%d}"))
    elif isinstance(value, (int, float)):
        facts.numbers.append(float(value))
    elif isinstance(value, tuple):
        for item in value:
            _add(facts, item, zone)
    else:
        text = str(value)
        facts.words.add(text.lower())
        if text.isdigit():
            facts.numbers.append(float(text))
        if len(text) > 1:
            facts.texts.append(text)


def _unfounded(text: str, facts: _Facts) -> str | None:
    """Return the first thing the text says that no fact says."""
    rest = text
    for said in facts.texts:
        if any(c.isdigit() for c in said) or said.lower() not in _WORDS:
            rest = re.sub(rf"(?<!\w){re.escape(said)}(?!\w)", " ", rest, flags=re.IGNORECASE)
    if invented := _ID.search(rest):
        return invented[0]
    for blade in re.findall(r"\bblades? ([A-Z])\b", rest):
        if blade.lower() not in facts.words:
            return f"blade {blade}"
    return _wrong_number(rest, facts) or _wrong_word(rest, facts.words)


def _wrong_number(text: str, facts: _Facts) -> str | None:
    for token, unit in _MEASURED.findall(text):
        if not _is_among(token, facts.measured.get(unit, [])):
            return f"{token} {unit}"
    return next((token for token in _NUMBER.findall(text) if not _is_among(token, facts.numbers)), None)


def _is_among(token: str, numbers: Iterable[float]) -> bool:
    decimals = len(token.partition(".")[2])
    return any(f"{number:.{decimals}f}" == token for number in numbers)


def _wrong_word(text: str, allowed: set[str]) -> str | None:
    lower = text.lower()
    for word in _WORDS:
        if re.search(rf"\b{re.escape(word)}\b", lower):
            if not any(word in said for said in allowed):
                return word
            lower = re.sub(rf"\b{re.escape(word)}\b", " ", lower)
    return None


def unique(sentences: Iterable[Sentence]) -> tuple[Citation, ...]:
    """Return every citation of an answer once, in the order of first use."""
    return tuple(dict.fromkeys(cite for sentence in sentences for cite in sentence.citations))
