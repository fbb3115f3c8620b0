"""A defect's life: which findings are one defect, what every flight says of it, what people decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class DefectLink(Base):
    """Why a finding is in its link group, and what has grown since."""

    __tablename__ = "defect_links"
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id", ondelete="CASCADE"), primary_key=True)
    link_group: Mapped[str] = mapped_column(index=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    state: Mapped[str]
    """new | same | grown"""
    source: Mapped[str] = mapped_column(default="computed")
    """computed | person: a person's link is never computed again."""
    probability: Mapped[float]
    """That this finding is the defect of its group; 1 for the first of a group and for a person's link."""
    distance_m: Mapped[float | None]
    """From where the earlier flights expect it, the flight's shift taken off."""
    previous_finding_id: Mapped[str | None]
    grown_mm: Mapped[float | None]
    """Length since the previous finding; ``grown_sigma_mm`` is its standard error."""
    grown_sigma_mm: Mapped[float | None]
    grown_mm2: Mapped[float | None]
    """Length times width since the previous finding."""
    grown_since_first_mm: Mapped[float | None]
    since_first_sigma_mm: Mapped[float | None]
    joined_from: Mapped[str | None]
    """The group it was in before a later flight showed that both are one defect; ``joined_by`` is that flight."""
    joined_by: Mapped[str | None] = mapped_column(ForeignKey("flights.flight_id"))


class LinkSuggestion(Base):
    """What a finding that stands as new may be, where its flight cannot tell; a person says so, or not."""

    __tablename__ = "link_suggestions"
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id", ondelete="CASCADE"), primary_key=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), index=True)
    link_group: Mapped[str] = mapped_column(index=True)
    probability: Mapped[float]
    """That the finding is this defect."""
    reason: Mapped[str]
    """alone | beside | unsure"""
    others: Mapped[list[Any]]
    """[group, probability] of other known defects that it may be."""


class DefectAbsence(Base):
    """A flight that did not find a known defect, and what that means."""

    __tablename__ = "defect_absences"
    link_group: Mapped[str] = mapped_column(primary_key=True)
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True, index=True)
    state: Mapped[str]
    """repaired | gone | not_visible"""
    seen_share: Mapped[float]
    """Of the metres it may lie on, as far as this flight saw them."""


class FlightRegistration(Base):
    """What the positions of an asset's flights were off against each other, as known after this flight."""

    __tablename__ = "flight_registrations"
    flight_id: Mapped[str] = mapped_column(ForeignKey("flights.flight_id"), primary_key=True)
    flights: Mapped[list[Any]]
    """Flight ids in the order of the numbers below; this flight is the last."""
    shift_m: Mapped[list[Any]]
    """East, north, up per flight."""
    covariance_m2: Mapped[list[Any]]
    """Rows of the joint covariance."""


class LinkEdit(Base):
    """A person's merge, split, or undoing of one; ``before`` and ``after`` hold each finding's group and source."""

    __tablename__ = "link_edits"
    edit_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    action: Mapped[str]
    """merge | split | keep_apart | undo"""
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    reason: Mapped[str]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    undoes: Mapped[int | None]
    """The edit this one takes back."""


class DefectRow(Base):
    """A defect as its latest finding that nobody rejected says: folded from findings (`cloud.history.standing`)."""

    __tablename__ = "defects"
    link_group: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str]
    asset_id: Mapped[str]
    kind: Mapped[str]
    severity_rank: Mapped[int]
    status: Mapped[str]
    length_mm: Mapped[float]
    last_seen_at: Mapped[datetime]
    first_seen_at: Mapped[datetime]
    __table_args__ = (
        Index("defects_per_asset", "asset_id", postgresql_include=["link_group", "severity_rank", "status"]),
    )
    """How many of each severity an asset has."""


class DefectChange(Base):
    """A defect whose findings changed since its row was folded; a trigger on findings adds these."""

    __tablename__ = "defect_changes"
    change_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    link_group: Mapped[str] = mapped_column(index=True)
    asset_id: Mapped[str]
