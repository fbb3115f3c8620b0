"""Who fetched a final report is told too where coverage changed or a place waits for a person, in their language.

What was fetched before says nothing of coverage; it is compared from the next fetch on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
_KEYS = {"coverage": "flight_id, blade, side, cell", "part_coverage": "flight_id, part, cell"}
_NOTE = "INSERT INTO report_changes (flight_id) SELECT DISTINCT flight_id FROM"
_REPORTED = "JOIN final_reports USING (flight_id)"
_OF_MEDIA = f"JOIN media USING (segment_id) {_REPORTED}"
_BOTH = "(SELECT n.*, o.{0} AS was FROM written n JOIN gone o USING ({1})) c"
_ON = {
    **{
        table: {
            "INSERT": f"written {_REPORTED}",
            "UPDATE": f"{_BOTH.format('seen_share', keys)} {_REPORTED} WHERE seen_share IS DISTINCT FROM was",
            "DELETE": f"gone {_REPORTED}",
        }
        for table, keys in _KEYS.items()
    },
    "detections": {
        "INSERT": f"written {_OF_MEDIA} WHERE finding_id IS NULL",
        "UPDATE": f"{_BOTH.format('finding_id', 'detection_id')} {_OF_MEDIA} WHERE (finding_id IS NULL) <> (was IS NULL)",
        "DELETE": f"gone {_OF_MEDIA} WHERE finding_id IS NULL",
    },
    "assets": {
        "UPDATE": f"{_BOTH.format('geometry', 'asset_id')} JOIN flights USING (asset_id) {_REPORTED}"
        " WHERE geometry IS DISTINCT FROM was",
    },
}
"""What notes which flights, by table and event; each only ever adds rows, so that no writer waits for another."""
_TABLES = {
    "INSERT": "NEW TABLE AS written",
    "UPDATE": "OLD TABLE AS gone NEW TABLE AS written",
    "DELETE": "OLD TABLE AS gone",
}


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "final_reports", sa.Column("coverage", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    )
    op.add_column("final_reports", sa.Column("language", sa.Text(), nullable=False, server_default="en"))
    for table, events in _ON.items():
        for event, rows in events.items():
            name = f"{table}_{event.lower()}_reports"
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" BEGIN {_NOTE} {rows}; RETURN NULL; END $$"
            )
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {_TABLES[event]}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            )


def downgrade() -> None:
    """Take back."""
    for table, events in _ON.items():
        for event in events:
            op.execute(f"DROP FUNCTION {table}_{event.lower()}_reports() CASCADE")
    op.drop_column("final_reports", "language")
    op.drop_column("final_reports", "coverage")
