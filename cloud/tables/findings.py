"""Findings, their evidence, and what was seen at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


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
    place: Mapped[dict[str, Any] | None]
    """A contracts.places.PartPlace where it lies on what is no blade."""
    length_mm: Mapped[float]
    width_mm: Mapped[float]
    size_sigma_mm: Mapped[float]
    lat_deg: Mapped[float | None]
    lon_deg: Mapped[float | None]
    alt_m: Mapped[float | None]
    ce90_m: Mapped[float | None]
    le90_m: Mapped[float | None]
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
    detected_at: Mapped[datetime]
    """When the best frame was taken."""
    first_recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    reviewed_by: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]
    review_reason: Mapped[str] = mapped_column(default="")
    __table_args__ = (
        Index(
            "findings_latest", "link_group", text("detected_at DESC"), "finding_id",
            postgresql_include=["asset_id", "severity_rank", "status", "kind", "length_mm"],
        ),
        Index("findings_per_asset", "asset_id", "status", "severity_rank"),
        Index(
            "findings_to_judge", text("severity_rank DESC"), "asset_id", "blade", "distance_to_root_m",
            postgresql_where=text("reviewed_at IS NULL"),
        ),
        Index(
            "findings_left", "severity_rank", "status",
            postgresql_include=["kind", "asset_id"], postgresql_where=text("reviewed_at IS NULL"),
        ),
        Index(
            "findings_counted", "detected_at",
            postgresql_include=["asset_id", "severity_rank", "status", "reviewed_at", "kind"],
        ),
        Index("findings_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )  # fmt: skip
    """The latest finding of each defect; counts per asset; what waits for an analyst, in the order of the desk, and how
    much of each severity; counts per month; what is due."""


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

    Without a finding: too weak alone (one frame, low confidence, grazing view) or left to a person by the model card;
    held until another one agrees or a person says what it is (``cloud.candidates``).
    """

    __tablename__ = "detections"
    detection_id: Mapped[str] = mapped_column(primary_key=True)
    segment_id: Mapped[str] = mapped_column(ForeignKey("media.segment_id"), index=True)
    finding_id: Mapped[str | None] = mapped_column(ForeignKey("findings.finding_id"), index=True)
    kind: Mapped[str]
    confidence: Mapped[float]
    body: Mapped[dict[str, Any]]
    model: Mapped[dict[str, Any] | None]
    """Which detector spoke (``ModelCard``)."""


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
    __table_args__ = (Index("coverage_seen", "flight_id", postgresql_where=text("seen_share >= 0.8")),)
    """How many cells a flight saw; the share is `cloud.coverage.SEEN_SHARE`."""


class PartCoverage(Base):
    """What a flight saw of each cell of each part that is no blade (contracts.parts)."""

    __tablename__ = "part_coverage"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True)
    seen_share: Mapped[float]
    best_gsd_mm_px: Mapped[float]
    best_incidence_deg: Mapped[float]
    best_sharpness: Mapped[float]
