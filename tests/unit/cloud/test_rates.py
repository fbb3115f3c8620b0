"""One asker's bucket of requests: refilled steadily, refused when empty, never in the way of a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud import rates
from cloud.rates import Rates
from contracts.errors import TooManyRequests


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_an_empty_bucket_is_refused_until_it_has_a_request_again() -> None:
    clock = Clock()
    limits = Rates(60, clock)
    assert [limits.take("ana").refused for _ in range(61)] == [False] * 60 + [True]
    clock.now_s += 1.0
    assert not limits.take("ana").refused
    assert limits.take("ana").refused


def test_each_asker_has_a_bucket_of_their_own() -> None:
    limits = Rates(1, Clock())
    assert not limits.take("ana").refused
    assert not limits.take("ben").refused
    assert limits.take("ana").refused


def test_the_refusal_says_how_long_to_wait() -> None:
    limits = Rates(6, Clock())
    for _ in range(6):
        limits.take("ana")
    with pytest.raises(TooManyRequests) as caught:
        rates.check(limits.take("ana"), "GET", "/v1/flights")
    assert caught.value.retry_after_s == 10


@pytest.mark.parametrize("path", ["/v1/flights/flt-1/commands", "/v1/drones/kite-01/commands"])
def test_a_command_to_an_aircraft_is_never_refused(path: str) -> None:
    limits = Rates(1, Clock())
    limits.take("ana")
    rates.check(limits.take("ana"), "POST", path)
    with pytest.raises(TooManyRequests):
        rates.check(limits.take("ana"), "GET", path)


@given(pauses=st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_nobody_gets_more_than_a_full_bucket_and_what_flowed_in(pauses: list[float]) -> None:
    clock = Clock()
    limits = Rates(30, clock)
    passed = 0
    for pause in pauses:
        clock.now_s += pause
        passed += not limits.take("ana").refused
    assert passed <= 30 + clock.now_s * 0.5 + 1
