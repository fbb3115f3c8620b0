"""What the map and the rotor view draw, as plain JSON: places in WGS 84, no style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from cloud import telemetry
from cloud.logbook import log
from cloud.planning import assets, plans
from cloud.services import Routes
from cloud.tables import Asset, Drone, Finding, Flight, Site, Telemetry
from cloud.telemetry_store.past import Shelf
from cloud.web import flight_view
from contracts.errors import PlatformError
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.routes import Route
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AssetKind, Blade, FindingStatus

MAX_TRAIL = 900
STRIP_S = 120
MAX_ASSETS = 500
MAX_BENDS = 200
_FIELDS = (
    "lat_deg", "lon_deg", "alt_m", "alt_rel_m", "yaw_deg", "gimbal_yaw_deg", "gimbal_pitch_deg", "battery_percent",
    "battery_v", "gps_fix", "satellites", "link_percent", "wind_mps", "wind_from_deg", "state", "waypoint",
    "flight_id", "drone_id",
)  # fmt: skip


def route_of(session: Session, routes: Routes, flight: Flight | None) -> Route | None:
    """Return a flight's route; None when it can be had nowhere (the page then shows no line)."""
    if flight is None:
        return None
    try:
        return plans.route(session, routes, flight.plan_id, flight.plan_version)
    except PlatformError as error:
        log("route_not_shown", flight_id=flight.flight_id, reason=str(error))
        return None


def build(session: Session, routes: Routes, shelf: Shelf, flight_id: str | None) -> dict[str, Any]:
    """Return everything on the map for a flight, or for the one the page would show."""
    flight = flight_view.current(session, flight_id, None)
    route = route_of(session, routes, flight)
    asset = session.get(Asset, flight.asset_id) if flight else None
    site = session.get(Site, asset.site_id) if asset else session.scalars(select(Site).limit(1)).first()
    return {
        "site": _site(site) if site else None,
        "assets": _assets(session, site),
        "drones": _drones(session, site),
        "flight": flight.flight_id if flight else None,
        "drone": flight.drone_id if flight else None,
        "asset": asset.asset_id if asset else None,
        "route": _route(route) if route else None,
        "trail": trail(session, shelf, flight) if flight else [],
        "strip": recent(session, shelf, flight) if flight else [],
        "rotor": rotor(session, asset, flight, route) if asset and flight else None,
    }


def _site(site: Site) -> dict[str, Any]:
    home = {"lat_deg": site.home_lat_deg, "lon_deg": site.home_lon_deg, "alt_m": site.home_alt_m}
    return {"site_id": site.site_id, "name": site.name, "home": home}


def _assets(session: Session, site: Site | None) -> list[dict[str, Any]]:
    counted = (
        select(Finding.asset_id, func.max(Finding.severity_rank).label("rank"), func.count().label("count"))
        .where(Finding.status.in_([FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value]))
        .group_by(Finding.asset_id)
    )
    if site is not None:
        of_site = select(Asset.asset_id).where(Asset.site_id == site.site_id)
        counted = counted.where(Finding.asset_id.in_(of_site))
    worst = counted.subquery()
    statement = select(Asset, worst.c.rank, worst.c.count).outerjoin(worst, worst.c.asset_id == Asset.asset_id)
    if site is not None:
        statement = statement.where(Asset.site_id == site.site_id)
    return [_asset(asset, rank, count) for asset, rank, count in session.execute(statement.limit(MAX_ASSETS))]


