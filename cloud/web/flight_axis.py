"""A flight as numbers on one time axis: what the scrubber moves through. Times are seconds from the axis' start."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import telemetry
from cloud.services import Routes
from cloud.tables import EvidenceRow, Finding, Flight, Media
from cloud.telemetry_store.past import Shelf
from cloud.web import mapping, timeline
from cloud.web.labels import inline, kind
from contracts.geo import GeoPoint, LocalFrame
from contracts.routes import Route
from contracts.vocabulary import FindingStatus

MOST_SAMPLES = 1200


def build(session: Session, routes: Routes, shelf: Shelf, flight: Flight) -> dict[str, Any]:
    """Return the axis, samples, segments, findings and route of a flight as plain JSON; metres about the route's home.

    ``samples`` are [t, east, north, up above home, speed m/s, battery % or null, link % or null, heading deg].
    """
    route = mapping.route_of(session, routes, flight)
    axis = timeline.build(session, shelf, flight, route)
    if axis is None:
        return {"start": None, "length_s": 0, "samples": [], "segments": [], "findings": [], "route": [], "home": None}
    start = axis.start.timestamp()
    rows = telemetry.of_flight(session, shelf, flight.flight_id, MOST_SAMPLES)
    frame = _frame(route, rows)
    segments = session.scalars(select(Media).where(Media.flight_id == flight.flight_id).order_by(Media.index))
    return {
        "start": axis.start.isoformat(),
        "length_s": round(axis.end.timestamp() - start, 3),
        "live": axis.live,
        "samples": [_sample(frame, row, start) for row in rows],
        "segments": [
            {
                "id": s.segment_id,
                "at": round(s.started_at.timestamp() - start, 3),
                "length_s": s.duration_s,
                "state": s.state,
            }
            for s in segments
        ],
        "findings": _findings(session, flight, start),
        "route": [_flat(frame, w.point) for w in route.waypoints] if route and frame else [],
    }


def _frame(route: Route | None, rows: list[telemetry.SampleRow]) -> LocalFrame | None:
    if route is not None:
        return LocalFrame(route.home)
    if not rows:
        return None
    first = rows[0]
    return LocalFrame(GeoPoint(lat_deg=first.lat_deg, lon_deg=first.lon_deg, alt_m=first.alt_m))


def _flat(frame: LocalFrame, point: GeoPoint) -> list[float]:
    here = frame.to_enu(point)
    return [round(here.east, 1), round(here.north, 1), round(here.up, 1)]


def _sample(frame: LocalFrame | None, row: telemetry.SampleRow, start: float) -> list[float | None]:
    point = GeoPoint(lat_deg=row.lat_deg, lon_deg=row.lon_deg, alt_m=row.alt_m)
    place = _flat(frame, point) if frame else [0.0, 0.0, 0.0]
    speed_mps = math.sqrt(row.vel_east_mps**2 + row.vel_north_mps**2 + row.vel_up_mps**2)
    return [
        round(row.captured_at.timestamp() - start, 2),
        place[0],
        place[1],
        round(row.alt_rel_m, 1),
        round(speed_mps, 2),
        _tenths(row.battery_percent),
        _tenths(row.link_percent),
        round(row.yaw_deg, 0),
    ]


def _tenths(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)


def _findings(session: Session, flight: Flight, start: float) -> list[dict[str, Any]]:
    """Return the flight's evidence that has a crop, in order of time."""
    query = (
        select(EvidenceRow, Finding)
        .join(Finding, Finding.finding_id == EvidenceRow.finding_id)
        .where(Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value)
        .where(EvidenceRow.crop_key != "")
        .order_by(EvidenceRow.captured_at)
    )
    return [
        {
            "id": f.finding_id,
            "at": round(e.captured_at.timestamp() - start, 2),
            "evidence": e.evidence_id,
            "rank": f.severity_rank,
            "title": f"F-{f.number} {inline(kind(f.kind))}",
        }
        for e, f in session.execute(query)
    ]
