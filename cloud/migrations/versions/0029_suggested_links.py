"""Links that are only suggested, and records that a later flight joined."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("defect_links", sa.Column("joined_from", sa.Text()))
    op.add_column("defect_links", sa.Column("joined_by", sa.Text(), sa.ForeignKey("flights.flight_id")))
    op.create_table(
        "link_suggestions",
        sa.Column("finding_id", sa.Text(), sa.ForeignKey("findings.finding_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("flight_id", sa.Text(), sa.ForeignKey("flights.flight_id"), nullable=False),
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("others", postgresql.JSONB(), nullable=False),
    )
    op.create_index("ix_link_suggestions_flight_id", "link_suggestions", ["flight_id"])
    op.create_index("ix_link_suggestions_link_group", "link_suggestions", ["link_group"])


def downgrade() -> None:
    """Undo; links that were joined stay as they are."""
    op.drop_table("link_suggestions")
    op.drop_column("defect_links", "joined_by")
    op.drop_column("defect_links", "joined_from")
