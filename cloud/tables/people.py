"""Who may do what: the built-in issuer's people, and the record of what they changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class User(Base):
    """A person or program of the built-in issuer."""

    __tablename__ = "users"
    username: Mapped[str] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    password_hash: Mapped[str]
    roles: Mapped[list[Any]]
    disabled: Mapped[bool] = mapped_column(default=False)
    sites: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Ids of the only sites this user may see; null is all."""


class Audit(Base):
    """Who did what to what, before and after."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    actor: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
