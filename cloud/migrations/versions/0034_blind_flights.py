"""What blind marks come to, kept by flight; triggers note which flights changed. What final reports said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
_FLIGHT_OF = {
    "audit_frames": "SELECT c.flight_id FROM {rows} c",
    "audit_answers": "SELECT f.flight_id FROM {rows} c JOIN audit_frames f ON f.frame_id = c.frame_id",
    "audit_marks": "SELECT f.flight_id FROM {rows} c JOIN audit_answers a ON a.answer_id = c.answer_id"
    " JOIN audit_frames f ON f.frame_id = a.frame_id",
    "detections": "SELECT m.flight_id FROM {rows} c JOIN media m ON m.segment_id = c.segment_id",
}
"""How the flights of a table's changed rows are found."""
_ROWS = {
    "INSERT": ("NEW TABLE AS written", ("written",)),
    "UPDATE": ("OLD TABLE AS gone NEW TABLE AS written", ("gone", "written")),
    "DELETE": ("OLD TABLE AS gone", ("gone",)),
}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "blind_flights",
        sa.Column("flight_id", sa.Text(), primary_key=True),
        sa.Column("marks", sa.Integer(), nullable=False),
        sa.Column("by_kind", postgresql.JSONB(), nullable=False),
    )
    op.create_table(
        "blind_changes",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("flight_id", sa.Text(), nullable=False),
    )
    op.create_index(op.f("ix_blind_changes_flight_id"), "blind_changes", ["flight_id"])
    op.execute(
        "INSERT INTO blind_changes (flight_id) SELECT DISTINCT f.flight_id FROM audit_frames f"
        " JOIN audit_answers a ON a.frame_id = f.frame_id"
    )
    op.create_table(
        "final_reports",
        sa.Column("flight_id", sa.Text(), sa.ForeignKey("flights.flight_id"), primary_key=True),
        sa.Column("fetched_by", sa.Text(), primary_key=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", postgresql.JSONB(), nullable=False),
    )
    for table, flights in _FLIGHT_OF.items():
        for event, (tables, rows) in _ROWS.items():
            name = f"note_{table}_{event.lower()}"
            found = " UNION ".join(flights.format(rows=one) for one in rows)
            # It only ever adds rows: writers of the same flight do not wait for each other.
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" INSERT INTO blind_changes (flight_id) SELECT DISTINCT flight_id FROM ({found}) changed;"
                " RETURN NULL; END $$"
            )
            op.execute(
                f"CREATE TRIGGER {table}_{event.lower()}_blind AFTER {event} ON {table} REFERENCING {tables}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            )


def downgrade() -> None:
    """Take back."""
    for table in _FLIGHT_OF:
        for event in _ROWS:
            op.execute(f"DROP TRIGGER {table}_{event.lower()}_blind ON {table}")
            op.execute(f"DROP FUNCTION note_{table}_{event.lower()}()")
    op.drop_table("final_reports")
    op.drop_table("blind_changes")
    op.drop_table("blind_flights")
