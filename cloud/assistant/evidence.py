"""What tools return and answers stand on: rows with ids, and sentences that point at them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field

from contracts.geo import Frozen

Value = str | int | float | bool | datetime | None | tuple[str, ...]


class Period(Frozen):
    """From ``start`` up to but not including ``end``; None is open. ``says`` is how an answer names it."""

    start: AwareDatetime | None
    end: AwareDatetime | None
    asked: str
    says: str
    zone: str


class RowKind(StrEnum):
    """What a row is about."""

    FINDING = "finding"
    FLIGHT = "flight"
    ASSET = "asset"
    DRONE = "drone"
    TICKET = "ticket"
    COVERAGE = "coverage"
    COUNT = "count"
    PERIOD = "period"
    SITE = "site"
    TELEMETRY = "telemetry"
    POLICY = "policy"
    FRAME = "frame"
    FIGURE = "figure"


class Citation(Frozen):
    """A thing in the database a sentence stands on. ``label`` is what people say, ``href`` opens it."""

    kind: RowKind
    id: str
    label: str
    href: str = ""
    number: int | None = Field(default=None, description="of a finding: 142 in F-142")


class Row(Frozen):
    """One result row. ``cites`` are the database objects it came from; ``values`` what a sentence may say of it."""

    ref: str
    kind: RowKind
    label: str
    values: dict[str, Value]
    cites: tuple[Citation, ...]
    cited_of: int | None = Field(default=None, description="objects behind the row, where more than ``cites``")
    figure: dict[str, Any] | None = Field(default=None, description="a chart (Vega-Lite) or a map (GeoJSON)")


class Sentence(Frozen):
    """One sentence of an answer with what it stands on."""

    text: str
    refs: tuple[str, ...] = Field(default=(), description="rows it was written from")
    citations: tuple[Citation, ...] = ()
    cited_of: int | None = None


def moment(value: datetime, zone: ZoneInfo) -> str:
    """Return a time as the assistant writes it: ``20 Nov 2026 16:42``."""
    local = value.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M}"


def day(value: datetime, zone: ZoneInfo) -> str:
    """Return a date as the assistant writes it: ``20 Nov 2026``."""
    local = value.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def plain(text: Any, limit: int = 80) -> str:
    """Return database text as data: one line, no control characters, bounded."""
    line = "".join(c if c.isprintable() else " " for c in str(text or ""))
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
