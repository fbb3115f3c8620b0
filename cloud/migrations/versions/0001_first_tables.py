"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "key"),
    )
    op.create_table(
        "drone_events",
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("drone_id", "boot_id", "stream", "seq"),
    )
    op.create_index(op.f("ix_drone_events_flight_id"), "drone_events", ["flight_id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key"),
    )
    op.create_table(
        "outgoing",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sites",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("home_lat_deg", sa.Double(), nullable=False),
        sa.Column("home_lon_deg", sa.Double(), nullable=False),
        sa.Column("home_alt_m", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("site_id"),
    )
    op.create_table(
        "telemetry",
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lat_deg", sa.Double(), nullable=False),
        sa.Column("lon_deg", sa.Double(), nullable=False),
        sa.Column("alt_m", sa.Double(), nullable=False),
        sa.Column("alt_rel_m", sa.Double(), nullable=False),
        sa.Column("yaw_deg", sa.Double(), nullable=False),
        sa.Column("pitch_deg", sa.Double(), nullable=False),
        sa.Column("roll_deg", sa.Double(), nullable=False),
        sa.Column("gimbal_yaw_deg", sa.Double(), nullable=False),
        sa.Column("gimbal_pitch_deg", sa.Double(), nullable=False),
        sa.Column("vel_east_mps", sa.Double(), nullable=False),
        sa.Column("vel_north_mps", sa.Double(), nullable=False),
        sa.Column("vel_up_mps", sa.Double(), nullable=False),
        sa.Column("battery_percent", sa.Double(), nullable=False),
        sa.Column("battery_v", sa.Double(), nullable=False),
        sa.Column("gps_fix", sa.Integer(), nullable=False),
        sa.Column("satellites", sa.Integer(), nullable=False),
        sa.Column("link_percent", sa.Double(), nullable=True),
        sa.Column("wind_mps", sa.Double(), nullable=True),
        sa.Column("wind_from_deg", sa.Double(), nullable=True),
        sa.Column("waypoint", sa.Integer(), nullable=True),
        sa.Column("monotonic_ms", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("drone_id", "boot_id", "seq"),
    )
    op.create_index("telemetry_captured_brin", "telemetry", ["captured_at"], unique=False, postgresql_using="brin")
    op.create_index("telemetry_drone_captured", "telemetry", ["drone_id", "captured_at"], unique=False)
    op.create_index("telemetry_flight_captured", "telemetry", ["flight_id", "captured_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("username"),
    )
    op.create_table(
        "watermarks",
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("drone_id", "boot_id", "stream"),
    )
    op.create_table(
        "assets",
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("functional_location", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("geometry", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["sites.site_id"],
        ),
        sa.PrimaryKeyConstraint("asset_id"),
    )
    op.create_table(
        "drones",
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("camera", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=True),
        sa.Column("agent_version", sa.Text(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("command_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["sites.site_id"],
        ),
        sa.PrimaryKeyConstraint("drone_id"),
    )
    op.create_table(
        "commands",
        sa.Column("command_id", sa.Text(), nullable=False),
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["drone_id"],
            ["drones.drone_id"],
        ),
        sa.PrimaryKeyConstraint("command_id"),
        sa.UniqueConstraint("drone_id", "seq"),
    )
    op.create_index(op.f("ix_commands_flight_id"), "commands", ["flight_id"], unique=False)
    op.create_index(op.f("ix_commands_state"), "commands", ["state"], unique=False)
    op.create_table(
        "flights",
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("route_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("landed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waypoint", sa.Integer(), nullable=True),
        sa.Column("expected_segments", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["assets.asset_id"],
        ),
        sa.ForeignKeyConstraint(
            ["drone_id"],
            ["drones.drone_id"],
        ),
        sa.PrimaryKeyConstraint("flight_id"),
    )
    op.create_index(op.f("ix_flights_created_at"), "flights", ["created_at"], unique=False)
    op.create_index(op.f("ix_flights_state"), "flights", ["state"], unique=False)
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("estimates", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["assets.asset_id"],
        ),
        sa.PrimaryKeyConstraint("plan_id", "version"),
    )
    op.create_table(
        "coverage",
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("blade", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("cell", sa.Integer(), nullable=False),
        sa.Column("seen_share", sa.Double(), nullable=False),
        sa.Column("best_gsd_mm_px", sa.Double(), nullable=False),
        sa.Column("best_incidence_deg", sa.Double(), nullable=False),
        sa.Column("best_sharpness", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flight_id"],
            ["flights.flight_id"],
        ),
        sa.PrimaryKeyConstraint("flight_id", "blade", "side", "cell"),
    )
    op.create_table(
        "findings",
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("blade", sa.Text(), nullable=True),
        sa.Column("side", sa.Text(), nullable=True),
        sa.Column("distance_to_root_m", sa.Double(), nullable=True),
        sa.Column("offset_m", sa.Double(), nullable=True),
        sa.Column("length_mm", sa.Double(), nullable=False),
        sa.Column("width_mm", sa.Double(), nullable=False),
        sa.Column("size_sigma_mm", sa.Double(), nullable=False),
        sa.Column("lat_deg", sa.Double(), nullable=True),
        sa.Column("lon_deg", sa.Double(), nullable=True),
        sa.Column("alt_m", sa.Double(), nullable=True),
        sa.Column("ce90_m", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("severity_scheme", sa.Text(), nullable=False),
        sa.Column("severity_code", sa.Text(), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("severity_source", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("severity_reason", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reviewed_by", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["assets.asset_id"],
        ),
        sa.ForeignKeyConstraint(
            ["flight_id"],
            ["flights.flight_id"],
        ),
        sa.PrimaryKeyConstraint("finding_id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index(op.f("ix_findings_asset_id"), "findings", ["asset_id"], unique=False)
    op.create_index(op.f("ix_findings_detected_at"), "findings", ["detected_at"], unique=False)
    op.create_index(op.f("ix_findings_flight_id"), "findings", ["flight_id"], unique=False)
    op.create_index(op.f("ix_findings_link_group"), "findings", ["link_group"], unique=False)
    op.create_index(op.f("ix_findings_severity_rank"), "findings", ["severity_rank"], unique=False)
    op.create_index(op.f("ix_findings_status"), "findings", ["status"], unique=False)
    op.create_table(
        "media",
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("flight_id", sa.Text(), nullable=False),
        sa.Column("drone_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("video_key", sa.Text(), nullable=False),
        sa.Column("manifest_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("object_version", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("analysed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processing_s", sa.Double(), nullable=True),
        sa.Column("key_frames", sa.Integer(), nullable=True),
        sa.Column("model_sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["flight_id"],
            ["flights.flight_id"],
        ),
        sa.PrimaryKeyConstraint("segment_id"),
    )
    op.create_index(op.f("ix_media_flight_id"), "media", ["flight_id"], unique=False)
    op.create_index(op.f("ix_media_state"), "media", ["state"], unique=False)
    op.create_table(
        "detections",
        sa.Column("detection_id", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.finding_id"],
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"],
            ["media.segment_id"],
        ),
        sa.PrimaryKeyConstraint("detection_id"),
    )
    op.create_index(op.f("ix_detections_finding_id"), "detections", ["finding_id"], unique=False)
    op.create_index(op.f("ix_detections_segment_id"), "detections", ["segment_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("evidence_id", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("detection_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("frame", sa.Integer(), nullable=False),
        sa.Column("pts_ms", sa.Double(), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("box", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("gsd_mm_px", sa.Double(), nullable=False),
        sa.Column("incidence_deg", sa.Double(), nullable=False),
        sa.Column("sharpness", sa.Double(), nullable=False),
        sa.Column("pose", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("crop_key", sa.Text(), nullable=False),
        sa.Column("crop_sha256", sa.Text(), nullable=True),
        sa.Column("frame_key", sa.Text(), nullable=False),
        sa.Column("frame_sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.finding_id"],
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"],
            ["media.segment_id"],
        ),
        sa.PrimaryKeyConstraint("evidence_id"),
        sa.UniqueConstraint("detection_id", "position"),
    )
    op.create_index(op.f("ix_evidence_finding_id"), "evidence", ["finding_id"], unique=False)
    op.create_index(op.f("ix_evidence_segment_id"), "evidence", ["segment_id"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.finding_id"],
        ),
        sa.PrimaryKeyConstraint("finding_id", "channel"),
    )
    op.create_table(
        "summaries",
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sentences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.finding_id"],
        ),
        sa.PrimaryKeyConstraint("finding_id"),
    )
    op.create_table(
        "tickets",
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("link_group", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.finding_id"],
        ),
        sa.PrimaryKeyConstraint("ticket_id"),
        sa.UniqueConstraint("finding_id"),
    )
    op.create_index(op.f("ix_tickets_link_group"), "tickets", ["link_group"], unique=False)
    op.create_table(
        "workflow_runs",
        sa.Column("execution_name", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("arn", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.finding_id"],
        ),
        sa.PrimaryKeyConstraint("execution_name"),
    )
    op.create_index(op.f("ix_workflow_runs_finding_id"), "workflow_runs", ["finding_id"], unique=False)
    op.create_index(op.f("ix_workflow_runs_state"), "workflow_runs", ["state"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("ix_workflow_runs_state"), table_name="workflow_runs")
    op.drop_index(op.f("ix_workflow_runs_finding_id"), table_name="workflow_runs")
    op.drop_table("workflow_runs")
    op.drop_index(op.f("ix_tickets_link_group"), table_name="tickets")
    op.drop_table("tickets")
    op.drop_table("summaries")
    op.drop_table("notifications")
    op.drop_index(op.f("ix_evidence_segment_id"), table_name="evidence")
    op.drop_index(op.f("ix_evidence_finding_id"), table_name="evidence")
    op.drop_table("evidence")
    op.drop_index(op.f("ix_detections_segment_id"), table_name="detections")
    op.drop_index(op.f("ix_detections_finding_id"), table_name="detections")
    op.drop_table("detections")
    op.drop_index(op.f("ix_media_state"), table_name="media")
    op.drop_index(op.f("ix_media_flight_id"), table_name="media")
    op.drop_table("media")
    op.drop_index(op.f("ix_findings_status"), table_name="findings")
    op.drop_index(op.f("ix_findings_severity_rank"), table_name="findings")
    op.drop_index(op.f("ix_findings_link_group"), table_name="findings")
    op.drop_index(op.f("ix_findings_flight_id"), table_name="findings")
    op.drop_index(op.f("ix_findings_detected_at"), table_name="findings")
    op.drop_index(op.f("ix_findings_asset_id"), table_name="findings")
    op.drop_table("findings")
    op.drop_table("coverage")
    op.drop_table("plans")
    op.drop_index(op.f("ix_flights_state"), table_name="flights")
    op.drop_index(op.f("ix_flights_created_at"), table_name="flights")
    op.drop_table("flights")
    op.drop_index(op.f("ix_commands_state"), table_name="commands")
    op.drop_index(op.f("ix_commands_flight_id"), table_name="commands")
    op.drop_table("commands")
    op.drop_table("drones")
    op.drop_table("assets")
    op.drop_table("watermarks")
    op.drop_table("users")
    op.drop_index("telemetry_flight_captured", table_name="telemetry")
    op.drop_index("telemetry_drone_captured", table_name="telemetry")
    op.drop_index("telemetry_captured_brin", table_name="telemetry", postgresql_using="brin")
    op.drop_table("telemetry")
    op.drop_table("sites")
    op.drop_table("outgoing")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_drone_events_flight_id"), table_name="drone_events")
    op.drop_table("drone_events")
    op.drop_table("dead_letters")
    op.drop_index(op.f("ix_audit_at"), table_name="audit")
    op.drop_table("audit")
