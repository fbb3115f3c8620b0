"""Browser sessions: a signed cookie value, and the CSRF token bound to it. Nothing is stored on the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time

from pydantic import ValidationError

from contracts.errors import NotAuthenticated
from contracts.geo import Frozen

LIFETIME_S = 12 * 3600


class BrowserSession(Frozen):
    """What a session cookie says."""

    username: str
    nonce: str
    expires_at_s: int


def _mac(key: bytes, purpose: bytes, value: bytes) -> str:
    return hmac.new(key, purpose + b"\0" + value, hashlib.sha256).hexdigest()


def issue(key: bytes, username: str, *, now_s: float | None = None) -> str:
    """Return a cookie value for a user who has just proved who they are."""
    expires_at_s = int(time.time() if now_s is None else now_s) + LIFETIME_S
    session = BrowserSession(username=username, nonce=secrets.token_hex(16), expires_at_s=expires_at_s)
    body = base64.urlsafe_b64encode(session.model_dump_json().encode()).rstrip(b"=")
    return f"{body.decode()}.{_mac(key, b'session', body)}"


def read(key: bytes, cookie: str, *, now_s: float | None = None) -> BrowserSession:
    """Return the session of a cookie value.

    Raises:
        NotAuthenticated: Forged, cut or expired.

    """
    body, _, mac = cookie.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(key, b"session", body.encode()).encode()):
        raise NotAuthenticated("The session is not valid.", hint="Sign in again.")
    try:
        session = BrowserSession.model_validate_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValidationError, ValueError) as error:
        raise NotAuthenticated("The session is not valid.", hint="Sign in again.") from error
    if session.expires_at_s <= (time.time() if now_s is None else now_s):
        raise NotAuthenticated("The session has expired.", hint="Sign in again.")
    return session


def csrf(key: bytes, session: BrowserSession) -> str:
    """Return the token that unsafe requests of this session must carry."""
    return _mac(key, b"csrf", session.nonce.encode())
