"""Who asks: basic authentication, session cookies and the CSRF token every change needs."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

COOKIE: Final = "SAP_SESSIONID_KES_100"
_LIFE_S: Final = 1800.0
_MOST_SESSIONS: Final = 1000


def basic_user(header: str, user: str, password: str) -> str | None:
    """Return the user of an Authorization header with the right password, else None."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    right = hmac.compare_digest(name.encode(), user.encode()) & hmac.compare_digest(secret.encode(), password.encode())
    return name if right else None


class Sessions:
    """Session cookie -> CSRF token, in memory: a restart forgets them all, as a real one does."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._tokens: dict[str, tuple[str, float]] = {}

    def open(self, session: str | None) -> tuple[str, str]:
        """Return (session, token): those of a living session, or new ones."""
        known = self._living(session)
        if session is not None and known is not None:
            return session, known
        while len(self._tokens) >= _MOST_SESSIONS:
            del self._tokens[next(iter(self._tokens))]
        made, token = secrets.token_urlsafe(24), secrets.token_urlsafe(18) + "=="
        self._tokens[made] = token, self._clock_s() + _LIFE_S
        return made, token

    def accepts(self, session: str | None, token: str) -> bool:
        """Return whether ``token`` belongs to the living ``session``."""
        known = self._living(session)
        return known is not None and hmac.compare_digest(known.encode(), token.encode())

    def _living(self, session: str | None) -> str | None:
        token, until_s = self._tokens.get(session or "", ("", 0.0))
        return token if token and self._clock_s() < until_s else None
