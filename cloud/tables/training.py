"""Versions of the detector, trained on what people judged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class DetectorVersion(Base):
    """One training of the detector, and what people made of it; its files lie under ``models/<version>/``."""

    __tablename__ = "detector_versions"
    version: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(index=True)
    """wanted | waiting | approved | rejected | expired | refused | promoted"""
    wanted_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    labels: Mapped[dict[str, Any] | None]
    """Judged findings by judgement and kind, as the training took them."""
    evaluation: Mapped[dict[str, Any] | None]
    """``contracts.training.Evaluation``."""
    objections: Mapped[list[Any] | None]
    """What the gate has against it."""
    execution_name: Mapped[str] = mapped_column(server_default="")
    token: Mapped[str] = mapped_column(server_default="")
    """Of the task that waits for the answer."""
    expires_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(server_default="")
    told_at: Mapped[datetime | None]
    """When the answer was given to the task that waits for it."""
    promoted_at: Mapped[datetime | None]
