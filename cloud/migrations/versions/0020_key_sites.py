"""API keys may be limited to sites."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("api_keys", sa.Column("sites", postgresql.JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("api_keys", "sites")
