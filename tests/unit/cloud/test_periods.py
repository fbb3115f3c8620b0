"""What time expressions mean, at a Friday afternoon in Berlin."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.assistant.grammar.periods import read_period
from cloud.assistant.grammar.reading import Reading

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
ENDS = "2026-11-20 17:40"

CASES: list[tuple[str, str | None, str | None]] = [
    ("last week", "2026-11-13 17:40", ENDS),
    ("in the past seven days", "2026-11-13 17:40", ENDS),
    ("over the last 24 hours", "2026-11-19 17:40", ENDS),
    ("the last 2 months", "2026-09-21 17:40", ENDS),
    ("last year", "2025-11-20 17:40", ENDS),
    ("a fortnight: last fortnight", "2026-11-06 17:40", ENDS),
    ("today", "2026-11-20 00:00", ENDS),
    ("yesterday's", "2026-11-19 00:00", "2026-11-20 00:00"),
    ("this week", "2026-11-16 00:00", ENDS),
    ("this month", "2026-11-01 00:00", ENDS),
    ("this year so far", "2026-01-01 00:00", ENDS),
    ("on monday", "2026-11-16 00:00", "2026-11-17 00:00"),
    ("last friday", "2026-11-13 00:00", "2026-11-14 00:00"),
    ("since 2026-11-01", "2026-11-01 00:00", ENDS),
    ("since the 3rd of October", "2026-10-03 00:00", ENDS),
    ("since December 24", "2025-12-24 00:00", ENDS),
    ("after 13.11.2026", "2026-11-14 00:00", ENDS),
    ("before 1 Oct 2026", None, "2026-10-01 00:00"),
    ("until 1 Oct 2026", None, "2026-10-02 00:00"),
    ("between 1 March and 3 March 2026", "2026-03-01 00:00", "2026-03-04 00:00"),
    ("from 2026-10-24 to 2026-10-26", "2026-10-24 00:00", "2026-10-27 00:00"),
    ("in October", "2026-10-01 00:00", "2026-11-01 00:00"),
    ("in December", "2025-12-01 00:00", "2026-01-01 00:00"),
    ("in February 2024", "2024-02-01 00:00", "2024-03-01 00:00"),
    ("in 2025", "2025-01-01 00:00", "2026-01-01 00:00"),
    ("of all time", None, None),
]


def local(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN) if text else None


@pytest.mark.parametrize(("words", "start", "end"), CASES, ids=[case[0] for case in CASES])
def test_meaning(words: str, start: str | None, end: str | None) -> None:
    period = read_period(Reading(f"defects {words}"), NOW, BERLIN)
    assert period is not None
    assert (period.start, period.end) == (local(start), local(end))


@pytest.mark.parametrize(
    "words", ["03/04/2026", "on 31 February 2026", "2026-13-40", "next week", "last 9999 years", "soon", ""]
)
def test_what_is_no_known_period_is_left_unread(words: str) -> None:
    reading = Reading(f"defects {words}")
    before = reading.text
    assert read_period(reading, NOW, BERLIN) is None
    assert reading.text == before


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    period = read_period(Reading(text), NOW, BERLIN)
    assert period is None or period.start is None or period.end is None or period.start <= period.end
