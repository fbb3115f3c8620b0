"""Pictures and orders of tickets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply. Tickets of before are left as they are in the customer's system: they count as attached."""
    op.add_column("tickets", sa.Column("order_type", sa.Text(), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("attached_at", _time, nullable=True))
    op.add_column("tickets", sa.Column("care_error", sa.Text(), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("care_after", _time, nullable=True))
    op.execute("UPDATE tickets SET attached_at = now()")


def downgrade() -> None:
    """Take back."""
    for column in ("care_after", "care_error", "attached_at", "order_type"):
        op.drop_column("tickets", column)
