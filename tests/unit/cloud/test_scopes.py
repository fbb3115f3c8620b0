"""What an API key's scopes let through."""

from __future__ import annotations

import pytest

from cloud import scopes
from contracts.errors import Forbidden, InvalidInput
from contracts.vocabulary import Role


@pytest.mark.parametrize(
    ("granted", "method", "path", "passes"),
    [
        (["flights:read"], "GET", "/v1/flights", True),
        (["flights:read"], "GET", "/v1/flights/flt-1/events", True),
        (["flights:write"], "GET", "/v1/flights", True),
        (["flights:read"], "POST", "/v1/flights", False),
        (["flights:write"], "POST", "/v1/flights/flt-1/commands", False),
        (["commands:write"], "POST", "/v1/flights/flt-1/commands", True),
        (["commands:write"], "POST", "/v1/flights", False),
        (["findings:read"], "GET", "/v1/flights", False),
        (["assistant:read"], "POST", "/v1/assistant/ask", True),
        ([], "GET", "/v1/me", True),
        (["flights:read"], "GET", "/flights/flt-1", False),
        (["keys:write"], "GET", "/v1/drones", False),
    ],
)
def test_a_scope_covers_its_resource_and_level_only(granted: list[str], method: str, path: str, passes: bool) -> None:
    if passes:
        scopes.check(granted, method, path)
        return
    with pytest.raises(Forbidden):
        scopes.check(granted, method, path)


def test_the_refusal_names_the_scope_that_would_do() -> None:
    with pytest.raises(Forbidden, match="flights:write"):
        scopes.check(["flights:read"], "POST", "/v1/flights")


@pytest.mark.parametrize("scope", ["wings:read", "keys:write", "users:read", "me:read"])
def test_a_scope_of_nothing_or_of_keys_is_not_granted(scope: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        scopes.validate([scope], ["/v1/flights", "/v1/keys", "/v1/users", "/v1/me"])
    assert caught.value.field == "scopes"


def test_no_scope_makes_an_administrator() -> None:
    every = [f"{name}:write" for name in ("flights", "findings", "webhooks", "commands", "policies")]
    assert Role.ADMIN not in scopes.roles_of(every)
    assert scopes.roles_of(["flights:read"]) == {Role.VIEWER}


def test_a_key_that_judges_what_the_detector_was_not_sure_of_acts_as_an_analyst() -> None:
    assert scopes.roles_of(["candidates:write"]) == {Role.VIEWER, Role.ANALYST, Role.REVIEWER}
