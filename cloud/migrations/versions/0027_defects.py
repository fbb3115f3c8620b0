"""Every defect as its latest finding says, kept beside the findings; indexes for the counts of Insights and coverage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
_AT = sa.DateTime(timezone=True)
_SAID = ("link_group", "asset_id", "kind", "severity_rank", "status", "length_mm", "detected_at")
"""What of a finding a row of ``defects`` is made of."""
_CHANGED = " OR ".join(f"o.{column} IS DISTINCT FROM n.{column}" for column in _SAID)
# It only ever adds rows: writers of the same defect do not wait for each other, and cannot lock each other out.
_NOTE = f"""
CREATE FUNCTION note_defect_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO defect_changes (link_group, asset_id) SELECT DISTINCT link_group, asset_id FROM written;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO defect_changes (link_group, asset_id) SELECT DISTINCT link_group, asset_id FROM gone;
  ELSE
    INSERT INTO defect_changes (link_group, asset_id)
    SELECT n.link_group, n.asset_id FROM written n JOIN gone o USING (finding_id) WHERE {_CHANGED}
    UNION
    SELECT o.link_group, o.asset_id FROM written n JOIN gone o USING (finding_id) WHERE {_CHANGED};
  END IF;
  RETURN NULL;
END $$
"""
_TRIGGERS = {
    "INSERT": "NEW TABLE AS written",
    "UPDATE": "OLD TABLE AS gone NEW TABLE AS written",
    "DELETE": "OLD TABLE AS gone",
}
_FILL = """
INSERT INTO defects
SELECT DISTINCT ON (link_group) link_group, finding_id, asset_id, kind, severity_rank, status, length_mm, detected_at,
  min(detected_at) OVER (PARTITION BY link_group)
FROM findings WHERE status <> 'rejected' ORDER BY link_group, detected_at DESC, finding_id
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "defects",
        sa.Column("link_group", sa.Text(), primary_key=True),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("length_mm", sa.Double(), nullable=False),
        sa.Column("last_seen_at", _AT, nullable=False),
        sa.Column("first_seen_at", _AT, nullable=False),
    )
    op.create_table(
        "defect_changes",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
    )
    op.create_index("ix_defect_changes_link_group", "defect_changes", ["link_group"])
    op.execute(_FILL)
    op.execute(_NOTE)
    for event, tables in _TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER findings_{event.lower()}_defects AFTER {event} ON findings REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION note_defect_changes()"
        )
    op.create_index(
        "findings_counted", "findings", ["detected_at"],
        postgresql_include=["asset_id", "severity_rank", "status", "reviewed_at"],
    )  # fmt: skip
    op.drop_index("ix_findings_detected_at", "findings")
    op.create_index("coverage_seen", "coverage", ["flight_id"], postgresql_where=sa.text("seen_share >= 0.8"))


def downgrade() -> None:
    """Undo."""
    op.drop_index("coverage_seen", "coverage")
    op.create_index("ix_findings_detected_at", "findings", ["detected_at"])
    op.drop_index("findings_counted", "findings")
    for event in _TRIGGERS:
        op.execute(f"DROP TRIGGER findings_{event.lower()}_defects ON findings")
    op.execute("DROP FUNCTION note_defect_changes()")
    op.drop_table("defect_changes")
    op.drop_table("defects")
