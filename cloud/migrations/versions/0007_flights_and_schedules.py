"""Flights carry on and are scheduled; due-date rules and events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "due_rules",
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("rule_id"),
    )
    op.create_table(
        "asset_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accessible_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["assets.asset_id"],
        ),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_asset_events_asset_id"), "asset_events", ["asset_id"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("schedule_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rrule", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("duration_min", sa.Integer(), nullable=False),
        sa.Column("lead_h", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("planned_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["assets.asset_id"],
        ),
        sa.ForeignKeyConstraint(
            ["drone_id"],
            ["drones.drone_id"],
        ),
        sa.PrimaryKeyConstraint("schedule_id"),
    )
    op.create_index(op.f("ix_schedules_asset_id"), "schedules", ["asset_id"], unique=False)
    op.create_index(op.f("ix_schedules_drone_id"), "schedules", ["drone_id"], unique=False)
    op.add_column(
        "assets",
        sa.Column("registered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("flights", sa.Column("resume_at", sa.Integer(), server_default="0", nullable=False))
    op.add_column("flights", sa.Column("continues", sa.Text(), nullable=True))
    op.add_column("flights", sa.Column("schedule_id", sa.Text(), nullable=True))
    op.add_column("flights", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "flights", sa.Column("consents", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.create_index(op.f("ix_flights_schedule_id"), "flights", ["schedule_id"], unique=False)
    op.create_unique_constraint("flights_schedule_id_due_at_key", "flights", ["schedule_id", "due_at"])


def downgrade() -> None:
    """Undo."""
    # WARNING: constraint name is None; this directive will fail as
    # rendered.  Add a name, or use a naming convention; see
    # https://alembic.sqlalchemy.org/en/latest/naming.html
    op.drop_constraint("flights_schedule_id_due_at_key", "flights", type_="unique")
    op.drop_index(op.f("ix_flights_schedule_id"), table_name="flights")
    op.drop_column("flights", "consents")
    op.drop_column("flights", "due_at")
    op.drop_column("flights", "schedule_id")
    op.drop_column("flights", "continues")
    op.drop_column("flights", "resume_at")
    op.drop_column("assets", "registered_at")
    op.drop_index(op.f("ix_schedules_drone_id"), table_name="schedules")
    op.drop_index(op.f("ix_schedules_asset_id"), table_name="schedules")
    op.drop_table("schedules")
    op.drop_index(op.f("ix_asset_events_asset_id"), table_name="asset_events")
    op.drop_table("asset_events")
    op.drop_table("due_rules")
