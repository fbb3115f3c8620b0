"""What is said of defects and assets: predictions and risks (replaced by a job), health by day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Prediction(Base):
    """What is expected of one defect; ``too_little`` says why nothing is."""

    __tablename__ = "predictions"
    link_group: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    finding_id: Mapped[str]
    """The latest finding, which it starts from."""
    made_at: Mapped[datetime]
    too_little: Mapped[str] = mapped_column(default="")
    length_mm: Mapped[float | None]
    """Expected in a year; low and high hold 80 %."""
    length_low_mm: Mapped[float | None]
    length_high_mm: Mapped[float | None]
    next_rank: Mapped[int | None]
    next_from_mm: Mapped[float | None]
    chance_180_days: Mapped[float | None]
    """That the next rank is reached by then."""
    chance_365_days: Mapped[float | None]
    critical_365_days: Mapped[float | None]
    """That a critical rank is reached within a year; 1 where it is critical now."""
    life_days: Mapped[float | None]
    """Median time until critical; None beyond 20 years."""
    life_low_days: Mapped[float | None]
    life_high_days: Mapped[float | None]
    model: Mapped[dict[str, Any]]


class AssetRisk(Base):
    """How likely an asset gets a critical defect within a year, and when to look again."""

    __tablename__ = "asset_risks"
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), primary_key=True)
    made_at: Mapped[datetime]
    chance_365_days: Mapped[float]
    inspect_by: Mapped[datetime]
    because: Mapped[list[Any]]
    """The defects that count most: [{"link_group", "critical_365_days"}]."""


class HealthRow(Base):
    """The health index of a component, asset or site on a day, with what it is made of."""

    __tablename__ = "health"
    scope: Mapped[str] = mapped_column(primary_key=True)
    """component | asset | site"""
    subject: Mapped[str] = mapped_column(primary_key=True)
    """wt-01/A, wt-01, site-north"""
    day: Mapped[str] = mapped_column(primary_key=True)
    """UTC date, 2026-11-25."""
    index: Mapped[float]
    derivation: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
