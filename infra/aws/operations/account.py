"""The account that an operation works on: the clients it calls, and how it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3

from contracts.errors import Unavailable
from infra.aws.place import Place

Client = Any
"""boto3 makes its clients' methods at run time."""
Say = Callable[[str], object]


class Account(NamedTuple):
    """AWS as the operations call it; tests put stubs in."""

    place: Place
    ecs: Client
    ecr: Client
    rds: Client
    cloudformation: Client
    functions: Client
    balancing: Client
    s3: Client
    iot: Client
    wait: Callable[[float], object] = time.sleep


def signed_in(place: Place) -> Account:
    """Return the account of a place.

    Raises:
        Unavailable: The credentials at hand are another account's, or none.

    """
    session: Client = boto3.Session(region_name=place.region)
    found = session.client("sts").get_caller_identity()["Account"]
    if found != place.account:
        raise Unavailable(
            f"These credentials are of account {found}, the environment is in {place.account}.",
            hint="Set AWS_PROFILE to a role of that account.",
        )
    names = ("ecs", "ecr", "rds", "cloudformation", "lambda", "elbv2", "s3", "iot")
    return Account(place, *(session.client(name) for name in names))


def until(account: Account, look: Callable[[], str], done: set[str], *, every_s: float, times: int, what: str) -> str:
    """Look again until the state is one of ``done``; return it.

    Raises:
        Unavailable: It never was.

    """
    state = ""
    for _ in range(times):
        state = look()
        if state in done:
            return state
        account.wait(every_s)
    raise Unavailable(f"{what} is still {state} after {every_s * times / 60:.0f} minutes.", hint="Look in the console.")
