"""Indexes for what the pages ask of a long history: the latest finding of each defect, counts per asset, the desk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "findings_latest",
        "findings",
        ["link_group", sa.text("detected_at DESC"), "finding_id"],
        postgresql_include=["asset_id", "severity_rank", "status", "kind", "length_mm"],
    )
    op.create_index("findings_per_asset", "findings", ["asset_id", "status", "severity_rank"])
    op.create_index(
        "findings_to_judge",
        "findings",
        [sa.text("severity_rank DESC"), "asset_id", "blade", "distance_to_root_m"],
        postgresql_where=sa.text("reviewed_at IS NULL"),
    )


def downgrade() -> None:
    """Undo."""
    for name in ("findings_to_judge", "findings_per_asset", "findings_latest"):
        op.drop_index(name, "findings")
