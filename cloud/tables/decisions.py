"""What people are asked before a notification is opened, and what they said."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class TicketDecision(Base):
    """One question to a person: whether a notification may be opened for a finding.

    It outlives the finding (merged into another one) and the execution that waits: both may be gone by then.
    """

    __tablename__ = "ticket_decisions"
    decision_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(index=True)
    execution_name: Mapped[str]
    token: Mapped[str]
    """Of the waiting task; replaced when another run asks the same question."""
    because: Mapped[str]
    """Why a person is asked."""
    state: Mapped[str] = mapped_column(index=True)
    """waiting | approved | rejected | expired | withdrawn"""
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    on_silence: Mapped[str]
    """open | fail: what follows when nobody answers in time."""
    answered_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
    told_at: Mapped[datetime | None]
    """When the waiting task was given the answer."""
    __table_args__ = (
        Index("ticket_decisions_one_waiting", "finding_id", unique=True, postgresql_where=text("state = 'waiting'")),
    )
