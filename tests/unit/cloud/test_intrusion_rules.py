from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.intrusion import rules
from cloud.intrusion.rules import Activity, BootSpan, Burst, Jump

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcomes", "usual", "held"),
    [
        ({"unauthenticated": 19}, 0, []),
        ({"unauthenticated": 20}, 0, ["sign_in_guessing"]),
        ({"forbidden": 15, "not_found": 60}, 0, ["forbidden_probing", "id_walking"]),
        ({"answered": 3000}, 0, []),
        ({"answered": 3001}, 0, ["unusual_volume"]),
        ({"answered": 7000}, 1000, []),
        ({"answered": 8001}, 1000, ["unusual_volume"]),
    ],
)
def test_activity_is_held_against_its_own_usual(outcomes: dict[str, int], usual: int, held: list[str]) -> None:
    assert [s.rule for s in rules.of_activity([Activity("ann", outcomes, usual)])] == held


def test_a_burst_of_commands_names_its_issuer_and_the_limit() -> None:
    found = list(rules.of_bursts([Burst("ann", 15, 1), Burst("key:x", 16, 9)]))
    assert [(s.subject, s.facts["commands"], s.facts["limit"]) for s in found] == [("key:x", 16, 15)]


@pytest.mark.parametrize(
    ("distance_m", "elapsed_s", "held"),
    [(499, 0.1, False), (600, 1.0, True), (600, 6.0, False), (50_000, 60, True), (20_000, 0.0, True)],
)
def test_only_what_cannot_be_flown_is_impossible(distance_m: float, elapsed_s: float, *, held: bool) -> None:
    assert bool(list(rules.of_jumps([Jump("kite", distance_m, elapsed_s, NOW, ("a", "b"))]))) is held


def span(boot: str, first_s: float, last_s: float, drone: str = "kite") -> BootSpan:
    return BootSpan(drone, boot, NOW + timedelta(seconds=first_s), NOW + timedelta(seconds=last_s))


@pytest.mark.parametrize(
    ("spans", "held"),
    [
        ([span("a", 0, 50), span("b", 50, 90)], False),
        ([span("a", 0, 54), span("b", 50, 90)], False),
        ([span("a", 0, 60), span("b", 50, 90)], True),
        ([span("b", 50, 55.5), span("a", 0, 90)], True),
        ([span("a", 0, 60), span("b", 50, 90, drone="other")], False),
    ],
    ids=["one after the other", "within the tolerance", "both at once", "one inside the other", "two drones"],
)
def test_two_boots_at_once_are_two_computers(spans: list[BootSpan], *, held: bool) -> None:
    assert bool(list(rules.of_boots(spans))) is held


@given(st.lists(st.floats(1, 600), min_size=1, max_size=8))
def test_a_drone_that_restarts_as_often_as_it_likes_is_never_suspected(lengths_s: list[float]) -> None:
    at, spans = 0.0, []
    for number, length_s in enumerate(lengths_s):
        spans.append(span(f"boot-{number}", at, at + length_s))
        at += length_s
    assert not list(rules.of_boots(spans))
