"""Indexes that hold what the pages' filters ask for, so that counts are read from them alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
_LEFT = sa.text("reviewed_at IS NULL")
_COUNTED = ["asset_id", "severity_rank", "status", "reviewed_at"]


def upgrade() -> None:
    """Apply."""
    op.drop_index("findings_left", "findings")
    op.create_index(
        "findings_left", "findings", ["severity_rank", "status"],
        postgresql_include=["kind", "asset_id"], postgresql_where=_LEFT,
    )  # fmt: skip
    op.drop_index("findings_counted", "findings")
    op.create_index("findings_counted", "findings", ["detected_at"], postgresql_include=[*_COUNTED, "kind"])
    op.create_index(
        "flights_per_asset", "flights", ["asset_id", sa.text("created_at DESC")],
        postgresql_include=["flight_id", "state", "started_at"],
    )  # fmt: skip
    op.create_index(
        "defects_per_asset", "defects", ["asset_id"], postgresql_include=["link_group", "severity_rank", "status"]
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("defects_per_asset", "defects")
    op.drop_index("flights_per_asset", "flights")
    op.drop_index("findings_counted", "findings")
    op.create_index("findings_counted", "findings", ["detected_at"], postgresql_include=_COUNTED)
    op.drop_index("findings_left", "findings")
    op.create_index("findings_left", "findings", ["severity_rank", "status"], postgresql_where=_LEFT)
