"""API keys of third parties: shown once, kept as a hash, limited to scopes, ended by date or by hand."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from cloud import audit
from cloud.tables import ApiKey, Site
from contracts.errors import InvalidInput, NotAuthenticated, NotFound
from contracts.ids import mint

PREFIX = "ksk_"
_SECRET_BYTES = 32
_USED_EVERY = timedelta(minutes=1)


def create(
    session: Session,
    *,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    by: str,
    sites: list[str] | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key's row and its text, which nobody can read again; ``sites`` are all that it sees, None is all.

    Raises:
        InvalidInput: It would have expired already, or one of its sites does not exist.

    """
    for site_id in sites or ():
        if session.get(Site, site_id) is None:
            raise InvalidInput(f"No site {site_id!r}.", hint="List them with GET /v1/sites.", field="sites")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidInput("`expires_at` lies in the past.", hint="Give a later time, or none.", field="expires_at")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    prefix = f"{PREFIX}{secrets.token_hex(5)}"
    row = ApiKey(
        key_id=mint("key"),
        name=name,
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=list(scopes),
        sites=None if sites is None else sorted(set(sites)),
        expires_at=expires_at,
        created_by=by,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(session, by, "key.create", row.key_id, after={"name": name, "scopes": scopes, "sites": row.sites})
    return row, f"{prefix}_{secret}"


def key(session: Session, key_id: str) -> ApiKey:
    """Return a key's row; NotFound when there is none."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound(f"No API key {key_id!r}.", hint="List them with GET /v1/keys.")
    return row


def revoke(session: Session, key_id: str, by: str) -> ApiKey:
    """End a key, at once and for good; again is harmless."""
    row = key(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = datetime.now(UTC)
        audit.record(session, by, "key.revoke", key_id, before={"name": row.name})
    return row


def verify(session: Session, text: str) -> ApiKey:
    """Return the row of a key that is known, unexpired and not revoked; notes that it was used.

    Raises:
        NotAuthenticated: It is none of ours, or it has ended; which of them is said only to who holds the secret.

    """
    prefix, secret = text[: len(PREFIX) + 10], text[len(PREFIX) + 11 :]
    row = session.query(ApiKey).filter(ApiKey.prefix == prefix).one_or_none()
    digest = _digest(secret)
    if row is None or not hmac.compare_digest(row.secret_sha256, digest):
        raise NotAuthenticated("This API key is not known.", hint="Ask an administrator for one.")
    now = datetime.now(UTC)
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise NotAuthenticated(f"The API key {row.prefix} has ended.", hint="Ask an administrator for a new one.")
    if row.last_used_at is None or now - row.last_used_at > _USED_EVERY:
        row.last_used_at = now
    return row


def shown(row: ApiKey) -> dict[str, Any]:
    """Return what people may see of a key: everything but the secret."""
    names = ("key_id", "name", "prefix", "scopes", "sites", "created_by", "created_at", "expires_at", "revoked_at")
    return {name: getattr(row, name) for name in names} | {"last_used_at": row.last_used_at}


def _digest(secret: str) -> str:
    """SHA-256 suffices for 256 random bits; slow hashes are for what people can remember."""
    return hashlib.sha256(secret.encode()).hexdigest()
