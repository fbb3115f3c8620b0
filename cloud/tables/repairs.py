"""Who repairs what when: crews, parts, forecasts, and one slot per finding."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class CrewRow(Base):
    """People who go out together, where from and when."""

    __tablename__ = "crews"
    crew_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    skills: Mapped[list[Any]]
    home_lat_deg: Mapped[float]
    home_lon_deg: Mapped[float]
    zone: Mapped[str]
    """IANA name: the shift keeps this wall clock."""
    shift_start: Mapped[str]
    shift_end: Mapped[str]
    """HH:MM, both of one day."""
    weekdays: Mapped[list[Any]]
    """1 Monday to 7 Sunday."""
    language: Mapped[str]
    """Of their phone pages: en | de | es."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RepairPart(Base):
    """A part that repairs take: what lies in stock, and from when on there is enough."""

    __tablename__ = "repair_parts"
    part: Mapped[str] = mapped_column(primary_key=True)
    in_stock: Mapped[int]
    more_at: Mapped[datetime | None]
    updated_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class WindForecast(Base):
    """The newest forecast of a site, as somebody gave it."""

    __tablename__ = "wind_forecasts"
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"), primary_key=True)
    steps: Mapped[list[Any]]
    """[{"at": ..., "wind_mps": ...}], in order; each holds until the next, at most three hours."""
    given_by: Mapped[str]
    given_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RepairSlot(Base):
    """When a finding is to be repaired, and by whom; one per finding. Without a crew: there is no place for it."""

    __tablename__ = "repair_slots"
    slot_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id", ondelete="CASCADE"), unique=True)
    state: Mapped[str] = mapped_column(index=True)
    """wanted | proposed | accepted | unplanned | done | cancelled"""
    crew_id: Mapped[str | None] = mapped_column(ForeignKey("crews.crew_id"), index=True)
    starts_at: Mapped[datetime | None] = mapped_column(index=True)
    ends_at: Mapped[datetime | None]
    pinned: Mapped[bool] = mapped_column(default=False)
    """A person said who and when: plans go round it."""
    late: Mapped[bool] = mapped_column(default=False)
    """It ends after the finding's due date, or has no place although it has one."""
    reason: Mapped[str] = mapped_column(default="")
    """Why it is late or has no place, or what has come to speak against it."""
    wind_known: Mapped[bool] = mapped_column(default=False)
    """Whether a forecast reaches it."""
    sequence: Mapped[int] = mapped_column(default=0)
    """How often its time or crew changed: the calendar entry's SEQUENCE."""
    attached_sequence: Mapped[int | None]
    """Which sequence of its calendar entry the ticket has."""
    decided_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class CrewReport(Base):
    """What a crew said at the blade; its id is the phone's, so that one sent twice is kept once."""

    __tablename__ = "crew_reports"
    report_id: Mapped[str] = mapped_column(primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("findings.finding_id", ondelete="CASCADE"), index=True)
    reported_by: Mapped[str]
    answer: Mapped[str] = mapped_column(index=True)
    """found | not_found | worse | repaired"""
    answered_at: Mapped[datetime]
    """By the phone's clock."""
    measured_mm: Mapped[float | None]
    others: Mapped[int] = mapped_column(server_default="0")
    """Further defects that the crew saw there and that nobody had reported."""
    note: Mapped[str]
    language: Mapped[str]
    applied: Mapped[bool]
    """Whether it changed the finding: an older answer that comes late does not."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    photo_key: Mapped[str] = mapped_column(server_default="")
    photo_sha256: Mapped[str | None]
    photo_taken_at: Mapped[datetime | None]
    photo_time_from: Mapped[str] = mapped_column(server_default="")
    """Whose time that is: camera (EXIF) | file | phone."""
    attached_at: Mapped[datetime | None]
    """When the customer's ticket had it."""
