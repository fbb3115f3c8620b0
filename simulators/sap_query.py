"""OData query options as far as the simulated service understands them; the rest is refused, not ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from simulators.sap_fields import BY_NAME, Edm

_TERM: Final = re.compile(r"\s*\(?\s*(\w+)\s+eq\s+('(?:[^']|'')*'|true|false)\s*\)?\s*")
_AND: Final = re.compile(r"and\b")
_KEY: Final = re.compile(r"^(?:MaintenanceNotification=)?'(\d{1,12})'$")
_OPTIONS: Final = frozenset({"$filter", "$top", "$skip", "$select", "$inlinecount", "$format"})
MOST_ROWS: Final = 1000


class QueryRefused(Exception):
    """A query option that cannot be served."""


class Query(NamedTuple):
    """What a collection request asks for."""

    wanted: list[tuple[str, object]]
    top: int
    skip: int
    select: list[str]
    with_count: bool


def parse_key(predicate: str) -> str | None:
    """Return the number inside ``('…')``, None for another form."""
    match = _KEY.match(predicate)
    return match[1] if match else None


def parse_query(params: Mapping[str, str]) -> Query:
    """Return the parsed options.

    Raises:
        QueryRefused: An option, property or comparison that is not supported.

    """
    for name in params:
        if name.startswith("$") and name not in _OPTIONS:
            raise QueryRefused(f"System query option '{name}' is not supported")
    if params.get("$format", "json") != "json":
        raise QueryRefused("Only $format=json is supported")
    return Query(
        wanted=parse_filter(params["$filter"]) if "$filter" in params else [],
        top=min(MOST_ROWS, _whole(params, "$top", MOST_ROWS)),
        skip=_whole(params, "$skip", 0),
        select=_selected(params.get("$select", "")),
        with_count=params.get("$inlinecount") == "allpages",
    )


def parse_filter(text: str) -> list[tuple[str, object]]:
    """Return the comparisons of ``Property eq 'value' and …``; quotes inside are doubled.

    Raises:
        QueryRefused: Any other form, or an unknown property.

    """
    terms: list[tuple[str, object]] = []
    rest = text
    while True:
        match = _TERM.match(rest)
        if match is None:
            raise QueryRefused(f"Invalid or unsupported filter: {text[:200]}")
        terms.append(_term(match[1], match[2]))
        rest = rest[match.end() :]
        if not rest:
            return terms
        joined = _AND.match(rest)
        if joined is None:
            raise QueryRefused(f"Invalid or unsupported filter: {text[:200]}")
        rest = rest[joined.end() :]


def _term(name: str, literal: str) -> tuple[str, object]:
    field = BY_NAME.get(name)
    if field is None:
        raise QueryRefused(f"Property '{name}' is not defined in type 'MaintenanceNotificationType'")
    quoted = literal.startswith("'")
    if field.edm not in {Edm.STRING, Edm.BOOLEAN} or quoted != (field.edm is Edm.STRING):
        raise QueryRefused(f"Invalid operand for property '{name}'")
    if not quoted:
        return name, int(literal == "true")
    value = literal[1:-1].replace("''", "'")
    return name, value.zfill(12) if name == "MaintenanceNotification" else value


def _selected(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in BY_NAME:
            raise QueryRefused(f"Property '{name}' is not defined in type 'MaintenanceNotificationType'")
    return names


def _whole(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryRefused(f"Invalid value '{text[:40]}' for option '{name}'")
    return int(text)
