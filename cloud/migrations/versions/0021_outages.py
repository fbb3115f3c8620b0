"""Runs know whose outage ended them; repairs know which calendar entry their ticket has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; runs that failed before are told by their text, as they were until now."""
    op.add_column("workflow_runs", sa.Column("outage", sa.Text(), server_default="", nullable=False))
    op.execute(
        "UPDATE workflow_runs SET outage = CASE WHEN error LIKE '%ticket%' THEN 'maintenance' ELSE 'platform' END "
        "WHERE state = 'failed' AND error LIKE '%Unavailable%'"
    )
    op.add_column("repair_slots", sa.Column("attached_sequence", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("repair_slots", "attached_sequence")
    op.drop_column("workflow_runs", "outage")
