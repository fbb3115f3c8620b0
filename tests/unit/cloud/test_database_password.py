"""Where the database's address holds no password, each new connection gets one of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from cloud.backends.database_token import DatabaseToken
from cloud.db import Database

URL = "postgresql+psycopg2://kestrel@db.example.com:5432/kestrel?sslmode=require"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The password of each connection that was tried; none succeeds."""
    seen: list[Any] = []

    def refuse(*_said: object, **more: object) -> None:
        seen.append(more.get("password"))
        raise psycopg2.OperationalError("nobody there")

    monkeypatch.setattr(psycopg2, "connect", refuse)
    return seen


def numbered() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"word-{next(numbers)}"


def test_each_connection_has_a_password_of_its_own(tried: list[Any]) -> None:
    database = Database(URL, password=numbered())
    for _ in range(2):
        with pytest.raises(OperationalError):
            database.engine.connect()
    assert tried == ["word-1", "word-2"]


def test_a_listener_of_its_own_has_one_too() -> None:
    database = Database(URL, password=numbered())
    assert database.driver_url() == "postgresql://kestrel:word-1@db.example.com:5432/kestrel?sslmode=require"
    assert "word-2" in database.driver_url()


def test_a_password_of_the_address_stays(tried: list[Any]) -> None:
    database = Database(URL.replace("kestrel@", "kestrel:fixed@"))
    with pytest.raises(OperationalError):
        database.engine.connect()
    assert tried == ["fixed"]
    assert "kestrel:fixed@" in database.driver_url()


def test_aws_signs_the_password_for_this_user_at_this_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "eu-central-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    token = DatabaseToken(URL)()
    assert token.startswith("db.example.com:5432/?Action=connect&DBUser=kestrel&")
    assert "X-Amz-Expires=900" in token
    assert "%2Feu-central-1%2Frds-db%2F" in token
