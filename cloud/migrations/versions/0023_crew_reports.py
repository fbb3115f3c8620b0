"""What crews say at the blade."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "crew_reports",
        sa.Column("report_id", sa.Text(), primary_key=True),
        sa.Column(
            "finding_id", sa.Text(), sa.ForeignKey("findings.finding_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at", _AT, nullable=False),
        sa.Column("measured_mm", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("received_at", _AT, server_default=sa.func.now(), nullable=False),
        sa.Column("photo_key", sa.Text(), server_default="", nullable=False),
        sa.Column("photo_sha256", sa.Text(), nullable=True),
        sa.Column("photo_taken_at", _AT, nullable=True),
        sa.Column("photo_time_from", sa.Text(), server_default="", nullable=False),
        sa.Column("attached_at", _AT, nullable=True),
    )
    op.create_index(op.f("ix_crew_reports_finding_id"), "crew_reports", ["finding_id"])
    op.create_index(op.f("ix_crew_reports_answer"), "crew_reports", ["answer"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("crew_reports")
