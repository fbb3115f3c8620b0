"""Repairs: crews, parts, forecasts, slots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "crews",
        sa.Column("crew_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("skills", postgresql.JSONB(), nullable=False),
        sa.Column("home_lat_deg", sa.Double(), nullable=False),
        sa.Column("home_lon_deg", sa.Double(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("shift_start", sa.Text(), nullable=False),
        sa.Column("shift_end", sa.Text(), nullable=False),
        sa.Column("weekdays", postgresql.JSONB(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "repair_parts",
        sa.Column("part", sa.Text(), primary_key=True),
        sa.Column("in_stock", sa.Integer(), nullable=False),
        sa.Column("more_at", _AT, nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_at", _AT, server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "wind_forecasts",
        sa.Column("site_id", sa.Text(), sa.ForeignKey("sites.site_id"), primary_key=True),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("given_at", _AT, server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "repair_slots",
        sa.Column("slot_id", sa.Text(), primary_key=True),
        sa.Column(
            "finding_id",
            sa.Text(),
            sa.ForeignKey("findings.finding_id", ondelete="CASCADE"),
            nullable=False,
            unique=True,
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("crew_id", sa.Text(), sa.ForeignKey("crews.crew_id"), nullable=True),
        sa.Column("starts_at", _AT, nullable=True),
        sa.Column("ends_at", _AT, nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("wind_known", sa.Boolean(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("created_at", _AT, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", _AT, server_default=sa.func.now(), nullable=False),
    )
    for column in ("state", "crew_id", "starts_at"):
        op.create_index(op.f(f"ix_repair_slots_{column}"), "repair_slots", [column])


def downgrade() -> None:
    """Take back."""
    for table in ("repair_slots", "wind_forecasts", "repair_parts", "crews"):
        op.drop_table(table)
