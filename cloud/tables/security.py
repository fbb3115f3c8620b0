"""What the platform notices of those who use it, and what it concludes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class ApiActivity(Base):
    """How many requests of one asker ended how in one minute; kept for eight days."""

    __tablename__ = "api_activity"
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    asker: Mapped[str] = mapped_column(primary_key=True)
    """A user, an API key, or the address of somebody who could not say who they are."""
    outcome: Mapped[str] = mapped_column(primary_key=True)
    """answered | unauthenticated | forbidden | not_found | limited"""
    requests: Mapped[int]


class SecurityEvent(Base):
    """Something that a person responsible for security must look at; one open event per rule and subject."""

    __tablename__ = "security_events"
    event_id: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str]
    subject_kind: Mapped[str]
    """drone | asker"""
    subject: Mapped[str]
    summary: Mapped[str]
    facts: Mapped[dict[str, Any]]
    """The numbers behind the last occurrence."""
    state: Mapped[str] = mapped_column(default="open", index=True)
    """open | closed"""
    times: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    last_at: Mapped[datetime] = mapped_column(server_default=func.now())
    told_at: Mapped[datetime | None]
    """When the people on call had been told."""
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    __table_args__ = (
        Index(
            "security_events_one_open",
            "rule", "subject_kind", "subject",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
    )  # fmt: skip
