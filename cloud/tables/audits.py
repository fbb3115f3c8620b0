"""Blind audits: frames drawn at random, what people saw on them without knowing what the detector had."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class AuditFrameRow(Base):
    """A frame of a segment's sample; which of them are the flight's own sample follows from all their numbers."""

    __tablename__ = "audit_frames"
    frame_id: Mapped[str] = mapped_column(primary_key=True)
    """<segment id>-<six digits>"""
    segment_id: Mapped[str] = mapped_column(ForeignKey("media.segment_id"), index=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    captured_at: Mapped[datetime]
    draw: Mapped[float]
    share: Mapped[float]
    model_sha256: Mapped[str]
    record: Mapped[dict[str, Any]]
    """contracts.findings.AuditFrame"""


class AuditAnswer(Base):
    """What one person said of one frame: marked, nothing or unclear."""

    __tablename__ = "audit_answers"
    answer_id: Mapped[str] = mapped_column(primary_key=True)
    frame_id: Mapped[str] = mapped_column(ForeignKey("audit_frames.frame_id"), index=True)
    answered_by: Mapped[str]
    answered_at: Mapped[datetime]
    verdict: Mapped[str]
    __table_args__ = (UniqueConstraint("frame_id", "answered_by"),)


class AuditMark(Base):
    """A defect that a person saw on a frame, placed on the asset where the rectangle meets it."""

    __tablename__ = "audit_marks"
    mark_id: Mapped[str] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(ForeignKey("audit_answers.answer_id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    """contracts.findings.Detection, as if a detector had it: so it can be matched, and become a finding."""


class BlindFlightRow(Base):
    """What the marks on a flight come to: folded from marks and detections (`cloud.blind.kept`)."""

    __tablename__ = "blind_flights"
    flight_id: Mapped[str] = mapped_column(primary_key=True)
    marks: Mapped[int]
    by_kind: Mapped[dict[str, Any]]
    """Kind of defect -> [missed, marked]."""


class BlindChange(Base):
    """A flight of whose marks, frames or detections any changed since its row was folded; triggers add these."""

    __tablename__ = "blind_changes"
    change_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    flight_id: Mapped[str] = mapped_column(index=True)
