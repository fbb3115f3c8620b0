"""Recurrence rules: RFC 5545 on a wall clock, refused with a reason where they are not one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.schedules.recurrence import times
from contracts.errors import InvalidInput

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
YEAR = timedelta(days=366)


def test_every_second_monday() -> None:
    found = times(START, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "UTC", START, START + timedelta(days=30))
    assert found == [START, START + timedelta(days=14), START + timedelta(days=28)]


def test_nine_o_clock_stays_nine_o_clock_in_summer() -> None:
    zone = "Europe/Berlin"
    start = datetime(2026, 3, 27, 9, tzinfo=ZoneInfo(zone))
    found = times(start, "FREQ=DAILY;COUNT=4", zone, start, start + timedelta(days=10))
    assert [at.astimezone(ZoneInfo(zone)).hour for at in found] == [9, 9, 9, 9]
    assert len({at.hour for at in found}) == 2, "the clocks change on 29 March"


def test_a_time_that_summer_leaves_out_is_moved_behind_the_gap() -> None:
    zone = "Europe/Berlin"
    start = datetime(2026, 3, 28, 2, 30, tzinfo=ZoneInfo(zone))
    found = times(start, "FREQ=DAILY;COUNT=2", zone, start, start + timedelta(days=3))
    assert found[1].astimezone(ZoneInfo(zone)).strftime("%d %H:%M") == "29 03:30"


def test_once_without_a_rule() -> None:
    assert times(START, None, "UTC", START - YEAR, START + YEAR) == [START]
    assert times(START, None, "UTC", START + timedelta(seconds=1), START + YEAR) == []


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=SECONDLY",
        "FREQ=HOURLY",
        "FREQ=WEEKLY;FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;COUNT=-1",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTHDAY=31",
        "FREQ=DAILY;UNTIL=20270101",
        "FREQ=DAILY\nEXRULE:FREQ=DAILY",
        "FREQ=MONTHLY;BYMONTHDAY=1,x",
        "weekly",
    ],
)
def test_what_is_no_rule_is_refused_by_its_field(rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        times(START, rule, "UTC", START, START + YEAR)
    assert caught.value.field == "rrule"


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidInput):
        times(START, "FREQ=DAILY", "Mars/Olympus", START, START + YEAR)


@given(
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 400),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_times_are_in_order_and_within_the_period(freq: str, interval: int, zone: str) -> None:
    until = START + 2 * YEAR
    found = times(START, f"FREQ={freq};INTERVAL={interval}", zone, START, until, 50)
    assert found == sorted(set(found))
    assert all(START <= at <= until for at in found)
    assert all(at.tzinfo is UTC for at in found)
