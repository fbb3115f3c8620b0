"""What the assistant was asked and said, and what it proposed that a person should do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Transcript(Base):
    """One question and its answer, secrets and addresses of people taken out; also what it cost."""

    __tablename__ = "assistant_transcripts"
    transcript_id: Mapped[str] = mapped_column(primary_key=True)
    asked_by: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    channel: Mapped[str]
    """page | api | mcp | cli"""
    question: Mapped[str]
    answered: Mapped[bool]
    source: Mapped[str]
    """planner | bedrock:<model id>"""
    sentences: Mapped[list[Any]]
    removed: Mapped[list[Any]]
    steps: Mapped[list[Any]]
    """[{"id", "tool", "parameters"}] as they ran."""
    reason: Mapped[str] = mapped_column(default="")
    elapsed_ms: Mapped[float]
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_usd: Mapped[float] = mapped_column(default=0.0)
    __table_args__ = (Index("assistant_transcripts_asked", "asked_by", "asked_at"),)


class Proposal(Base):
    """Something the assistant thinks a person could do: a form. Nothing happens until a person confirms it."""

    __tablename__ = "assistant_proposals"
    proposal_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """open_ticket | schedule_flight | change_grade"""
    parameters: Mapped[dict[str, Any]]
    why: Mapped[str] = mapped_column(default="")
    proposed_for: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="open")
    """open | confirmed | declined"""
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    __table_args__ = (Index("assistant_proposals_for", "proposed_for", "state"),)
