"""When an inspection is due: intervals, an even pace through the year, hours after an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cloud.schedules import rules
from cloud.schedules.rules import DueRule, next_due

BY_ID = {rule.rule_id: rule for rule in rules.shipped()}
WAY = BY_ID["us-49cfr195-412a"]
STORM = BY_ID["us-49cfr195-414c"]


def day(month: int, number: int, year: int = 2026) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def test_every_regulation_names_its_source() -> None:
    assert len(BY_ID) >= 5
    assert all(rule.source for rule in BY_ID.values())


def test_a_right_of_way_is_never_left_for_more_than_three_weeks() -> None:
    # Four inspections by 1 January's pace already: the interval is the nearer clock.
    done = [day(1, 1), day(1, 2), day(1, 3), day(1, 4)]
    due = next_due(WAY, done, day(1, 1))
    assert due is not None
    assert due.at == day(1, 25)
    assert "21 days" in due.why


def test_three_weeks_apart_alone_would_miss_26_a_year() -> None:
    done = [day(1, 14)]
    due = next_due(WAY, done, day(1, 1))
    assert due is not None
    assert due.at < done[0] + timedelta(days=21)
    assert due.why == "number 2 of 26 in 2026"


@given(late_h=st.lists(st.floats(0, 24), min_size=80, max_size=80))
def test_who_flies_by_the_due_date_keeps_both_clocks_of_195_412(late_h: list[float]) -> None:
    """An inspector who comes up to a day before each due date has 26 in the year, never three weeks apart."""
    done = [day(1, 1)]
    for early in late_h:
        due = next_due(WAY, done, day(1, 1))
        assert due is not None
        done.append(max(due.at - timedelta(hours=early), done[-1] + timedelta(hours=1)))
    in_2026 = [at for at in done if at.year == 2026]
    assert len(in_2026) >= 26
    assert all(later - at <= timedelta(days=21) for at, later in pairwise(done))


def test_extreme_weather_starts_a_clock_of_72_hours_once_accessible() -> None:
    accessible = day(11, 20)
    due = next_due(STORM, [day(11, 1)], day(1, 1), [accessible])
    assert due is not None
    assert due.at == accessible + timedelta(hours=72)
    assert next_due(STORM, [day(11, 1), day(11, 21)], day(1, 1), [accessible]) is None, "dealt with"
    assert next_due(STORM, [], day(1, 1)) is None, "no storm, no clock"


@pytest.mark.parametrize(
    ("geometry", "rule_id"),
    [
        ({"guys": [{"height_m": 60}]}, "tia-222-guyed"),
        ({"guys": []}, "tia-222-self-supporting"),
        ({"height_m": 80}, "tia-222-self-supporting"),
        ({}, "tia-222-guyed"),
    ],
    ids=["guyed", "no guys", "free", "of unknown shape: the stricter"],
)
def test_a_tower_has_the_clock_of_its_build(geometry: dict[str, object], rule_id: str) -> None:
    found = {r.rule_id for r in rules.shipped() if r.max_interval_days and r.concerns("telecom_tower", geometry)}
    assert found == {rule_id}


@pytest.mark.parametrize(
    ("rule_id", "years"), [("tia-222-guyed", 3), ("tia-222-self-supporting", 5)], ids=["guyed", "self-supporting"]
)
def test_towers_are_due_every_three_or_five_years(rule_id: str, years: int) -> None:
    due = next_due(BY_ID[rule_id], [day(6, 1)], day(1, 1))
    assert due is not None
    assert abs(due.at - day(6, 1, 2026 + years)) <= timedelta(days=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_interval_days": None},
        {"within_hours": 72},
        {"after_events": ["extreme_weather"]},
        {"max_interval_days": 0},
        {"asset_kinds": []},
        {"rule_id": "NOT AN ID"},
    ],
)
def test_a_rule_without_a_clock_is_none(changes: dict[str, object]) -> None:
    values = {"rule_id": "a", "title": "A", "asset_kinds": ["pipeline"], "max_interval_days": 5, "source": "us"}
    with pytest.raises(ValidationError):
        DueRule.model_validate(values | changes)
