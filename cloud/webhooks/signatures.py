"""The signature of a webhook message: HMAC-SHA256 over its time and its bytes, so that neither can be changed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

HEADER = "Kestrel-Signature"
SECRET_PREFIX = "whs_"  # noqa: S105 - what secrets begin with, not one


def new_secret() -> str:
    """Return a secret of 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def sign(keys: Iterable[str], at_s: int, body: bytes) -> str:
    """Return the header's value: the time in Unix seconds and a signature by each secret that is in force."""
    return ",".join([f"t={at_s}", *(f"v1={_mac(key, at_s, body)}" for key in keys)])


def _mac(key: str, at_s: int, body: bytes) -> str:
    return hmac.new(key.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
