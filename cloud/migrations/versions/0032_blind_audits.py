"""Blind audits: sampled frames, what people say of them, what they mark."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_frames",
        sa.Column("frame_id", sa.Text(), primary_key=True),
        sa.Column("segment_id", sa.Text(), sa.ForeignKey("media.segment_id"), nullable=False),
        sa.Column("flight_id", sa.Text(), sa.ForeignKey("flights.flight_id"), nullable=False),
        sa.Column("asset_id", sa.Text(), sa.ForeignKey("assets.asset_id"), nullable=False),
        sa.Column("captured_at", _AT, nullable=False),
        sa.Column("draw", sa.Double(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("model_sha256", sa.Text(), nullable=False),
        sa.Column("record", postgresql.JSONB(), nullable=False),
    )
    for name in ("segment_id", "flight_id", "asset_id"):
        op.create_index(op.f(f"ix_audit_frames_{name}"), "audit_frames", [name])
    op.create_table(
        "audit_answers",
        sa.Column("answer_id", sa.Text(), primary_key=True),
        sa.Column("frame_id", sa.Text(), sa.ForeignKey("audit_frames.frame_id"), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answered_at", _AT, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.UniqueConstraint("frame_id", "answered_by"),
    )
    op.create_index(op.f("ix_audit_answers_frame_id"), "audit_answers", ["frame_id"])
    op.create_table(
        "audit_marks",
        sa.Column("mark_id", sa.Text(), primary_key=True),
        sa.Column(
            "answer_id", sa.Text(), sa.ForeignKey("audit_answers.answer_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
    )
    op.create_index(op.f("ix_audit_marks_answer_id"), "audit_marks", ["answer_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("audit_marks")
    op.drop_table("audit_answers")
    op.drop_table("audit_frames")
