"""Parts of assets, zones of sites, plans in several flights.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "components",
        sa.Column("component_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("functional_location", sa.Text(), nullable=False),
        sa.Column("place", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"]),
        sa.ForeignKeyConstraint(["parent_id"], ["components.component_id"]),
        sa.PrimaryKeyConstraint("component_id"),
        sa.UniqueConstraint("asset_id", "external_id"),
    )
    op.create_index("ix_components_asset_id", "components", ["asset_id"])
    op.create_table(
        "site_zones",
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"]),
        sa.PrimaryKeyConstraint("zone_id"),
    )
    op.create_index("ix_site_zones_site_id", "site_zones", ["site_id"])
    op.add_column("plans", sa.Column("series_id", sa.Text(), nullable=True))
    op.add_column("plans", sa.Column("part", sa.Integer(), server_default="1", nullable=False))
    op.add_column("plans", sa.Column("parts", sa.Integer(), server_default="1", nullable=False))
    op.create_index("ix_plans_series_id", "plans", ["series_id"])


def downgrade() -> None:
    op.drop_index("ix_plans_series_id", "plans")
    for name in ("parts", "part", "series_id"):
        op.drop_column("plans", name)
    op.drop_table("site_zones")
    op.drop_table("components")
