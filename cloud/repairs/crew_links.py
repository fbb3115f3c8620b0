"""The link on a ticket that a crew's phone follows: signed, expiring, good for one finding and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from pydantic import Field, ValidationError

from contracts.errors import NotAuthenticated
from contracts.geo import Frozen
from contracts.ids import FindingId

LIFETIME_S = 120 * 24 * 3600
"""A repair is due within months; a link that was found in a drawer a year later opens nothing."""
_PURPOSE = b"crew"


class CrewLink(Frozen):
    """What a link says."""

    finding_id: FindingId
    expires_at_s: int = Field(ge=0)


def issue(key: bytes, finding_id: str, *, from_s: float) -> str:
    """Return the token of a finding's link; the same finding and time give the same one."""
    link = CrewLink(finding_id=finding_id, expires_at_s=int(from_s) + LIFETIME_S)
    body = base64.urlsafe_b64encode(link.model_dump_json().encode()).rstrip(b"=").decode()
    return f"{body}.{_mac(key, body)}"


def read(key: bytes, token: str, *, now_s: float | None = None) -> CrewLink:
    """Return what a token says.

    Raises:
        NotAuthenticated: Forged, cut or expired.

    """
    body, _, mac = token.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(key, body).encode()):
        raise NotAuthenticated("This link is not valid.", hint="Scan the code on the ticket again.")
    try:
        link = CrewLink.model_validate_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValidationError, ValueError) as error:
        raise NotAuthenticated("This link is not valid.", hint="Scan the code on the ticket again.") from error
    if link.expires_at_s <= (time.time() if now_s is None else now_s):
        raise NotAuthenticated("This link has expired.", hint="Ask for a new one.")
    return link


def _mac(key: bytes, body: str) -> str:
    return hmac.new(key, _PURPOSE + b"\0" + body.encode(), hashlib.sha256).hexdigest()[:40]
