"""Who fetched a final report is told that it is not true any more; plans keep which stretch each part flies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0034"
branch_labels = None
depends_on = None
_AT = sa.DateTime(timezone=True)
_SAID = (
    "kind", "blade", "side", "distance_to_root_m", "place", "lat_deg", "lon_deg", "length_mm", "width_mm",
    "severity_rank", "action", "due_at", "status",
)  # fmt: skip
"""What of a finding a report's reader acts on."""
_CHANGED = " OR ".join(f"o.{column} IS DISTINCT FROM n.{column}" for column in _SAID)
# It only ever adds rows: writers of the same flight do not wait for each other.
_NOTE = f"""
CREATE FUNCTION note_report_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO report_changes (flight_id)
    SELECT DISTINCT flight_id FROM written JOIN final_reports USING (flight_id);
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO report_changes (flight_id)
    SELECT DISTINCT flight_id FROM gone JOIN final_reports USING (flight_id);
  ELSE
    INSERT INTO report_changes (flight_id)
    SELECT DISTINCT n.flight_id FROM written n JOIN gone o USING (finding_id)
    JOIN final_reports f ON f.flight_id = n.flight_id WHERE {_CHANGED};
  END IF;
  RETURN NULL;
END $$
"""
_TRIGGERS = {
    "INSERT": "NEW TABLE AS written",
    "UPDATE": "OLD TABLE AS gone NEW TABLE AS written",
    "DELETE": "OLD TABLE AS gone",
}


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "final_reports", sa.Column("heard", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    )
    op.add_column("plans", sa.Column("stretch", postgresql.JSONB()))
    op.create_table(
        "report_changes",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("at", _AT, nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "report_messages",
        sa.Column("message_id", sa.Text(), primary_key=True),
        sa.Column("flight_id", sa.Text(), sa.ForeignKey("flights.flight_id"), nullable=False),
        sa.Column("fetched_by", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("next_at", _AT),
        sa.Column("sent_at", _AT),
        sa.Column("error", sa.Text(), nullable=False, server_default=sa.text("''")),
    )
    op.create_index("ix_report_messages_flight_id", "report_messages", ["flight_id"])
    op.create_index(
        "report_messages_due", "report_messages", ["next_at"], postgresql_where=sa.text("next_at IS NOT NULL")
    )
    # What changed before there were notes is told as well.
    op.execute("INSERT INTO report_changes (flight_id) SELECT DISTINCT flight_id FROM final_reports")
    op.execute(_NOTE)
    for event, tables in _TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER findings_{event.lower()}_reports AFTER {event} ON findings REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION note_report_changes()"
        )


def downgrade() -> None:
    """Take back."""
    for event in _TRIGGERS:
        op.execute(f"DROP TRIGGER findings_{event.lower()}_reports ON findings")
    op.execute("DROP FUNCTION note_report_changes()")
    op.drop_table("report_messages")
    op.drop_table("report_changes")
    op.drop_column("plans", "stretch")
    op.drop_column("final_reports", "heard")
