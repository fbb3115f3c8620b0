"""Browser sessions and passwords."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud import passwords, sessions
from cloud.users import LoginBackoff, TooManyAttempts
from contracts.errors import NotAuthenticated

KEY = b"k" * 32


def test_a_cookie_says_who() -> None:
    assert sessions.read(KEY, sessions.issue(KEY, "ann")).username == "ann"


@pytest.mark.parametrize("key", [b"x" * 32, b""])
def test_a_cookie_of_another_key_is_refused(key: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        sessions.read(KEY, sessions.issue(key, "ann"))


def test_a_cookie_expires() -> None:
    cookie = sessions.issue(KEY, "ann", now_s=1_000.0)
    assert sessions.read(KEY, cookie, now_s=1_000.0 + sessions.LIFETIME_S - 1).username == "ann"
    with pytest.raises(NotAuthenticated, match="expired"):
        sessions.read(KEY, cookie, now_s=1_000.0 + sessions.LIFETIME_S)


@given(st.integers(min_value=0), st.characters(max_codepoint=1_000))
def test_no_character_of_a_cookie_may_change(place: int, other: str) -> None:
    cookie = sessions.issue(KEY, "ann")
    place %= len(cookie)
    changed = cookie[:place] + other + cookie[place + 1 :]
    if changed != cookie:
        with pytest.raises(NotAuthenticated):
            sessions.read(KEY, changed)


def test_csrf_tokens_belong_to_one_session() -> None:
    first, second = (sessions.read(KEY, sessions.issue(KEY, "ann")) for _ in range(2))
    assert sessions.csrf(KEY, first) == sessions.csrf(KEY, first)
    assert sessions.csrf(KEY, first) != sessions.csrf(KEY, second)


def test_passwords() -> None:
    stored = passwords.hash_password("correct horse")
    assert "correct" not in stored
    assert passwords.verify_password("correct horse", stored)
    assert not passwords.verify_password("wrong horse", stored)
    assert stored != passwords.hash_password("correct horse"), "salted"


def test_backoff_grows_and_a_success_ends_it() -> None:
    now_s = [0.0]
    backoff = LoginBackoff(now_s=lambda: now_s[0])
    for _ in range(3):
        backoff.check("ann")
        backoff.failed("ann")
    with pytest.raises(TooManyAttempts):
        backoff.check("ann")
    backoff.check("bob")
    now_s[0] += 1.1
    backoff.check("ann")
    backoff.failed("ann")
    now_s[0] += 1.1
    with pytest.raises(TooManyAttempts):
        backoff.check("ann")
    now_s[0] += 1.0
    backoff.check("ann")
    backoff.succeeded("ann")
    backoff.failed("ann")
    backoff.check("ann")


def test_backoff_is_bounded_in_time_and_memory() -> None:
    now_s = [0.0]
    backoff = LoginBackoff(now_s=lambda: now_s[0])
    for _ in range(2_000):
        backoff.failed("ann")
    now_s[0] += 301
    backoff.check("ann")
    for number in range(10_050):
        backoff.failed(f"name-{number}")
    assert len(backoff._failures) <= 10_000
