"""What final reports said to whom, and who is told that they are not true any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class FinalReport(Base):
    """What the last final report of a flight that somebody fetched said (`cloud.reporting.signed`)."""

    __tablename__ = "final_reports"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    fetched_by: Mapped[str] = mapped_column(primary_key=True)
    fetched_at: Mapped[datetime]
    told: Mapped[dict[str, Any]]
    """Finding -> what was said of it."""
    coverage: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What was not seen (`cloud.coverage.not_seen`); empty: of before 0038, and not compared."""
    language: Mapped[str] = mapped_column(server_default="en")
    """What whoever fetched it reads pages in."""
    heard: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What is said instead, as whoever fetched it was told last: by finding, as ``coverage`` and as ``unsure``; empty:
    of no change."""


class ReportChange(Base):
    """A trigger's note that something in a flight with final reports is not as it was."""

    __tablename__ = "report_changes"
    change_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    flight_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReportMessage(Base):
    """One message to somebody whose final report is not true any more."""

    __tablename__ = "report_messages"
    message_id: Mapped[str] = mapped_column(primary_key=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    fetched_by: Mapped[str]
    channel: Mapped[str]
    address: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    """When it is sent, or sent again; none once it was, or never will be."""
    sent_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(server_default=text("''"))
    """Why it did not go out, the last time."""
    __table_args__ = (Index("report_messages_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),)