def _asset(asset: Asset, rank: int | None, count: int | None) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    if asset.kind == AssetKind.WIND_TURBINE.value:
        turbine = TurbineGeometry.model_validate(asset.geometry)
        drawn = {
            "lat_deg": turbine.foot.lat_deg,
            "lon_deg": turbine.foot.lon_deg,
            "yaw_deg": turbine.yaw_deg,
            "rotor_radius_m": turbine.root_radius_m + turbine.blade_length_m,
            "nacelle_length_m": turbine.nacelle_length_m,
        }
    elif ground := _ground(asset):
        middle = ground[len(ground) // 2]
        drawn = {"lat_deg": middle.lat_deg, "lon_deg": middle.lon_deg}
        coarse = ground[:: math.ceil(len(ground) / MAX_BENDS)]
        drawn |= {"line": [[round(p.lon_deg, 7), round(p.lat_deg, 7)] for p in (*coarse, ground[-1])]}
    return {"asset_id": asset.asset_id, "name": asset.name, "kind": asset.kind, "worst_rank": rank or 0,
            "findings": count or 0, **drawn}  # fmt: skip


def _ground(asset: Asset) -> tuple[GeoPoint, ...]:
    """Return where an asset that is no turbine stands or runs; none without a geometry."""
    match assets.geometry_of(asset):
        case TelecomTower(foot=foot):
            return (foot,)
        case PowerLine(towers=towers):
            return tuple(tower.foot for tower in towers)
        case Pipeline(centre_line=centre_line):
            return tuple(centre_line)
        case _:
            return ()


def _drones(session: Session, site: Site | None) -> list[dict[str, Any]]:
    statement = select(Drone).order_by(Drone.name)
    if site is not None:
        statement = statement.where(Drone.site_id == site.site_id)
    drones = session.scalars(statement.limit(MAX_ASSETS)).all()
    newest = last_samples(session, [d.drone_id for d in drones])
    return [
        {"drone_id": d.drone_id, "name": d.name, "online": d.online, "last": newest.get(d.drone_id)} for d in drones
    ]


def last_samples(session: Session, drone_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the newest telemetry of each drone as the page uses it, by drone; none of those never heard."""
    newest = (
        select(Telemetry)
        .where(Telemetry.drone_id == Drone.drone_id)
        .order_by(Telemetry.captured_at.desc())
        .limit(1)
        .lateral()
    )
    row = aliased(Telemetry, newest)
    query = select(row).select_from(Drone).join(newest, true()).where(Drone.drone_id.in_(drone_ids))
    return {found.drone_id: sample(found) for found in session.scalars(query)}


def sample(row: telemetry.SampleRow) -> dict[str, Any]:
    """Return a telemetry row as the page uses it."""
    speed = math.hypot(row.vel_east_mps, row.vel_north_mps, row.vel_up_mps)
    told = {name: getattr(row, name) for name in _FIELDS} | {"speed_mps": speed}
    fine = {name: round(value, 7) if isinstance(value, float) else value for name, value in told.items()}
    return fine | {"at": _iso(row.captured_at)}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trail(session: Session, shelf: Shelf, flight: Flight) -> list[list[float]]:
    """Return where the aircraft was, oldest first, as [lon, lat, alt, seconds since 1970]: at most MAX_TRAIL points."""
    rows = telemetry.of_flight(session, shelf, flight.flight_id, MAX_TRAIL)
    # A centimetre is enough to draw, and a third of the bytes.
    return [
        [round(row.lon_deg, 7), round(row.lat_deg, 7), round(row.alt_m, 2), round(row.captured_at.timestamp(), 2)]
        for row in rows
    ]


def recent(session: Session, shelf: Shelf, flight: Flight) -> list[dict[str, Any]]:
    """Return one sample per second of the drone's last two minutes, or of the flight's when it has flown another."""
    latest = select(Telemetry.flight_id).where(Telemetry.drone_id == flight.drone_id)
    last_flight = session.scalar(latest.order_by(Telemetry.captured_at.desc()).limit(1))
    own: Any = Telemetry.flight_id == flight.flight_id
    if last_flight in (None, flight.flight_id):
        own = and_(Telemetry.drone_id == flight.drone_id, or_(own, Telemetry.flight_id.is_(None)))
    newest = session.scalar(select(func.max(Telemetry.captured_at)).where(own))
    if newest is None:
        return [sample(row) for row in telemetry.last_seconds(session, shelf, flight.flight_id, STRIP_S)]
    second = func.date_trunc("second", Telemetry.captured_at)
    terms = (own, Telemetry.captured_at > newest - timedelta(seconds=STRIP_S))
    rows = select(Telemetry).where(*terms).order_by(second, Telemetry.captured_at.desc()).ext(distinct_on(second))
    return [sample(row) for row in session.scalars(rows)]


def _route(route: Route) -> dict[str, Any]:
    return {
        "fence": {"lat_deg": route.fence.centre.lat_deg, "lon_deg": route.fence.centre.lon_deg,
                  "radius_m": route.fence.radius_m},
        "waypoints": [[w.point.lon_deg, w.point.lat_deg, w.point.alt_m] for w in route.waypoints],
    }  # fmt: skip


def rotor(session: Session, asset: Asset, flight: Flight, route: Route | None) -> dict[str, Any] | None:
    """Return the turbine seen from upwind, in metres right of the tower and above its foot."""
    if asset.kind != AssetKind.WIND_TURBINE.value:
        return None
    turbine = TurbineGeometry.model_validate(asset.geometry)
    frame = turbine.frame()
    terms = (Finding.flight_id == flight.flight_id, Finding.lat_deg.is_not(None),
             Finding.status != FindingStatus.REJECTED.value)  # fmt: skip
    findings = session.scalars(select(Finding).where(*terms).order_by(Finding.severity_rank))
    return {
        "foot": turbine.foot.model_dump(),
        "yaw_deg": turbine.yaw_deg,
        "hub_m": turbine.hub_height_m,
        "tower_m": [turbine.tower_base_radius_m, turbine.tower_top_radius_m],
        "nacelle_m": turbine.nacelle_radius_m,
        "blades": [{"blade": blade.value, "outline": _outline(turbine, blade)} for blade in Blade],
        "route": [_seen_from_upwind(turbine, frame.to_enu(w.point)) for w in route.waypoints] if route else [],
        "findings": [
            {"finding_id": f.finding_id, "number": f.number, "rank": f.severity_rank, "at": _place(turbine, frame, f)}
            for f in findings
        ],
    }


def _place(turbine: TurbineGeometry, frame: LocalFrame, finding: Finding) -> list[float]:
    point = GeoPoint(lat_deg=finding.lat_deg or 0, lon_deg=finding.lon_deg or 0, alt_m=finding.alt_m or 0)
    return _seen_from_upwind(turbine, frame.to_enu(point))


def _outline(turbine: TurbineGeometry, blade: Blade) -> list[list[float]]:
    span, leading, _ = turbine.blade_axes(blade)
    root = turbine.hub().plus(span, turbine.root_radius_m)
    tip = root.plus(span, turbine.blade_length_m)
    ahead, behind = 0.3 * turbine.root_chord_m, -0.7 * turbine.root_chord_m
    corners = [
        root.plus(leading, ahead),
        tip.plus(leading, ahead * turbine.taper),
        tip.plus(leading, behind * turbine.taper),
        root.plus(leading, behind),
    ]
    return [_seen_from_upwind(turbine, corner) for corner in corners]


def _seen_from_upwind(turbine: TurbineGeometry, place: Enu) -> list[float]:
    """Return [metres to the right as one faces the rotor, metres up]."""
    axis = turbine.axis()
    right = Enu(-axis.north, axis.east, 0.0)
    return [round(place.dot(right), 2), round(place.up, 2)]
