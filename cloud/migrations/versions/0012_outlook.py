"""Predictions, risks and health."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_json = postgresql.JSONB(astext_type=sa.Text())
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "predictions",
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("made_at", _time, nullable=False),
        sa.Column("too_little", sa.Text(), nullable=False),
        sa.Column("length_mm", sa.Double(), nullable=True),
        sa.Column("length_low_mm", sa.Double(), nullable=True),
        sa.Column("length_high_mm", sa.Double(), nullable=True),
        sa.Column("next_rank", sa.Integer(), nullable=True),
        sa.Column("next_from_mm", sa.Double(), nullable=True),
        sa.Column("chance_180_days", sa.Double(), nullable=True),
        sa.Column("chance_365_days", sa.Double(), nullable=True),
        sa.Column("critical_365_days", sa.Double(), nullable=True),
        sa.Column("life_days", sa.Double(), nullable=True),
        sa.Column("life_low_days", sa.Double(), nullable=True),
        sa.Column("life_high_days", sa.Double(), nullable=True),
        sa.Column("model", _json, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"]),
        sa.PrimaryKeyConstraint("link_group"),
    )
    op.create_index(op.f("ix_predictions_asset_id"), "predictions", ["asset_id"])
    op.create_table(
        "asset_risks",
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("made_at", _time, nullable=False),
        sa.Column("chance_365_days", sa.Double(), nullable=False),
        sa.Column("inspect_by", _time, nullable=False),
        sa.Column("because", _json, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"]),
        sa.PrimaryKeyConstraint("asset_id"),
    )
    op.create_table(
        "health",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("index", sa.Double(), nullable=False),
        sa.Column("derivation", _json, nullable=False),
        sa.Column("made_at", _time, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("scope", "subject", "day"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("health", "asset_risks", "predictions"):
        op.drop_table(table)
