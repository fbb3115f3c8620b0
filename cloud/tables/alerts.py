"""What people on call are told, and whether they answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Alert(Base):
    """One thing people must know of. It outlives a finding that is merged into another."""

    __tablename__ = "alerts"
    alert_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(index=True)
    rank: Mapped[int]
    subject: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    """open | acknowledged | closed | unanswered"""
    round: Mapped[int] = mapped_column(default=0)
    """How many rounds of messages went out."""
    next_at: Mapped[datetime | None]
    """When the next round is due; none after the last."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    acknowledged_by: Mapped[str | None]
    acknowledged_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(default="")
    """Why the last message did not go out."""
    __table_args__ = (Index("alerts_due", "next_at", postgresql_where=text("state = 'open'")),)


class AlertMessage(Base):
    """One message of a round to one recipient; several alerts share one message in a digest."""

    __tablename__ = "alert_messages"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id", ondelete="CASCADE"))
    round: Mapped[int]
    person: Mapped[str]
    channel: Mapped[str]
    address: Mapped[str]
    message_id: Mapped[str] = mapped_column(default="")
    digest: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(default="")
    """Why this recipient cannot be reached at all; empty when the message went out."""
    sent_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("alert_id", "round", "channel", "address"),
        Index("alert_messages_recent", "channel", "address", "sent_at"),
    )
