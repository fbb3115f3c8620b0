"""/v1/keys: API keys for third parties."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from cloud import keys, scopes
from cloud.moments import Moment
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Admin
from cloud.tables import ApiKey
from contracts.geo import Frozen
from contracts.ids import SiteId

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=RESPONSES)

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,38}:(read|write)$")]


class KeyIn(Frozen):
    """Who gets a key, for what, until when."""

    name: str = Field(min_length=1, max_length=120, examples=["Weather service"])
    scopes: list[Scope] = Field(min_length=1, max_length=60, examples=[["flights:read", "telemetry:read"]])
    sites: list[SiteId] | None = Field(
        default=None, min_length=1, max_length=200, description="the only sites it sees", examples=[["north"]]
    )
    expires_at: Moment | None = Field(default=None, examples=["2027-12-31T00:00:00Z"])


class KeyOut(BaseModel):
    """A key as administrators see it: ``prefix`` recognises it, the secret is not kept."""

    model_config = ConfigDict(from_attributes=True)

    key_id: str
    name: str
    prefix: str = Field(examples=["ksk_0badcafe42"])
    scopes: list[str]
    sites: list[str] | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class KeyMade(KeyOut):
    """A new key. ``key`` is shown here and never again."""

    key: str


@router.post("", status_code=201)
def add_key(body: KeyIn, request: Request, session: UnitOfWork, principal: Admin) -> KeyMade:
    """Make a key. There is no idempotency key here: its answer holds a secret, and secrets are not kept."""
    granted = scopes.validate(body.scopes, request.app.openapi()["paths"])
    if body.sites is not None:
        scopes.refuse_platform_wide(granted)
    row, text = keys.create(
        session,
        name=body.name,
        scopes=granted,
        expires_at=body.expires_at,
        by=principal.username,
        sites=None if body.sites is None else list(body.sites),
    )
    return KeyMade(**keys.shown(row), key=text)


@router.get("")
def list_keys(session: UnitOfWork, _: Admin, limit: Limit = 50, cursor: Cursor = None) -> Page[KeyOut]:
    """List keys, newest first, the ended ones too."""
    query = select(ApiKey).order_by(ApiKey.key_id.desc()).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(ApiKey.key_id < after[0]) if after else query).all()
    return page_of(rows, limit, KeyOut.model_validate, lambda row: (row.key_id,))


@router.get("/{key_id}")
def get_key(key_id: str, session: UnitOfWork, _: Admin) -> KeyOut:
    """Return one key."""
    return KeyOut.model_validate(keys.key(session, key_id))


@router.delete("/{key_id}")
def revoke_key(key_id: str, session: UnitOfWork, principal: Admin) -> KeyOut:
    """End a key at once; it stays listed, with the time."""
    return KeyOut.model_validate(keys.revoke(session, key_id, principal.username))
