"""Indexes for the calendar (what is due within a month) and for the counts over the review desk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("findings_due", "findings", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(
        "findings_left", "findings", ["severity_rank", "status"], postgresql_where=sa.text("reviewed_at IS NULL")
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("findings_left", "findings")
    op.drop_index("findings_due", "findings")
