"""What follows from a finding: workflow runs, tickets, summaries, messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class WorkflowRun(Base):
    """One execution of a state machine. ``wanted`` until Step Functions has accepted it."""

    __tablename__ = "workflow_runs"
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str]
    finding_id: Mapped[str | None] = mapped_column(ForeignKey("findings.finding_id"), index=True)
    subject: Mapped[str | None] = mapped_column(index=True)
    """What it is about where that is no finding: a flight, a day."""
    state: Mapped[str] = mapped_column(index=True)
    """wanted | running | succeeded | failed"""
    arn: Mapped[str | None]
    error: Mapped[str] = mapped_column(default="")
    hint: Mapped[str] = mapped_column(default="")
    outage: Mapped[str] = mapped_column(server_default="")
    """Whose outage ended it, maintenance | platform; empty: something else did, and a person must look."""
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Ticket(Base):
    """A maintenance notification in the customer's system; at most one per link group and system."""

    __tablename__ = "tickets"
    ticket_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), unique=True)
    link_group: Mapped[str] = mapped_column(index=True)
    system: Mapped[str]
    number: Mapped[str | None]
    phase: Mapped[str] = mapped_column(default="")
    priority: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(default="")
    url: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    opened_at: Mapped[datetime | None]
    """When the number came back."""
    status: Mapped[str] = mapped_column(server_default="open")
    """open | closed | cancelled | missing: as the customer's system said last."""
    order_number: Mapped[str] = mapped_column(server_default="")
    """The maintenance order made of it, empty while there is none."""
    order_type: Mapped[str] = mapped_column(server_default="")
    """What kind of order the policy wants, empty for none."""
    completed_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the customer's system was last asked."""
    attached_at: Mapped[datetime | None]
    """When the evidence picture was attached, or there was none."""
    care_error: Mapped[str] = mapped_column(server_default="")
    """Why picture or order are still missing; tried again after ``care_after``."""
    care_after: Mapped[datetime | None]


class Summary(Base):
    """The drafted text about a finding, every sentence with its citations."""

    __tablename__ = "summaries"
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), primary_key=True)
    source: Mapped[str]
    """template | bedrock:<model id>"""
    sentences: Mapped[list[Any]]
    """[{"text": ..., "citations": [finding ids]}]"""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Notification(Base):
    """A message to people about a finding; one per finding and channel."""

    __tablename__ = "notifications"
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
