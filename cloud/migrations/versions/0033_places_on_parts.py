"""Findings on towers, spans and pipes: their place, the error of their height, and what was seen of such parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("findings", sa.Column("place", postgresql.JSONB(), nullable=True))
    op.add_column("findings", sa.Column("le90_m", sa.Double(), nullable=True))
    op.create_table(
        "part_coverage",
        sa.Column("flight_id", sa.Text(), sa.ForeignKey("flights.flight_id"), primary_key=True),
        sa.Column("part", sa.Text(), primary_key=True),
        sa.Column("cell", sa.Integer(), primary_key=True),
        *(
            sa.Column(name, sa.Double(), nullable=False)
            for name in ("seen_share", "best_gsd_mm_px", "best_incidence_deg", "best_sharpness")
        ),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("part_coverage")
    op.drop_column("findings", "le90_m")
    op.drop_column("findings", "place")
