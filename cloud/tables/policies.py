"""Severity policies: versioned rows; one is active per kind of asset."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class PolicyRow(Base):
    """One version of a policy as its author wrote it. A version never changes; a new text is a new version."""

    __tablename__ = "policies"
    version: Mapped[str] = mapped_column(primary_key=True)
    scheme: Mapped[str]
    asset_kinds: Mapped[list[Any]]
    customer: Mapped[str] = mapped_column(default="")
    body: Mapped[str]
    """The YAML text."""
    state: Mapped[str] = mapped_column(index=True)
    """draft | active | retired"""
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    approved_by: Mapped[str | None]
    activated_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
