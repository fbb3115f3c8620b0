"""The last health report of a drone; certificates to be revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.add_column("drones", sa.Column("health", postgresql.JSONB(), nullable=True))
    op.add_column("drones", sa.Column("health_at", _time, nullable=True))
    op.create_table(
        "certificate_revocations",
        sa.Column("certificate_id", sa.Text(), nullable=False),
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("revoked_at", _time, nullable=True),
        sa.Column("refused", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["drone_id"], ["drones.drone_id"]),
        sa.PrimaryKeyConstraint("certificate_id"),
    )
    op.create_index("ix_certificate_revocations_drone_id", "certificate_revocations", ["drone_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("certificate_revocations")
    op.drop_column("drones", "health_at")
    op.drop_column("drones", "health")
