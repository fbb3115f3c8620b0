"""Who is asking and what they may do: bearer tokens and API keys for programs, signed cookies for browsers."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request

from cloud import keys, rates, scopes, sessions, users
from cloud.services import of as services
from contracts.errors import Forbidden, NotAuthenticated
from contracts.vocabulary import Role

SESSION_COOKIE = "kestrel_session"
CSRF_HEADER = "X-Kestrel-CSRF"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Principal:
    """An authenticated person or program."""

    username: str
    roles: frozenset[Role]
    via: Literal["token", "session", "key"]
    sites: frozenset[str] | None = None
    """Ids of the only sites that the database shows this asker; None is all."""

    def may(self, *roles: Role) -> bool:
        """Return whether one of ``roles`` is held; an admin holds all."""
        return Role.ADMIN in self.roles or not self.roles.isdisjoint(roles)


def authenticate(request: Request) -> Principal:
    """Return who asks, having taken the request from what they may ask.

    Raises:
        NotAuthenticated: No token and no session, or one that is forged, expired or for another audience.
        Forbidden: A session's unsafe request without its CSRF token, or beyond an API key's scopes.
        TooManyRequests: They have used up what they may ask.

    """
    try:
        principal = _identified(request)
    except NotAuthenticated:
        limit(request, f"address {request.client.host if request.client else ''}")
        raise
    request.state.asker = principal.username
    limit(request, principal.username)
    return principal


def limit(request: Request, asker: str) -> None:
    """Take one request from the asker's bucket and note what is left; TooManyRequests when it is empty."""
    request.state.allowance = services(request).rates.take(asker)
    rates.check(request.state.allowance, request.method, request.url.path)


def _identified(request: Request) -> Principal:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if token.strip().startswith(keys.PREFIX):
            return _from_key(request, token.strip())
        claims = services(request).verifier.verify(token.strip())
        return Principal(claims.subject, claims.roles, "token", claims.sites)
    return _from_session(request)


def _from_key(request: Request, text: str) -> Principal:
    with services(request).database.session() as session:
        row = keys.verify(session, text)
        granted, name = [str(scope) for scope in row.scopes], f"key:{row.key_id}"
        sites = None if row.sites is None else frozenset(str(site) for site in row.sites)
    scopes.check(granted, request.method, request.url.path)
    return Principal(name, scopes.roles_of(granted), "key", sites)


def _from_session(request: Request) -> Principal:
    cookie = request.cookies.get(SESSION_COOKIE)
    if not cookie:
        raise NotAuthenticated("This needs an access token or a session.", hint="Sign in, or send a bearer token.")
    built = services(request)
    browser = sessions.read(built.session_key, cookie)
    if request.method not in _SAFE_METHODS:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), sessions.csrf(built.session_key, browser).encode()):
            raise Forbidden(
                f"The {CSRF_HEADER} header is missing or wrong.",
                hint="Reload the page and try again.",
                field=CSRF_HEADER,
            )
    with built.database.session() as session:
        rights = users.rights_of(session, browser.username)
        return Principal(browser.username, rights.roles, "session", rights.sites)


def csrf_token(request: Request) -> str:
    """Return the CSRF token of this browser's session for the page; empty without a valid session."""
    key = services(request).session_key
    try:
        return sessions.csrf(key, sessions.read(key, request.cookies.get(SESSION_COOKIE, "")))
    except NotAuthenticated:
        return ""


def reader() -> Callable[[Request], Principal]:
    """Return a dependency that lets any authenticated role pass."""
    return authenticate


def require(*roles: Role) -> Callable[[Principal], Principal]:
    """Return a dependency that lets holders of one of ``roles`` (and admins) pass."""

    def check(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
        if not principal.may(*roles):
            wanted = " or ".join(role.value for role in roles)
            raise Forbidden(f"{principal.username} may not do this.", hint=f"It takes the role {wanted}.")
        return principal

    return check


Reader = Annotated[Principal, Depends(authenticate)]
Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
Reviewer = Annotated[Principal, Depends(require(Role.ANALYST, Role.REVIEWER))]
OnCall = Annotated[Principal, Depends(require(Role.OPERATOR, Role.ANALYST, Role.REVIEWER))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]
Connector = Annotated[Principal, Depends(require(Role.INTEGRATION))]
"""Who connects other systems."""
