"""Workflow runs that are not about one finding."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("workflow_runs", sa.Column("subject", sa.Text(), nullable=True))
    op.create_index(op.f("ix_workflow_runs_subject"), "workflow_runs", ["subject"])


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_workflow_runs_subject"), "workflow_runs")
    op.drop_column("workflow_runs", "subject")
