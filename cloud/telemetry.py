"""Telemetry as people and pages read it: thinned to what was asked for, oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.orm import Session

from cloud.tables import Telemetry

SampleRow = Row[*tuple[Any, ...]]
_COLUMNS = (
    Telemetry.captured_at,
    Telemetry.flight_id,
    Telemetry.state,
    Telemetry.lat_deg,
    Telemetry.lon_deg,
    Telemetry.alt_m,
    Telemetry.alt_rel_m,
    Telemetry.yaw_deg,
    Telemetry.pitch_deg,
    Telemetry.roll_deg,
    Telemetry.gimbal_yaw_deg,
    Telemetry.gimbal_pitch_deg,
    Telemetry.vel_east_mps,
    Telemetry.vel_north_mps,
    Telemetry.vel_up_mps,
    Telemetry.battery_percent,
    Telemetry.battery_v,
    Telemetry.gps_fix,
    Telemetry.satellites,
    Telemetry.link_percent,
    Telemetry.wind_mps,
    Telemetry.wind_from_deg,
    Telemetry.waypoint,
)


def of_drone(session: Session, drone_id: str, since: datetime, until: datetime, max_points: int) -> list[SampleRow]:
    """Return at most ``max_points`` samples taken in [since, until), evenly thinned."""
    where = (Telemetry.drone_id == drone_id, Telemetry.captured_at >= since, Telemetry.captured_at < until)
    return _thinned(session, where, max_points)


def of_flight(session: Session, flight_id: str, max_points: int) -> list[SampleRow]:
    """Return at most ``max_points`` samples of a flight, evenly thinned."""
    return _thinned(session, (Telemetry.flight_id == flight_id,), max_points)


def latest(session: Session, drone_id: str) -> SampleRow | None:
    """Return the newest sample of a drone, None before its first."""
    query = select(*_COLUMNS).where(Telemetry.drone_id == drone_id).order_by(Telemetry.captured_at.desc()).limit(1)
    return session.execute(query).first()


def count_of_flight(session: Session, flight_id: str) -> int:
    """Return how many samples of a flight are stored."""
    query = select(func.count()).select_from(Telemetry).where(Telemetry.flight_id == flight_id)
    return session.scalar(query) or 0


def _thinned(session: Session, where: tuple[ColumnElement[bool], ...], max_points: int) -> list[SampleRow]:
    total = session.scalar(select(func.count()).select_from(Telemetry).where(*where)) or 0
    step = max(1, -(-total // max_points))
    if step == 1:
        return list(session.execute(select(*_COLUMNS).where(*where).order_by(Telemetry.captured_at)).all())
    number = func.row_number().over(order_by=Telemetry.captured_at).label("number")
    numbered = select(*_COLUMNS, number).where(*where).subquery()
    columns = [column for column in numbered.c if column.name != "number"]
    thinned = select(*columns).where((numbered.c.number - 1) % step == 0).order_by(numbered.c.captured_at)
    return list(session.execute(thinned).all())
