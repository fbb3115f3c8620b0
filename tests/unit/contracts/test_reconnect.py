"""Rests between two connections of one client of the broker."""

from __future__ import annotations

from collections import Counter

from contracts.reconnect import draw_pauses


def test_no_client_comes_back_within_the_second_in_which_aws_takes_one_connect() -> None:
    assert all(draw_pauses(60_000).first_ms >= 1_000 for _ in range(1_000))


def test_the_longest_rest_is_no_longer_than_asked_and_longer_than_the_first() -> None:
    assert all(p.first_ms < p.longest_ms <= 10_000 for p in (draw_pauses(10_000) for _ in range(1_000)))


def test_a_fleet_is_spread_over_the_first_second_and_over_the_longest_rest() -> None:
    drawn = [draw_pauses(60_000) for _ in range(4_000)]
    for values, width in (([p.first_ms for p in drawn], 1_000), ([p.longest_ms for p in drawn], 15_000)):
        # 400 expected in each tenth, six standard deviations left and right
        least = min(values)
        tenths = Counter(min(9, (value - least) * 10 // width) for value in values)
        assert all(280 < tenths[tenth] < 520 for tenth in range(10)), tenths
