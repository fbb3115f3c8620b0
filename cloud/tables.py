"""The whole schema. Truth lives here and in S3; queues and emulators may forget.

One declarative class per table; Alembic migrates. Times are UTC. JSON columns hold contract models as they were sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Double, ForeignKey, Identity, Index, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Column types: text without a length, times with a zone, floats in double precision."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain dict
        str: Text,
        float: Double,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


class User(Base):
    """A person or program of the built-in issuer."""

    __tablename__ = "users"
    username: Mapped[str] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    password_hash: Mapped[str]
    roles: Mapped[list[Any]]
    disabled: Mapped[bool] = mapped_column(default=False)


class Site(Base):
    """A wind farm, a line, a field."""

    __tablename__ = "sites"
    site_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    home_lat_deg: Mapped[float]
    home_lon_deg: Mapped[float]
    home_alt_m: Mapped[float]


class Asset(Base):
    """What is inspected. ``geometry`` is a contracts.turbine.TurbineGeometry for wind turbines."""

    __tablename__ = "assets"
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"))
    kind: Mapped[str]
    name: Mapped[str]
    functional_location: Mapped[str]
    external_id: Mapped[str | None]
    geometry: Mapped[dict[str, Any]]


class Drone(Base):
    """An aircraft: identity, camera, presence, last command number."""

    __tablename__ = "drones"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"))
    name: Mapped[str]
    model: Mapped[str] = mapped_column(default="")
    camera: Mapped[dict[str, Any]]
    online: Mapped[bool] = mapped_column(default=False)
    boot_id: Mapped[str | None]
    agent_version: Mapped[str] = mapped_column(default="")
    last_seen_at: Mapped[datetime | None]
    command_seq: Mapped[int] = mapped_column(BigInteger, default=0)


class Plan(Base):
    """Inputs of a route: the planner makes the same bytes from the same row. The route itself is in DynamoDB."""

    __tablename__ = "plans"
    plan_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"))
    pattern: Mapped[str]
    params: Mapped[dict[str, Any]]
    content_hash: Mapped[str]
    checks: Mapped[list[Any]]
    estimates: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Flight(Base):
    """One flight of one plan version by one drone; also the inspection it makes."""

    __tablename__ = "flights"
    flight_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"))
    drone_id: Mapped[str] = mapped_column(ForeignKey("drones.drone_id"))
    plan_id: Mapped[str]
    plan_version: Mapped[int]
    route_hash: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    landed_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    waypoint: Mapped[int | None]
    expected_segments: Mapped[int | None]


class CommandRow(Base):
    """A command and what became of it. ``state`` accepted means: not yet sent (this table is the outbox)."""

    __tablename__ = "commands"
    command_id: Mapped[str] = mapped_column(primary_key=True)
    drone_id: Mapped[str] = mapped_column(ForeignKey("drones.drone_id"))
    flight_id: Mapped[str | None] = mapped_column(index=True)
    kind: Mapped[str]
    seq: Mapped[int] = mapped_column(BigInteger)
    params: Mapped[dict[str, Any]]
    issuer: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    code: Mapped[str] = mapped_column(default="")
    detail: Mapped[str] = mapped_column(default="")
    hint: Mapped[str] = mapped_column(default="")
    issued_at: Mapped[datetime]
    not_after: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    acked_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("drone_id", "seq"),)


class Outgoing(Base):
    """A message for a drone that the ingest process sends and then deletes (SegmentVerified)."""

    __tablename__ = "outgoing"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    drone_id: Mapped[str]
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Telemetry(Base):
    """10 Hz samples as the drone sent them."""

    __tablename__ = "telemetry"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    captured_at: Mapped[datetime]
    flight_id: Mapped[str | None]
    state: Mapped[str]
    lat_deg: Mapped[float]
    lon_deg: Mapped[float]
    alt_m: Mapped[float]
    alt_rel_m: Mapped[float]
    yaw_deg: Mapped[float]
    pitch_deg: Mapped[float]
    roll_deg: Mapped[float]
    gimbal_yaw_deg: Mapped[float]
    gimbal_pitch_deg: Mapped[float]
    vel_east_mps: Mapped[float]
    vel_north_mps: Mapped[float]
    vel_up_mps: Mapped[float]
    battery_percent: Mapped[float]
    battery_v: Mapped[float]
    gps_fix: Mapped[int]
    satellites: Mapped[int]
    link_percent: Mapped[float | None]
    wind_mps: Mapped[float | None]
    wind_from_deg: Mapped[float | None]
    waypoint: Mapped[int | None]
    monotonic_ms: Mapped[int] = mapped_column(BigInteger)
    clock: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        Index("telemetry_captured_brin", "captured_at", postgresql_using="brin"),
        Index("telemetry_drone_captured", "drone_id", "captured_at"),
        Index("telemetry_flight_captured", "flight_id", "captured_at"),
    )


class WatermarkRow(Base):
    """Highest contiguous committed sequence of a stream."""

    __tablename__ = "watermarks"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)


class DroneEventRow(Base):
    """What drones reported (streams ``events`` and ``acks``), once each."""

    __tablename__ = "drone_events"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    flight_id: Mapped[str | None] = mapped_column(index=True)
    body: Mapped[dict[str, Any]]


class Media(Base):
    """A video segment in S3 and where its analysis stands."""

    __tablename__ = "media"
    segment_id: Mapped[str] = mapped_column(primary_key=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    drone_id: Mapped[str]
    asset_id: Mapped[str]
    index: Mapped[int]
    video_key: Mapped[str]
    manifest_key: Mapped[str]
    sha256: Mapped[str]
    object_version: Mapped[str] = mapped_column(default="")
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    frames: Mapped[int]
    started_at: Mapped[datetime]
    duration_s: Mapped[float]
    state: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now())
    queued_at: Mapped[datetime | None]
    analysed_at: Mapped[datetime | None]
    processing_s: Mapped[float | None]
    key_frames: Mapped[int | None]
    model_sha256: Mapped[str | None]


class Finding(Base):
    """A defect as one inspection saw it: one row, many evidence rows."""

    __tablename__ = "findings"
    finding_id: Mapped[str] = mapped_column(primary_key=True)
    link_group: Mapped[str] = mapped_column(index=True)
    """Identity over time: equal for the same physical defect in different inspections."""
    number: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    """Short number people say aloud: F-142."""
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    kind: Mapped[str]
    blade: Mapped[str | None]
    side: Mapped[str | None]
    distance_to_root_m: Mapped[float | None]
    offset_m: Mapped[float | None]
    length_mm: Mapped[float]
    width_mm: Mapped[float]
    size_sigma_mm: Mapped[float]
    lat_deg: Mapped[float | None]
    lon_deg: Mapped[float | None]
    alt_m: Mapped[float | None]
    ce90_m: Mapped[float | None]
    confidence: Mapped[float]
    model_name: Mapped[str]
    model_sha256: Mapped[str]
    threshold: Mapped[float]
    severity_scheme: Mapped[str]
    severity_code: Mapped[str]
    severity_rank: Mapped[int] = mapped_column(index=True)
    """1 least to 5 most serious, whatever the scheme."""
    severity_source: Mapped[str] = mapped_column(default="policy")
    policy_version: Mapped[str]
    severity_reason: Mapped[str] = mapped_column(default="")
    action: Mapped[str] = mapped_column(default="")
    due_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(default="open", index=True)
    detected_at: Mapped[datetime] = mapped_column(index=True)
    """When the best frame was taken."""
    first_recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    reviewed_by: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]
    review_reason: Mapped[str] = mapped_column(default="")


class EvidenceRow(Base):
    """One frame that shows a finding; ``detection_id`` + ``position`` make redelivery harmless."""

    __tablename__ = "evidence"
    evidence_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), index=True)
    detection_id: Mapped[str]
    position: Mapped[int]
    segment_id: Mapped[str] = mapped_column(ForeignKey("media.segment_id"), index=True)
    frame: Mapped[int]
    pts_ms: Mapped[float]
    captured_at: Mapped[datetime]
    box: Mapped[dict[str, Any]]
    confidence: Mapped[float]
    gsd_mm_px: Mapped[float]
    incidence_deg: Mapped[float]
    sharpness: Mapped[float]
    pose: Mapped[dict[str, Any]]
    crop_key: Mapped[str] = mapped_column(default="")
    crop_sha256: Mapped[str | None]
    frame_key: Mapped[str] = mapped_column(default="")
    frame_sha256: Mapped[str | None]
    __table_args__ = (UniqueConstraint("detection_id", "position"),)


class DetectionRow(Base):
    """Which detections of which segment and model are in the findings already.

    Without a finding: too weak alone (one frame, low confidence, grazing view); held until another one agrees.
    """

    __tablename__ = "detections"
    detection_id: Mapped[str] = mapped_column(primary_key=True)
    segment_id: Mapped[str] = mapped_column(ForeignKey("media.segment_id"), index=True)
    finding_id: Mapped[str | None] = mapped_column(ForeignKey("findings.finding_id"), index=True)
    kind: Mapped[str]
    confidence: Mapped[float]
    body: Mapped[dict[str, Any]]


class Coverage(Base):
    """What a flight saw of each metre of each blade side."""

    __tablename__ = "coverage"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    blade: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True)
    seen_share: Mapped[float]
    best_gsd_mm_px: Mapped[float]
    best_incidence_deg: Mapped[float]
    best_sharpness: Mapped[float]


class WorkflowRun(Base):
    """One execution of a state machine. ``wanted`` until Step Functions has accepted it."""

    __tablename__ = "workflow_runs"
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str]
    finding_id: Mapped[str | None] = mapped_column(ForeignKey("findings.finding_id"), index=True)
    state: Mapped[str] = mapped_column(index=True)
    """wanted | running | succeeded | failed"""
    arn: Mapped[str | None]
    error: Mapped[str] = mapped_column(default="")
    hint: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Ticket(Base):
    """A maintenance notification in the customer's system; at most one per link group and system."""

    __tablename__ = "tickets"
    ticket_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), unique=True)
    link_group: Mapped[str] = mapped_column(index=True)
    system: Mapped[str]
    number: Mapped[str | None]
    phase: Mapped[str] = mapped_column(default="")
    priority: Mapped[str] = mapped_column(default="")
    text: Mapped[str] = mapped_column(default="")
    url: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    opened_at: Mapped[datetime | None]
    """When the number came back."""


class Summary(Base):
    """The drafted text about a finding, every sentence with its citations."""

    __tablename__ = "summaries"
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), primary_key=True)
    source: Mapped[str]
    """template | bedrock:<model id>"""
    sentences: Mapped[list[Any]]
    """[{"text": ..., "citations": [finding ids]}]"""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Notification(Base):
    """A message to people about a finding; one per finding and channel."""

    __tablename__ = "notifications"
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())


class IdempotencyKey(Base):
    """The first answer to a keyed request; the same key and body get it again for 48 h."""

    __tablename__ = "idempotency_keys"
    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeadLetter(Base):
    """Something that could not be handled, with the reason, for a person to see."""

    __tablename__ = "dead_letters"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    source: Mapped[str]
    key: Mapped[str]
    reason: Mapped[str]
    payload: Mapped[str]
    """At most the first 4,000 characters; bytes that are not UTF-8 are escaped."""
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    replayed_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("source", "key"),)


class Audit(Base):
    """Who did what to what, before and after."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    actor: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
