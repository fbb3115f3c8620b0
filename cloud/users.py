"""Users of the built-in issuer: create, check a password (with back-off after failures), read roles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import audit
from cloud.passwords import hash_password, verify_password
from cloud.tables import User
from contracts.errors import Conflict, NotAuthenticated, NotFound, PlatformError
from contracts.vocabulary import Role

_FREE_FAILURES = 3
_MAX_WAIT_S = 300.0
_NOBODY = hash_password("nobody")
"""Checked for unknown names, so that they take as long as known ones."""


class TooManyAttempts(PlatformError):
    """Too many failed sign-ins for one name; wait."""

    code = "too_many_attempts"
    http_status = 429
    retryable = True


@dataclass
class LoginBackoff:
    """Per-name waiting after failures, doubling from 1 s to 5 min; in memory of one process."""

    now_s: Callable[[], float] = time.monotonic
    _failures: dict[str, tuple[int, float]] = field(default_factory=dict)

    def check(self, username: str) -> None:
        """Raise TooManyAttempts while ``username`` must wait."""
        count, last_s = self._failures.get(username, (0, 0.0))
        wait_s = self._wait_s(count) - (self.now_s() - last_s)
        if count >= _FREE_FAILURES and wait_s > 0:
            raise TooManyAttempts(
                f"Too many failed sign-ins for {username}.", hint=f"Try again in {max(1, round(wait_s))} s."
            )

    def failed(self, username: str) -> None:
        """Count a failure; the oldest names are forgotten beyond 10,000."""
        count, _ = self._failures.pop(username, (0, 0.0))
        self._failures[username] = (count + 1, self.now_s())
        if len(self._failures) > 10_000:
            self._failures.pop(next(iter(self._failures)))

    def succeeded(self, username: str) -> None:
        """Forget a name's failures."""
        self._failures.pop(username, None)

    @staticmethod
    def _wait_s(count: int) -> float:
        return min(_MAX_WAIT_S, 2.0 ** min(count - _FREE_FAILURES, 20))


def put_user(
    session: Session,
    username: str,
    password: str,
    roles: Iterable[Role],
    display_name: str = "",
    sites: Iterable[str] | None = None,
) -> None:
    """Create a user, or set an existing one's password, roles and sites (None: all)."""
    values = {
        "display_name": display_name or username.capitalize(),
        "password_hash": hash_password(password),
        "roles": sorted(role.value for role in roles),
        "disabled": False,
        "sites": None if sites is None else sorted(sites),
    }
    statement = insert(User).values(username=username, **values)
    session.execute(statement.on_conflict_do_update(index_elements=[User.username], set_=values))


def change(session: Session, username: str, *, roles: Iterable[Role], disabled: bool, by: str) -> User:
    """Give a user other roles, or shut them out; who signed in already is held to it at the next request.

    Raises:
        NotFound: No such user.
        Conflict: An administrator would shut themselves out.

    """
    row = session.get(User, username, with_for_update=True)
    if row is None:
        raise NotFound(f"No user {username!r}.", hint="Add them with `kestrel-cloud seed`.")
    wanted = sorted(role.value for role in roles)
    if username == by and (disabled or Role.ADMIN.value not in wanted):
        raise Conflict("You would shut yourself out.", hint="Another administrator can do this.", field="roles")
    before = {"roles": row.roles, "disabled": row.disabled}
    row.roles, row.disabled = list(wanted), disabled
    audit.record(session, by, "user.change", username, before=before, after={"roles": wanted, "disabled": disabled})
    return row


def sign_in(session: Session, backoff: LoginBackoff, username: str, password: str) -> frozenset[Role]:
    """Return the roles of a user who gave the right password.

    Raises:
        NotAuthenticated: Unknown name, wrong password or disabled user (not said which).
        TooManyAttempts: The name must wait after failures.

    """
    backoff.check(username)
    user = session.get(User, username)
    right = verify_password(password, user.password_hash if user else _NOBODY)
    if user is None or not right or user.disabled:
        backoff.failed(username)
        raise NotAuthenticated("The name or the password is wrong.", hint="Check both and try again.")
    backoff.succeeded(username)
    return _roles(user)


def roles_of(session: Session, username: str) -> frozenset[Role]:
    """Return a signed-in user's present roles.

    Raises:
        NotAuthenticated: The user is gone or disabled since signing in.

    """
    return _roles(_active(session, username))


class Rights(NamedTuple):
    """What a user may do, and the only sites they may see (None: all)."""

    roles: frozenset[Role]
    sites: frozenset[str] | None


def rights_of(session: Session, username: str) -> Rights:
    """Return a signed-in user's present rights.

    Raises:
        NotAuthenticated: The user is gone or disabled since signing in.

    """
    user = _active(session, username)
    return Rights(_roles(user), None if user.sites is None else frozenset(str(site) for site in user.sites))


def _active(session: Session, username: str) -> User:
    user = session.scalar(select(User).where(User.username == username, User.disabled.is_(False)))
    if user is None:
        raise NotAuthenticated(f"The user {username} is not active any more.", hint="Ask an administrator.")
    return user


def _roles(user: User) -> frozenset[Role]:
    return frozenset(Role(role) for role in user.roles)
