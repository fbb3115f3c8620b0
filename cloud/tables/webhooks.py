"""What changed, in an order that readers can follow, and who is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Change(Base):
    """Something changed. Written with the change itself; kept a week.

    (``xact``, ``id``) is the order to read in: below the oldest running transaction nothing can come in between.
    """

    __tablename__ = "changes"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    xact: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    kind: Mapped[str]
    object_id: Mapped[str]
    told: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    """Whether webhooks have been given their deliveries."""
    __table_args__ = (
        Index("changes_order", "xact", "id"),
        Index("changes_untold", "id", postgresql_where=text("NOT told")),
    )


class Webhook(Base):
    """An address that is told of changes."""

    __tablename__ = "webhooks"
    webhook_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[Any]]
    min_rank: Mapped[int | None]
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    """Signs too until ``old_secret_until``, so that receivers can change over in their own time."""
    old_secret_until: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str] = mapped_column(default="")
    failing_since: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sites: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Ids of the sites that whoever added it might see; it is told of no other. Null is all."""


class Delivery(Base):
    """One message to one webhook, and what became of it."""

    __tablename__ = "webhook_deliveries"
    delivery_id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.webhook_id", ondelete="CASCADE"), index=True)
    event: Mapped[str]
    body: Mapped[str]
    """The very bytes that are signed and sent, each time the same."""
    state: Mapped[str] = mapped_column(default="pending")
    """pending | delivered | failed"""
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status: Mapped[int | None]
    error: Mapped[str] = mapped_column(default="")
    took_ms: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    delivered_at: Mapped[datetime | None]
    __table_args__ = (Index("webhook_deliveries_due", "next_at", postgresql_where=text("state = 'pending'")),)
