"""Quarantine of drones, requests counted by asker, security events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    when = sa.DateTime(timezone=True)
    op.add_column("drones", sa.Column("quarantined_at", when, nullable=True))
    op.add_column("drones", sa.Column("quarantine_reason", sa.Text(), server_default="", nullable=False))
    op.add_column("drones", sa.Column("shut_out_at", when, nullable=True))
    op.create_table(
        "api_activity",
        sa.Column("minute", when, nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "asker", "outcome"),
    )
    op.create_table(
        "security_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", when, server_default=sa.func.now(), nullable=False),
        sa.Column("last_at", when, server_default=sa.func.now(), nullable=False),
        sa.Column("told_at", when, nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("closed_at", when, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_security_events_state"), "security_events", ["state"])
    op.create_index(op.f("ix_security_events_first_at"), "security_events", ["first_at"])
    op.create_index(
        "security_events_one_open",
        "security_events",
        ["rule", "subject_kind", "subject"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("security_events")
    op.drop_table("api_activity")
    for column in ("shut_out_at", "quarantine_reason", "quarantined_at"):
        op.drop_column("drones", column)
