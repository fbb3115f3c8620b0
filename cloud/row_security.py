"""Which sites an asker may see and touch, enforced by Postgres: a policy on every table that leads to a site.

A request of an asker with a limit runs as the role ``kestrel_asker``, which owns nothing and to which every policy
applies; the asker's sites stand in settings of its transaction. Kestrel's own programs keep the role they signed in
with, and a policy of its own (``kestrel_services``) lets that one see everything: nobody passes by being the owner.
"""

from __future__ import annotations

import hashlib
from typing import Final

from sqlalchemy import Connection, inspect, text

from cloud.changes import SUBJECTS
from cloud.site_limits import ROLE
from cloud.tables import Base
from contracts.lake import SCHEMA

_SITES = "NULLIF(current_setting('kestrel.sites', true), '')::text[]"
_ASKER = "current_setting('kestrel.asker', true)"
_OF_SITE = f"site_id = ANY({_SITES})"
_OF_ASSET = "asset_id IN (SELECT asset_id FROM assets)"
_OF_DRONE = "drone_id IN (SELECT drone_id FROM drones)"


def _within(table: str, key: str, value: str) -> str:
    """Return that a row of another table can be seen: that table's own policy is the rest of the way.

    EXISTS and not IN, so that the planner may look rows up one by one in a table of many.
    """
    return f"EXISTS (SELECT FROM {table} way WHERE way.{key} = {value})"


def _of_flight(table: str) -> str:
    return _within("flights", "flight_id", f"{table}.flight_id")


def _of_finding(table: str) -> str:
    return _within("findings", "finding_id", f"{table}.finding_id")


_OF_KIND = " ".join(
    f"WHEN '{kind}' THEN {_within(about.__tablename__, inspect(about).primary_key[0].name, 'changes.object_id')}"
    for kind, about in SUBJECTS.items()
)

RULES: Final[dict[str, str]] = {
    **dict.fromkeys(("sites", "assets", "drones", "site_zones", "wind_forecasts"), _OF_SITE),
    **dict.fromkeys(
        (
            "asset_events", "asset_risks", "audit_frames", "captures", "components", "defect_changes", "defects",
            "findings", "first_looks", "flights", "link_edits", "media", "plans", "predictions", "schedules",
        ),
        _OF_ASSET,
    ),
    **dict.fromkeys(
        ("certificate_revocations", "commands", "drone_events", "lost_records", "outgoing", "telemetry",
         "telemetry_archives", "telemetry_minutes", "watermarks"),
        _OF_DRONE,
    ),
    **{table: _of_flight(table) for table in (
        "blind_changes", "blind_flights", "coverage", "defect_absences", "final_reports", "flight_registrations",
        "inventories", "part_coverage", "report_changes", "report_messages",
    )},
    **{
        table: _of_finding(table)
        for table in (
            "alerts", "crew_reports", "defect_links", "evidence", "link_suggestions", "notifications", "repair_slots",
            "summaries", "ticket_decisions", "tickets",
        )
    },
    "alert_messages": _within("alerts", "alert_id", "alert_messages.alert_id"),
    "detections": _within("media", "segment_id", "detections.segment_id"),
    "audit_answers": _within("audit_frames", "frame_id", "audit_answers.frame_id"),
    "audit_marks": _within("audit_answers", "answer_id", "audit_marks.answer_id"),
    "health": "CASE scope WHEN 'site' THEN subject IN (SELECT site_id FROM sites)"
    " ELSE split_part(subject, '/', 1) IN (SELECT asset_id FROM assets) END",
    "workflow_runs": f"{_of_finding('workflow_runs')} OR {_within('flights', 'flight_id', 'workflow_runs.subject')}",
    "changes": f"CASE kind {_OF_KIND} ELSE false END",
    "audit": f"actor = {_ASKER} OR {_within('findings', 'finding_id', 'audit.object')}",
    "assistant_transcripts": f"asked_by = {_ASKER}",
    "assistant_proposals": f"proposed_for = {_ASKER}",
    "idempotency_keys": f"principal = {_ASKER}",
    "security_events": "subject_kind = 'drone' AND subject IN (SELECT drone_id FROM drones)",
    "webhooks": f"sites <@ to_jsonb({_SITES})",
    "webhook_deliveries": _within("webhooks", "webhook_id", "webhook_deliveries.webhook_id"),
}  # fmt: skip
"""Table -> which of its rows an asker sees, changes and may write. A table without a rule shows no row."""

OPEN: Final = frozenset({"api_keys", "crews", "detector_versions", "due_rules", "policies", "repair_parts",
                         "telemetry_rolled", "users"})  # fmt: skip
"""Tables of no site, which the roles of the API guard: the same for everyone."""
COPIED: Final = frozenset({"telemetry"})
"""Tables that their owner, the ingest, fills by COPY, which Postgres refuses where the policies hold for the owner."""
_WRITTEN_UNSEEN: Final = frozenset({"changes"})
"""Tables that a request may add rows to that it does not see: a finding that it merged away has changed too."""


def apply(connection: Connection) -> None:
    """Bring role, rights and policies to what stands here; touches no table when they are."""
    statements = _statements()
    wanted = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    if connection.scalar(text("SELECT obj_description(to_regnamespace(:schema))"), {"schema": SCHEMA}) == wanted:
        return
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{wanted}'")


def _statements() -> list[str]:
    tables = sorted(Base.metadata.tables)
    return [
        f"""DO $$ BEGIN CREATE ROLE {ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$""",
        f"""DO $$ BEGIN IF NOT pg_has_role(current_user, '{ROLE}', 'SET') THEN GRANT {ROLE} TO CURRENT_USER; END IF;
        END $$""",
        f"GRANT USAGE ON SCHEMA public TO {ROLE}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE}",
        *(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}" for table in tables),
        *(statement for table in tables if table not in OPEN for statement in _of_table(table)),
    ]


def _of_table(table: str) -> list[str]:
    rule = RULES.get(table, "false")
    written = "true" if table in _WRITTEN_UNSEEN else rule
    force = "NO FORCE" if table in COPIED else "FORCE"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} {force} ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS kestrel_services ON {table}",
        f"CREATE POLICY kestrel_services ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"DROP POLICY IF EXISTS {ROLE} ON {table}",
        f"CREATE POLICY {ROLE} ON {table} TO {ROLE} USING ({rule}) WITH CHECK ({written})",
    ]
