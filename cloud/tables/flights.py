"""Plans, flights and the commands that fly them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cloud.stretches import Stretch
from cloud.tables.columns import Base


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
    series_id: Mapped[str | None] = mapped_column(index=True)
    """The plan of part 1, where one wish became several battery-sized flights."""
    part: Mapped[int] = mapped_column(default=1, server_default="1")
    parts: Mapped[int] = mapped_column(default=1, server_default="1")
    stretch: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """A `cloud.stretches.Stretch`: what it flies of its asset; none where that is all of it."""
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def flown(self) -> Stretch | None:
        """Return which stretch of its asset it is for; None where that is all of it, or not known."""
        return Stretch.model_validate(self.stretch) if self.stretch else None


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
    resume_at: Mapped[int] = mapped_column(default=0, server_default="0")
    """The waypoint to fly to first; above 0 where an earlier flight flew what comes before."""
    continues: Mapped[str | None]
    """The flight that was broken off."""
    schedule_id: Mapped[str | None] = mapped_column(index=True)
    due_at: Mapped[datetime | None]
    """When its schedule wants it flown; one flight per schedule and time."""
    consents: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """[{"by": ..., "at": ..., "acknowledged": [names of checks that warn]}]"""
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at", name="flights_schedule_id_due_at_key"),
        Index(
            "flights_per_asset", "asset_id", text("created_at DESC"),
            postgresql_include=["flight_id", "state", "started_at"],
        ),
    )  # fmt: skip
    """The latest flights of an asset."""


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

    @property
    def challenged(self) -> bool:
        """Tell whether the drone could not trust its clock and got the command again with its nonce."""
        return "nonce" in self.params


class Outgoing(Base):
    """A message for a drone that the ingest process sends and then deletes (SegmentVerified)."""

    __tablename__ = "outgoing"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    drone_id: Mapped[str]
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
