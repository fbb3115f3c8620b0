"""Sign-in: the built-in OIDC issuer for programs, the session cookie for browsers."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from cloud import audit, sessions, users
from cloud.problems import RESPONSES
from cloud.requests import SigningIn, Svc
from cloud.security import SESSION_COOKIE, Reader, limit
from cloud.services import Services
from cloud.tokens import LIFETIME_S, Issuer
from contracts.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound

router = APIRouter(tags=["sign-in"], responses=RESPONSES)


class Token(BaseModel):
    """An OAuth 2 token response."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a word of the protocol
    expires_in: int = Field(default=LIFETIME_S, description="seconds")
    scope: str = Field(default="", description="roles, separated by blanks")


class Me(BaseModel):
    """Who the caller is."""

    username: str
    roles: list[str]
    via: str


def _issuer(services: Services) -> Issuer:
    if services.issuer is None or services.settings.jwks_url:
        raise NotFound("This installation uses an external issuer.", hint="Ask it for a token.")
    return services.issuer


@router.get("/oidc/.well-known/openid-configuration")
def configuration(services: Svc) -> dict[str, Any]:
    """Describe the built-in issuer."""
    issuer = _issuer(services).issuer
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "token_endpoint": f"{issuer}/token",
        "grant_types_supported": ["password", "client_credentials"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "subject_types_supported": ["public"],
        "response_types_supported": ["token"],
    }


@router.get("/oidc/jwks")
def jwks(services: Svc) -> dict[str, Any]:
    """Return the public keys that verify tokens."""
    return _issuer(services).jwks


@router.post("/oidc/token")
def token(  # noqa: PLR0913, PLR0917 - the fields of the OAuth form
    request: Request,
    services: Svc,
    session: SigningIn,
    grant_type: Annotated[str, Form(max_length=40)],
    username: Annotated[str, Form(max_length=120)] = "",
    password: Annotated[str, Form(max_length=400)] = "",
    client_id: Annotated[str, Form(max_length=120)] = "",
    client_secret: Annotated[str, Form(max_length=400)] = "",
) -> Token:
    """Exchange a name and a password (or a client id and secret, also by HTTP Basic) for an access token."""
    limit(request, f"address {request.client.host if request.client else ''}")
    issuer = _issuer(services)
    if grant_type == "client_credentials":
        basic = _basic(request.headers.get("authorization", ""))
        username, password = basic or (client_id, client_secret)
    elif grant_type != "password":
        hint = "Use password or client_credentials."
        raise InvalidInput(f"The grant type {grant_type!r} is not known.", hint=hint, field="grant_type")
    roles = users.sign_in(session, services.backoff, username, password)
    access = issuer.mint(username, roles, sites=users.rights_of(session, username).sites)
    return Token(access_token=access, scope=" ".join(sorted(roles)))


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotAuthenticated("The Basic credentials cannot be read.") from error
    return (name, secret) if colon else None


@router.post("/login", include_in_schema=False)
def login(
    request: Request,
    services: Svc,
    session: SigningIn,
    username: Annotated[str, Form(max_length=120)],
    password: Annotated[str, Form(max_length=400)],
    next: Annotated[str, Form(max_length=400)] = "/",  # noqa: A002 - the form field's name
) -> Response:
    """Open a browser session and go on to the page that was wanted."""
    _same_origin(request)
    users.sign_in(session, services.backoff, username, password)
    audit.record(session, username, "session.open", username)
    answer = RedirectResponse(_local(next), status_code=303)
    answer.set_cookie(
        SESSION_COOKIE,
        sessions.issue(services.session_key, username),
        max_age=sessions.LIFETIME_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout", include_in_schema=False)
def logout(_: Reader) -> Response:
    """End the browser session."""
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


def _same_origin(request: Request) -> None:
    """Refuse a sign-in form that another site sent."""
    origin = request.headers.get("origin")
    if origin not in (None, "null") and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden("The sign-in form came from another site.", hint="Open the sign-in page itself.")


def _local(target: str) -> str:
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if plain and target.isprintable() else "/"


@router.get("/v1/me")
def me(principal: Reader) -> Me:
    """Return who the caller is and what they may do."""
    return Me(username=principal.username, roles=sorted(principal.roles), via=principal.via)
