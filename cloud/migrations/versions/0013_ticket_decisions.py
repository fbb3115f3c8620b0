"""Questions before a notification is opened, and a ticket's life in the customer's system."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "ticket_decisions",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("execution_name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", _time, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", _time, nullable=False),
        sa.Column("on_silence", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_at", _time, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("told_at", _time, nullable=True),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index(op.f("ix_ticket_decisions_finding_id"), "ticket_decisions", ["finding_id"])
    op.create_index(op.f("ix_ticket_decisions_state"), "ticket_decisions", ["state"])
    op.create_index(
        "ticket_decisions_one_waiting",
        "ticket_decisions",
        ["finding_id"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.add_column("tickets", sa.Column("status", sa.Text(), server_default="open", nullable=False))
    op.add_column("tickets", sa.Column("order_number", sa.Text(), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("completed_at", _time, nullable=True))
    op.add_column("tickets", sa.Column("checked_at", _time, nullable=True))
    op.create_index(op.f("ix_tickets_checked_at"), "tickets", ["checked_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_tickets_checked_at"), "tickets")
    for column in ("checked_at", "completed_at", "order_number", "status"):
        op.drop_column("tickets", column)
    op.drop_table("ticket_decisions")
