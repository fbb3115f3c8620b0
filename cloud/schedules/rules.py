"""Due-date rules: how often, and how soon after what, an asset of a kind is inspected. Rules are data.

The regulatory ones are shipped in ``rules.yaml``, each with its source; customers add their own.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field, TypeAdapter, model_validator

from contracts.geo import Frozen
from contracts.vocabulary import AssetKind


class AssetEventKind(StrEnum):
    """What happens to an asset and starts a clock."""

    EXTREME_WEATHER = "extreme_weather"
    SEVERE_WIND = "severe_wind"
    SEVERE_ICE = "severe_ice"
    EARTHQUAKE = "earthquake"
    INCIDENT = "incident"


class DueRule(Frozen):
    """One clock. ``only_with`` and ``only_without`` name a part of the asset's geometry, such as ``guys``."""

    rule_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["acme-blades-yearly"])
    title: str = Field(min_length=1, max_length=200, examples=["Blades once a year"])
    asset_kinds: list[AssetKind] = Field(min_length=1, max_length=4, examples=[["wind_turbine"]])
    only_with: str | None = Field(default=None, pattern=r"^[a-z_]{1,40}$")
    only_without: str | None = Field(default=None, pattern=r"^[a-z_]{1,40}$")
    max_interval_days: int | None = Field(default=None, ge=1, le=36500, examples=[365])
    min_per_year: int | None = Field(default=None, ge=1, le=366, description="in each calendar year (UTC)")
    after_events: list[AssetEventKind] = Field(default=[], max_length=5)
    within_hours: int | None = Field(default=None, ge=0, le=87600, description="of the event's `accessible_at`")
    source: str = Field(min_length=1, max_length=200, examples=["Contract 12, § 4"])

    @model_validator(mode="after")
    def _ticks(self) -> DueRule:
        if self.max_interval_days is None and self.min_per_year is None and self.within_hours is None:
            raise ValueError("a rule needs max_interval_days, min_per_year or within_hours")
        if (self.within_hours is None) != (not self.after_events):
            raise ValueError("after_events and within_hours go together")
        return self

    def concerns(self, kind: str, geometry: dict[str, Any]) -> bool:
        """Return whether the rule is about such an asset; of an unknown shape, the stricter case is assumed."""
        if kind not in self.asset_kinds:
            return False
        if self.only_with is not None:
            return not geometry or bool(geometry.get(self.only_with))
        return self.only_without is None or (bool(geometry) and not geometry.get(self.only_without))


class Due(NamedTuple):
    """When something is due, and why then."""

    at: datetime
    why: str


@cache
def shipped() -> tuple[DueRule, ...]:
    """Return the regulatory rules."""
    text = (Path(__file__).parent / "rules.yaml").read_text()
    return TypeAdapter(tuple[DueRule, ...]).validate_python(yaml.safe_load(text))


def next_due(rule: DueRule, done: Sequence[datetime], since: datetime, events: Sequence[datetime] = ()) -> Due | None:
    """Return when the next inspection is due under a rule; None when nothing is (its events are dealt with).

    ``done``: when inspections were made, in order. ``since``: from when the asset is under the rule. ``events``: when
    the asset became accessible after each event of the rule.

    Three clocks, the earliest counts: the longest interval since the last one; in each calendar year, an even pace to
    the least number of that year (195.412(a): 26 times and never more than three weeks apart); a time after an event,
    until an inspection made since.
    """
    found = [*_by_interval(rule, done, since), *_by_pace(rule, done, since), *_by_event(rule, done, events)]
    return min(found, key=lambda due: due.at) if found else None


def _by_interval(rule: DueRule, done: Sequence[datetime], since: datetime) -> list[Due]:
    if rule.max_interval_days is None:
        return []
    last = done[-1] if done else since
    days = rule.max_interval_days
    return [Due(last + timedelta(days=days), f"at most {days} days after {last:%Y-%m-%d}")]


def _by_pace(rule: DueRule, done: Sequence[datetime], since: datetime) -> list[Due]:
    if rule.min_per_year is None:
        return []
    year = done[-1].year if done else since.year
    made = sum(1 for at in done if at.year == year)
    if made >= rule.min_per_year:
        year, made = year + 1, 0
    begins = datetime(year, 1, 1, tzinfo=UTC)
    last_day = 365 if calendar.isleap(year) else 364  # the last one of a year still lies in it
    pace = begins + timedelta(days=last_day * (made + 1) / rule.min_per_year)
    return [Due(max(pace, since), f"number {made + 1} of {rule.min_per_year} in {year}")]


def _by_event(rule: DueRule, done: Sequence[datetime], events: Sequence[datetime]) -> list[Due]:
    if rule.within_hours is None:
        return []
    last = done[-1] if done else None
    waiting = [at for at in events if last is None or last < at]
    hours = timedelta(hours=rule.within_hours)
    return [Due(at + hours, f"within {rule.within_hours} h of {at:%Y-%m-%d %H:%M} UTC") for at in waiting[:1]]
