"""Who is on call, when it is quiet, and which rotas are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloud.alerts import rota
from contracts.errors import InvalidInput

SINCE = datetime(2026, 11, 2, 7, tzinfo=UTC)
PLAN: dict[str, Any] = {
    "version": "test-1",
    "time_zone": "Europe/Berlin",
    "people": {
        "ada": {"email": "ada@example.org", "webhook": "https://chat.example.org/a"},
        "ben": {"email": "ben@example.org"},
        "cem": {},
    },
    "rotation": {"people": ["ada", "ben"], "since": SINCE.isoformat(), "days": 7},
    "overrides": [{"person": "cem", "since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}],
    "quiet_hours": {"start": "22:00", "end": "06:30", "until_rank": 4},
    "steps": [
        {"after_min": 0, "to": "on_call", "channels": ["email"]},
        {"after_min": 15, "to": "next", "channels": ["email", "webhook"]},
        {"after_min": 40, "to": "everyone", "channels": ["email", "topic"]},
    ],
    "repeat_min": 30,
}


def made(**changes: Any) -> rota.Rota:
    return rota.parse(yaml.safe_dump(PLAN | changes), "test")


@pytest.mark.parametrize(
    ("at", "now", "then"),
    [
        (SINCE, "ada", "ben"),
        (SINCE + timedelta(days=6, hours=23), "ada", "ben"),
        (SINCE + timedelta(days=7), "ben", "ada"),
        (SINCE - timedelta(seconds=1), "ben", "ada"),
        (datetime(2026, 11, 20, 12, tzinfo=UTC), "cem", "ada"),
        (datetime(2026, 11, 21, tzinfo=UTC), "ada", "ben"),
    ],
)
def test_people_take_turns_and_stand_in_for_each_other(at: datetime, now: str, then: str) -> None:
    plan = made()
    if now == "cem":
        then = "ben"  # the turn is ada's: next is who comes after her
    assert (plan.on_call(at), plan.on_call(at, 1)) == (now, then)


def test_rounds_go_from_one_to_the_next_to_all_and_then_to_all_again() -> None:
    plan = made()
    reached = [[(r.person, r.channel) for r in plan.recipients(n, SINCE)] for n in range(4)]
    everyone = [("ada", "email"), ("ben", "email"), ("engineers", "topic")]
    assert reached == [[("ada", "email")], [("ben", "email")], everyone, everyone]
    assert [plan.pause(n) for n in range(4)] == [timedelta(minutes=m) for m in (15, 25, 30, 30)]
    assert made(repeat_min=None).pause(2) is None


@pytest.mark.parametrize(
    ("at", "rank", "until"),
    [
        ("2026-11-20T20:59:00Z", 4, None),
        ("2026-11-20T21:00:00Z", 4, "2026-11-21T05:30:00Z"),
        ("2026-11-21T02:00:00Z", 4, "2026-11-21T05:30:00Z"),
        ("2026-11-21T05:30:00Z", 4, None),
        ("2026-11-21T02:00:00Z", 5, None),
        ("2026-10-24T23:30:00Z", 4, "2026-10-25T05:30:00Z"),  # the night the clocks go back
    ],
)
def test_quiet_hours_are_local_and_go_over_midnight(at: str, rank: int, until: str | None) -> None:
    expected = datetime.fromisoformat(until) if until else None
    assert made().quiet_until(rank, datetime.fromisoformat(at)) == expected


@given(
    minutes=st.integers(0, 60 * 24 * 400),
    start=st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None)),
    end=st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None)),
)
def test_quiet_hours_always_end_within_a_day_and_then_it_is_not_quiet(minutes: int, start: Any, end: Any) -> None:
    hours = {"start": start.isoformat(), "end": end.isoformat(), "until_rank": 5}
    plan = made(quiet_hours=hours, time_zone="UTC")
    at = SINCE + timedelta(minutes=minutes)
    until = plan.quiet_until(5, at)
    if until is not None:
        assert at < until <= at + timedelta(days=1)
        assert plan.quiet_until(5, until) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"rotation": {"people": ["dan"], "since": SINCE.isoformat()}}, "people has no dan"),
        ({"rotation": None}, "needs a rotation"),
        ({"steps": []}, "at least 1 item"),
        ({"steps": [PLAN["steps"][1], PLAN["steps"][0]]}, "one after the other"),
        ({"people": PLAN["people"] | {"ada": {"email": "a b@c"}}}, "email"),
        ({"quiet_hours": {"start": "25:00", "end": "06:00", "until_rank": 4}}, "quiet_hours.start"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_rota_that_cannot_work_is_refused_with_the_reason(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        made(**change)


def test_the_shipped_rota_tells_the_topic_at_once() -> None:
    shipped = rota.load()
    assert [r.channel for r in shipped.recipients(0, SINCE)] == ["topic"]
    assert shipped.pause(0) is None
