"""What crews saw besides; versions of the detector, trained on what people judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.add_column("crew_reports", sa.Column("others", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "detector_versions",
        sa.Column("version", sa.Text(), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("wanted_by", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, server_default=sa.func.now(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=True),
        sa.Column("evaluation", postgresql.JSONB(), nullable=True),
        sa.Column("objections", postgresql.JSONB(), nullable=True),
        sa.Column("execution_name", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.Text(), server_default="", nullable=False),
        sa.Column("expires_at", _AT, nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_at", _AT, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("told_at", _AT, nullable=True),
        sa.Column("promoted_at", _AT, nullable=True),
    )
    op.create_index(op.f("ix_detector_versions_state"), "detector_versions", ["state"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("detector_versions")
    op.drop_column("crew_reports", "others")
