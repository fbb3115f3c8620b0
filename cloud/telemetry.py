"""Telemetry as people and pages read it: thinned to what was asked for, oldest first, however old it is.

What is no longer in Postgres is read from the objects that hold it (``cloud.telemetry_store``), in the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, any_, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloud.tables import Telemetry
from cloud.telemetry_store import past
from cloud.telemetry_store.past import Shelf

SampleRow = Any
"""A sample with the columns below as attributes."""
_RFC3339 = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
"""As the API writes a time, but for the fraction of a whole second; sessions are in UTC."""
_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Telemetry.drone_id,
    Telemetry.boot_id,
    Telemetry.seq,
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


def of_drone(
    session: Session, shelf: Shelf, drone_id: str, since: datetime, until: datetime, max_points: int
) -> list[SampleRow]:
    """Return at most ``max_points`` samples taken in [since, until), evenly thinned."""
    where = _period(drone_id, since, until)
    present = _thinned(session, where, max_points)
    old = past.of_drone(session, shelf, drone_id, since, until)
    return _with_past(session, where, old, max_points) if old else present


def of_flight(session: Session, shelf: Shelf, flight_id: str, max_points: int) -> list[SampleRow]:
    """Return at most ``max_points`` samples of a flight, evenly thinned."""
    where = (Telemetry.flight_id == flight_id,)
    present = _thinned(session, where, max_points)
    old = past.of_flight(session, shelf, flight_id)
    return _with_past(session, where, old, max_points) if old else present


def json_of_drone(
    session: Session, drone_id: str, since: datetime, until: datetime, max_points: int, fields: Sequence[str]
) -> str | None:
    """Return ``fields`` of what ``of_drone`` returns as JSON, as ``json_of_flight`` does."""
    written = _json(session, _period(drone_id, since, until), max_points, fields)
    return None if past.holds(session, drone_id, since, until) else written


def json_of_flight(session: Session, flight_id: str, max_points: int, fields: Sequence[str]) -> str | None:
    """Return ``fields`` of what ``of_flight`` returns as a JSON array that Postgres wrote; None where it has not all.

    A thousand samples made into objects and the objects into JSON take 25 ms, and all who ask beside it wait for that.
    """
    written = _json(session, (Telemetry.flight_id == flight_id,), max_points, fields)
    return None if past.count_of_flight(session, flight_id) else written


def by_second(session: Session, shelf: Shelf, flight_id: str, most: int) -> list[SampleRow]:
    """Return the first sample of each second of a flight, the first ``most`` of them."""
    second = func.date_trunc("second", Telemetry.captured_at)
    where = Telemetry.flight_id == flight_id
    query = select(*_COLUMNS).where(where).order_by(second, Telemetry.captured_at)
    query = query.ext(distinct_on(second)).limit(most)
    present = list(session.execute(query).all())
    every = past.merged(present, past.of_flight(session, shelf, flight_id))
    return _one_a_second(every)[:most]


def last_seconds(session: Session, shelf: Shelf, flight_id: str, seconds: float) -> list[SampleRow]:
    """Return a sample of each of the last ``seconds`` of a flight that is in the archive; else nothing."""
    old = past.of_flight(session, shelf, flight_id)
    return _one_a_second([row for row in old if row.captured_at > old[-1].captured_at - timedelta(seconds=seconds)])


def _one_a_second(rows: Sequence[SampleRow]) -> list[SampleRow]:
    return [next(some) for _, some in groupby(rows, key=lambda row: row.captured_at.replace(microsecond=0))]


def latest(session: Session, drone_id: str) -> SampleRow | None:
    """Return the newest sample of a drone, None before its first; the archive leaves it where it is."""
    query = select(*_COLUMNS).where(Telemetry.drone_id == drone_id).order_by(Telemetry.captured_at.desc()).limit(1)
    return session.execute(query).first()


def count_of_flight(session: Session, flight_id: str) -> int:
    """Return how many samples of a flight are stored."""
    query = select(func.count()).select_from(Telemetry).where(Telemetry.flight_id == flight_id)
    return (session.scalar(query) or 0) + past.count_of_flight(session, flight_id)


def _with_past(
    session: Session, where: tuple[ColumnElement[bool], ...], old: list[Any], max_points: int
) -> list[SampleRow]:
    present = session.execute(select(*_COLUMNS).where(*where)).all()
    every = past.merged(present, old)
    return every[:: max(1, -(-len(every) // max_points))]


def _period(drone_id: str, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return Telemetry.drone_id == drone_id, Telemetry.captured_at >= since, Telemetry.captured_at < until


def _json(session: Session, where: tuple[ColumnElement[bool], ...], max_points: int, fields: Sequence[str]) -> str:
    thinned = _thinning(session, where, max_points).subquery()
    at = func.replace(func.to_char(thinned.c.captured_at, _RFC3339), ".000000Z", "Z").label("captured_at")
    told = select(*(at if name == "captured_at" else thinned.c[name] for name in fields)).subquery()
    rows = func.json_agg(told.table_valued())  # in the order of the subquery
    return str(session.scalar(select(func.coalesce(cast(rows, Text), "[]"))))


def _thinned(session: Session, where: tuple[ColumnElement[bool], ...], max_points: int) -> list[SampleRow]:
    return list(session.execute(_thinning(session, where, max_points)).all())


def _thinning(session: Session, where: tuple[ColumnElement[bool], ...], max_points: int) -> Select[*tuple[Any, ...]]:
    """Return the query of the samples that are kept; of two of one moment one is.

    Which ones is found in the index alone: each sample lies on a page of its own.
    """
    total = session.scalar(select(func.count()).select_from(Telemetry).where(*where)) or 0
    step = max(1, -(-total // max_points))
    query = select(*_COLUMNS).where(*where).order_by(Telemetry.captured_at)
    if step == 1:
        return query
    number = func.row_number().over(order_by=Telemetry.captured_at).label("number")
    numbered = select(Telemetry.captured_at, number).where(*where).subquery()
    kept = select(numbered.c.captured_at).where((numbered.c.number - 1) % step == 0)
    return query.where(Telemetry.captured_at == any_(func.array(kept.scalar_subquery()))).ext(
        distinct_on(Telemetry.captured_at)
    )
