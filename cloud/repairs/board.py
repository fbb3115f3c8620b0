"""What the database knows, put on the planner's grid: open repairs, crews, forecasts, parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.repairs.methods import Methods
from cloud.repairs.problem import HALF_HOUR_MIN, Crew, Job, Part, Pin, Problem, Span
from cloud.tables import Asset, CrewRow, Finding, RepairPart, RepairSlot, Site, WindForecast
from contracts.geo import GeoPoint
from contracts.vocabulary import FindingStatus

HORIZON_DAYS = 28
STEP = timedelta(minutes=HALF_HOUR_MIN)
_HELD = timedelta(hours=3)
"""How long a step of a forecast says something when no other follows."""
OPEN = ("wanted", "proposed", "accepted", "unplanned")
LIVE = (FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)


class Board(NamedTuple):
    """The problem, from when it counts, and the rows its jobs are."""

    begins: datetime
    problem: Problem
    slots: dict[str, RepairSlot]

    def at(self, half_hour: int) -> datetime:
        """Return the time of a half hour."""
        return self.begins + half_hour * STEP

    def job(self, slot_id: str) -> Job:
        """Return the job of a slot that is on the board."""
        return next(job for job in self.problem.jobs if job.job_id == slot_id)


def begins_after(now: datetime) -> datetime:
    """Return the next full half hour, UTC."""
    whole = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return whole + math.ceil((now - whole) / STEP) * STEP


def read(session: Session, methods: Methods, now: datetime) -> Board:
    """Return the board as it stands: every open repair of a finding that is still open."""
    begins = begins_after(now)
    rows = session.execute(
        select(RepairSlot, Finding, Asset, Site)
        .join(Finding, Finding.finding_id == RepairSlot.finding_id)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .join(Site, Site.site_id == Asset.site_id)
        .where(RepairSlot.state.in_(OPEN), Finding.status.in_(LIVE))
        .order_by(RepairSlot.slot_id)
        .with_for_update(of=RepairSlot)
    ).all()
    jobs = [_job(slot, finding, asset, site, methods, begins) for slot, finding, asset, site in rows]
    crews = session.scalars(select(CrewRow).where(CrewRow.enabled).order_by(CrewRow.crew_id)).all()
    horizon = HORIZON_DAYS * int(timedelta(days=1) / STEP)
    sites = {site.site_id for *_, site in rows}
    forecasts = session.scalars(select(WindForecast).where(WindForecast.site_id.in_(sites))).all()
    parts = {row.part: Part(row.in_stock, _half_hour(row.more_at, begins, up=True)) for row in _parts(session)}
    wind = {row.site_id: series(row.steps, begins, horizon) for row in forecasts}
    problem = Problem([crew_of(row, begins) for row in crews], jobs, horizon, wind, parts)
    return Board(begins, problem, {slot.slot_id: slot for slot, *_ in rows})


def _parts(session: Session) -> Sequence[RepairPart]:
    return session.scalars(select(RepairPart).order_by(RepairPart.part)).all()


def _job(slot: RepairSlot, finding: Finding, asset: Asset, site: Site, methods: Methods, begins: datetime) -> Job:
    method = methods.of(finding.kind)
    pin = None
    if slot.crew_id is not None and slot.starts_at is not None:
        pin = Pin(slot.crew_id, int((slot.starts_at - begins) / STEP))
    return Job(
        job_id=slot.slot_id,
        place=_place(finding, asset, site),
        site_id=site.site_id,
        skills=method.skills,
        length=math.ceil(timedelta(hours=method.hours) / STEP),
        max_wind_mps=method.max_wind_mps,
        parts=method.parts,
        rank=finding.severity_rank,
        latest_end=_half_hour(finding.due_at, begins, up=False),
        pinned=pin if slot.pinned else None,
        was=pin,
    )


def _place(finding: Finding, asset: Asset, site: Site) -> GeoPoint:
    """Return where a crew drives: the asset's foot, where its geometry has one."""
    foot = asset.geometry.get("foot") if asset.geometry else None
    if foot:
        return GeoPoint.model_validate(foot)
    if finding.lat_deg is not None and finding.lon_deg is not None:
        return GeoPoint(lat_deg=finding.lat_deg, lon_deg=finding.lon_deg, alt_m=site.home_alt_m)
    return GeoPoint(lat_deg=site.home_lat_deg, lon_deg=site.home_lon_deg, alt_m=site.home_alt_m)


def crew_of(row: CrewRow, begins: datetime) -> Crew:
    """Return a crew with its shifts from the board's beginning on."""
    zone = ZoneInfo(row.zone)
    first = begins.astimezone(zone).date()
    days = (first + timedelta(days=number) for number in range(-1, HORIZON_DAYS + 1))
    spans = (
        Span(_up(_local(day, row.shift_start, zone), begins), _down(_local(day, row.shift_end, zone), begins))
        for day in days
        if day.isoweekday() in row.weekdays
    )
    home = GeoPoint(lat_deg=row.home_lat_deg, lon_deg=row.home_lon_deg, alt_m=0.0)
    return Crew(row.crew_id, frozenset(row.skills), home, tuple(span for span in spans if span.last > span.first))


def _local(day: Any, clock: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)


def _up(at: datetime, begins: datetime) -> int:
    return math.ceil((at - begins) / STEP)


def _down(at: datetime, begins: datetime) -> int:
    return math.floor((at - begins) / STEP)


def _half_hour(at: datetime | None, begins: datetime, *, up: bool) -> int | None:
    return None if at is None else max(0, _up(at, begins) if up else _down(at, begins))


def series(steps: Iterable[dict[str, Any]], begins: datetime, horizon: int) -> list[float | None]:
    """Return the wind per half hour; None before the first step, after the last, and in gaps of three hours."""
    known = [(datetime.fromisoformat(step["at"]), float(step["wind_mps"])) for step in steps]
    found: list[float | None] = []
    place = -1
    for half_hour in range(horizon):
        now = begins + half_hour * STEP
        while place + 1 < len(known) and known[place + 1][0] <= now:
            place += 1
        holds = place >= 0 and now - known[place][0] < _HELD
        found.append(known[place][1] if holds else None)
    return found
