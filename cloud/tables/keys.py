"""Keys that third parties hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class ApiKey(Base):
    """A key: ``prefix`` finds it, the hash proves it."""

    __tablename__ = "api_keys"
    key_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    scopes: Mapped[list[Any]]
    sites: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Ids of the only sites this key may see; null is all."""
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
