"""The tools ``flights``, ``assets``, ``drones`` and ``tickets``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Citation, Period, Row, RowKind, Value, plain
from cloud.assistant.tools.parameters import (
    AssetsQuery,
    DronesQuery,
    FlightsQuery,
    FramesQuery,
    SitesQuery,
)
from cloud.assistant.words import severity_label
from cloud.tables import Asset, Drone, EvidenceRow, Finding, Flight, Media, Site, Telemetry
from contracts.vocabulary import FindingStatus, MediaState


def flight_time() -> ColumnElement[datetime]:
    """Return when a flight happened: its start, or its creation when it never started."""
    return func.coalesce(Flight.started_at, Flight.created_at)


def flight_label(flight_id: str) -> str:
    """Return a short name: ids that sort by time are told apart by their end."""
    return f"flight {flight_id if len(flight_id) <= 16 else flight_id[-8:]}"


def flight_citation(flight_id: str) -> Citation:
    """Return the citation of a flight; the page shows it at the address."""
    return Citation(kind=RowKind.FLIGHT, id=flight_id, label=flight_label(flight_id), href=f"/?flight={flight_id}")


def asset_citation(asset: Asset) -> Citation:
    """Return the citation of an asset."""
    return Citation(kind=RowKind.ASSET, id=asset.asset_id, label=plain(asset.name), href=f"/?asset={asset.asset_id}")


def drone_citation(drone: Drone) -> Citation:
    """Return the citation of a drone."""
    return Citation(kind=RowKind.DRONE, id=drone.drone_id, label=plain(drone.name), href="/")


def asked_names(session: Session, asset_ids: tuple[str, ...], site_ids: tuple[str, ...] = ()) -> dict[str, Value]:
    """Return the names of the assets and sites asked for as facts of the count."""
    assets = session.scalars(select(Asset.name).where(Asset.asset_id.in_(asset_ids)).order_by(Asset.name))
    sites = session.scalars(select(Site.name).where(Site.site_id.in_(site_ids)).order_by(Site.name))
    return {
        "assets_asked": " and ".join(plain(name) for name in assets) or None,
        "sites_asked": " and ".join(plain(name) for name in sites) or None,
    }


def within(statement: Any, column: Any, period: Period | None) -> Any:
    """Return the statement with the period as a condition on a time column."""
    if period and period.start:
        statement = statement.where(column >= period.start)
    if period and period.end:
        statement = statement.where(column < period.end)
    return statement


def how_many(session: Session, statement: Any) -> int:
    """Return how many rows a statement has without its limit."""
    return session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0


def total_row(step: str, total: int, rows: list[Row], values: dict[str, Value]) -> Row:
    """Return the row that says how many there are; it cites the listed ones."""
    cites = tuple(cite for row in rows for cite in row.cites[:1])
    values = {"total": total, **values}
    return Row(ref=f"{step}.n", kind=RowKind.COUNT, label="all", values=values, cites=cites, cited_of=total)


def flights(session: Session, step: str, query: FlightsQuery) -> list[Row]:
    """Return how many flights match, then the newest."""
    statement = within(
        select(Flight, Asset, Drone)
        .join(Asset, Asset.asset_id == Flight.asset_id)
        .join(Drone, Drone.drone_id == Flight.drone_id),
        flight_time(),
        query.period,
    ).order_by(flight_time().desc(), Flight.flight_id.desc())
    for column, wanted in (
        (Asset.site_id, query.site_ids),
        (Flight.asset_id, query.asset_ids),
        (Flight.drone_id, query.drone_ids),
        (Flight.flight_id, query.flight_ids),
        (Flight.state, query.states),
    ):
        if wanted:
            statement = statement.where(column.in_(wanted))
    rows: list[Row] = []
    for flight, asset, drone in session.execute(statement.limit(query.limit)):
        ref = f"{step}.{len(rows) + 1}"
        cites = (flight_citation(flight.flight_id), asset_citation(asset))
        values = _flight_values(session, flight) | {"asset": plain(asset.name), "drone": plain(drone.name)}
        rows.append(Row(ref=ref, kind=RowKind.FLIGHT, label=cites[0].label, values=values, cites=cites))
    says = query.period.says if query.period else None
    said = asked_names(session, query.asset_ids, query.site_ids)
    return [total_row(step, how_many(session, statement), rows, {"period": says, "states": query.states} | said), *rows]


def _flight_values(session: Session, flight: Flight) -> dict[str, Value]:
    segments = select(func.count()).where(Media.flight_id == flight.flight_id)
    found = select(func.count()).where(
        Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value
    )
    return {
        "flight": flight_label(flight.flight_id),
        "state": flight.state,
        "at": flight.started_at or flight.created_at,
        "landed_at": flight.landed_at,
        "segments": session.scalar(segments) or 0,
        "analysed": session.scalar(segments.where(Media.state == MediaState.ANALYSED.value)) or 0,
        "expected_segments": flight.expected_segments,
        "findings": session.scalar(found) or 0,
    }


def sites(session: Session, step: str, query: SitesQuery) -> list[Row]:
    """Return how many sites there are, then each with its assets, findings and last flight."""
    statement = select(Site).order_by(Site.name, Site.site_id)
    if query.site_ids:
        statement = statement.where(Site.site_id.in_(query.site_ids))
    rows: list[Row] = []
    for site in session.scalars(statement.limit(query.limit)):
        own = select(Asset.asset_id).where(Asset.site_id == site.site_id)
        live = select(func.count(), func.max(Finding.severity_rank)).where(
            Finding.asset_id.in_(own), Finding.status != FindingStatus.REJECTED.value
        )
        found = session.execute(live).one()
        last = session.execute(
            select(Flight.flight_id, Flight.started_at)
            .where(Flight.asset_id.in_(own), Flight.started_at.is_not(None))
            .order_by(Flight.started_at.desc())
            .limit(1)
        ).first()
        values: dict[str, Value] = {
            "site": plain(site.name),
            "assets": how_many(session, own),
            "findings": found[0],
            "worst": severity_label(found[1]) if found[1] else None,
            "worst_rank": found[1],
            "last_flight_at": last.started_at if last else None,
            "lat_deg": site.home_lat_deg,
            "lon_deg": site.home_lon_deg,
        }
        site_cite = Citation(kind=RowKind.SITE, id=site.site_id, label=plain(site.name), href="/")
        cites = (site_cite, *([flight_citation(last.flight_id)] if last else []))
        rows.append(Row(ref=f"{step}.{len(rows) + 1}", kind=RowKind.SITE, label=plain(site.name), values=values,
                        cites=cites))  # fmt: skip
    return [total_row(step, how_many(session, statement), rows, {}), *rows]


def frames(session: Session, step: str, query: FramesQuery) -> list[Row]:
    """Return the frames of findings, the sharpest look first."""
    statement = (
        select(EvidenceRow, Finding.number)
        .join(Finding, Finding.finding_id == EvidenceRow.finding_id)
        .where(Finding.number.in_(query.numbers))
        .order_by(Finding.number, EvidenceRow.confidence.desc(), EvidenceRow.evidence_id)
    )
    rows: list[Row] = []
    for frame, number in session.execute(statement.limit(query.limit)):
        cite = Citation(kind=RowKind.FINDING, id=frame.finding_id, label=f"F-{number}",
                        href=f"/?finding={frame.finding_id}", number=number)  # fmt: skip
        values: dict[str, Value] = {
            "finding": f"F-{number}",
            "segment": plain(frame.segment_id),
            "frame": frame.frame,
            "captured_at": frame.captured_at,
            "gsd_mm_px": frame.gsd_mm_px,
            "incidence_deg": frame.incidence_deg,
            "confidence_percent": 100 * frame.confidence,
        }
        rows.append(Row(ref=f"{step}.{len(rows) + 1}", kind=RowKind.FRAME, label=f"F-{number}, frame {frame.frame}",
                        values=values, cites=(cite,)))  # fmt: skip
    return [total_row(step, how_many(session, statement), rows, {}), *rows]


def assets(session: Session, step: str, query: AssetsQuery) -> list[Row]:
    """Return how many assets there are, then each with its last flight and open findings."""
    statement = select(Asset).order_by(Asset.name, Asset.asset_id)
    if query.asset_ids:
        statement = statement.where(Asset.asset_id.in_(query.asset_ids))
    if query.site_ids:
        statement = statement.where(Asset.site_id.in_(query.site_ids))
    rows: list[Row] = []
    for asset in session.scalars(statement.limit(query.limit)):
        last = session.scalars(
            select(Flight).where(Flight.asset_id == asset.asset_id, Flight.started_at.is_not(None))
            .order_by(Flight.started_at.desc()).limit(1)
        ).first()  # fmt: skip
        found = session.execute(
            select(func.count(), func.max(Finding.severity_rank)).where(
                Finding.asset_id == asset.asset_id, Finding.status != FindingStatus.REJECTED.value
            )
        ).one()
        foot = asset.geometry.get("foot") or {}
        values: dict[str, Value] = {
            "asset": plain(asset.name),
            "kind": asset.kind.replace("_", " "),
            "lat_deg": foot.get("lat_deg"),
            "lon_deg": foot.get("lon_deg"),
            "functional_location": plain(asset.functional_location),
            "last_flight_at": last.started_at if last else None,
            "findings": found[0],
            "worst": severity_label(found[1]) if found[1] else None,
            "worst_rank": found[1],
        }
        cites = (asset_citation(asset), *([flight_citation(last.flight_id)] if last else []))
        rows.append(Row(ref=f"{step}.{len(rows) + 1}", kind=RowKind.ASSET, label=plain(asset.name), values=values,
                        cites=cites))  # fmt: skip
    return [total_row(step, how_many(session, statement), rows, {}), *rows]


def drones(session: Session, step: str, query: DronesQuery) -> list[Row]:
    """Return how many drones match, then each with its last telemetry."""
    statement = select(Drone).order_by(Drone.name, Drone.drone_id)
    if query.drone_ids:
        statement = statement.where(Drone.drone_id.in_(query.drone_ids))
    if query.site_ids:
        statement = statement.where(Drone.site_id.in_(query.site_ids))
    if query.online is not None:
        statement = statement.where(Drone.online.is_(query.online))
    rows: list[Row] = []
    for drone in session.scalars(statement.limit(query.limit)):
        last = session.scalars(
            select(Telemetry)
            .where(Telemetry.drone_id == drone.drone_id)
            .order_by(Telemetry.captured_at.desc())
            .limit(1)
        ).first()
        values: dict[str, Value] = {
            "drone": plain(drone.name),
            "online": "online" if drone.online else "offline",
            "last_seen_at": drone.last_seen_at,
            "state": last.state.replace("_", " ") if last else None,
            "battery_percent": last.battery_percent if last else None,
            "alt_rel_m": last.alt_rel_m if last else None,
            "captured_at": last.captured_at if last else None,
        }
        ref = f"{step}.{len(rows) + 1}"
        rows.append(Row(ref=ref, kind=RowKind.DRONE, label=plain(drone.name), values=values,
                        cites=(drone_citation(drone),)))  # fmt: skip
    online = None if query.online is None else ("online" if query.online else "offline")
    return [total_row(step, how_many(session, statement), rows, {"online": online}), *rows]
