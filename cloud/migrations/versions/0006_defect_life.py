"""A defect's life: links, absences, registrations of flights, people's edits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_json = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "defect_links",
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("distance_m", sa.Double(), nullable=True),
        sa.Column("previous_finding_id", sa.Text(), nullable=True),
        sa.Column("grown_mm", sa.Double(), nullable=True),
        sa.Column("grown_sigma_mm", sa.Double(), nullable=True),
        sa.Column("grown_mm2", sa.Double(), nullable=True),
        sa.Column("grown_since_first_mm", sa.Double(), nullable=True),
        sa.Column("since_first_sigma_mm", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.finding_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["flight_id"], ["flights.flight_id"]),
        sa.PrimaryKeyConstraint("finding_id"),
    )
    op.create_index(op.f("ix_defect_links_link_group"), "defect_links", ["link_group"])
    op.create_index(op.f("ix_defect_links_flight_id"), "defect_links", ["flight_id"])
    op.create_table(
        "defect_absences",
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen_share", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["flight_id"], ["flights.flight_id"]),
        sa.PrimaryKeyConstraint("link_group", "flight_id"),
    )
    op.create_index(op.f("ix_defect_absences_flight_id"), "defect_absences", ["flight_id"])
    op.create_table(
        "flight_registrations",
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("flights", _json, nullable=False),
        sa.Column("shift_m", _json, nullable=False),
        sa.Column("covariance_m2", _json, nullable=False),
        sa.ForeignKeyConstraint(["flight_id"], ["flights.flight_id"]),
        sa.PrimaryKeyConstraint("flight_id"),
    )
    op.create_table(
        "link_edits",
        sa.Column("edit_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("before", _json, nullable=False),
        sa.Column("after", _json, nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.asset_id"]),
        sa.PrimaryKeyConstraint("edit_id"),
    )
    op.create_index(op.f("ix_link_edits_asset_id"), "link_edits", ["asset_id"])


def downgrade() -> None:
    """Take back."""
    for table in ("link_edits", "flight_registrations", "defect_absences", "defect_links"):
        op.drop_table(table)
