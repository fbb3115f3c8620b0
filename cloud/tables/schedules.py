"""When assets are flown: schedules, due-date rules of customers, and events that start a clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Schedule(Base):
    """A plan version flown by a drone, once or again and again."""

    __tablename__ = "schedules"
    schedule_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    plan_id: Mapped[str]
    plan_version: Mapped[int]
    drone_id: Mapped[str] = mapped_column(ForeignKey("drones.drone_id"), index=True)
    starts_at: Mapped[datetime]
    rrule: Mapped[str | None]
    zone: Mapped[str]
    duration_min: Mapped[int]
    lead_h: Mapped[int]
    """Hours before its time that a flight is planned, so that a person can approve it."""
    enabled: Mapped[bool] = mapped_column(default=True)
    planned_until: Mapped[datetime | None]
    """Up to here flights have been planned."""
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DueRuleRow(Base):
    """A customer's due-date rule; ``body`` is a ``cloud.schedules.rules.DueRule``."""

    __tablename__ = "due_rules"
    rule_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AssetEvent(Base):
    """Something that happened to an asset."""

    __tablename__ = "asset_events"
    event_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    kind: Mapped[str]
    happened_at: Mapped[datetime]
    accessible_at: Mapped[datetime]
    """From when the asset could be safely reached again: the clock starts here."""
    note: Mapped[str] = mapped_column(default="")
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
