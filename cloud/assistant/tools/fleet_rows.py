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
    TicketsQuery,
)
from cloud.assistant.words import kind_label, severity_label
from cloud.tables import Asset, Drone, Finding, Flight, Media, Telemetry, Ticket
from contracts.vocabulary import FindingStatus, MediaState

CLOSED_PHASES = ("Completed", "Deletion Flag")
"""Processing phases of SAP notifications that need no more work."""


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


def asked_names(session: Session, asset_ids: tuple[str, ...]) -> dict[str, Value]:
    """Return the names of the assets asked for as a fact of the count."""
    names = session.scalars(select(Asset.name).where(Asset.asset_id.in_(asset_ids)).order_by(Asset.name))
    return {"assets_asked": " and ".join(plain(name) for name in names) or None}


def _within(statement: Any, column: Any, period: Period | None) -> Any:
    if period and period.start:
        statement = statement.where(column >= period.start)
    if period and period.end:
        statement = statement.where(column < period.end)
    return statement


def _how_many(session: Session, statement: Any) -> int:
    return session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0


def _total(step: str, total: int, rows: list[Row], values: dict[str, Value]) -> Row:
    """Return the row that says how many there are; it cites the listed ones."""
    cites = tuple(cite for row in rows for cite in row.cites[:1])
    values = {"total": total, **values}
    return Row(ref=f"{step}.n", kind=RowKind.COUNT, label="all", values=values, cites=cites, cited_of=total)


def flights(session: Session, step: str, query: FlightsQuery) -> list[Row]:
    """Return how many flights match, then the newest."""
    statement = _within(
        select(Flight, Asset, Drone)
        .join(Asset, Asset.asset_id == Flight.asset_id)
        .join(Drone, Drone.drone_id == Flight.drone_id),
        flight_time(),
        query.period,
    ).order_by(flight_time().desc(), Flight.flight_id.desc())
    for column, wanted in (
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
    said = asked_names(session, query.asset_ids)
    return [_total(step, _how_many(session, statement), rows, {"period": says, "states": query.states} | said), *rows]


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


def assets(session: Session, step: str, query: AssetsQuery) -> list[Row]:
    """Return how many assets there are, then each with its last flight and open findings."""
    statement = select(Asset).order_by(Asset.name, Asset.asset_id)
    if query.asset_ids:
        statement = statement.where(Asset.asset_id.in_(query.asset_ids))
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
        values: dict[str, Value] = {
            "asset": plain(asset.name),
            "kind": asset.kind.replace("_", " "),
            "functional_location": plain(asset.functional_location),
            "last_flight_at": last.started_at if last else None,
            "findings": found[0],
            "worst": severity_label(found[1]) if found[1] else None,
            "worst_rank": found[1],
        }
        cites = (asset_citation(asset), *([flight_citation(last.flight_id)] if last else []))
        rows.append(Row(ref=f"{step}.{len(rows) + 1}", kind=RowKind.ASSET, label=plain(asset.name), values=values,
                        cites=cites))  # fmt: skip
    return [_total(step, _how_many(session, statement), rows, {}), *rows]


def drones(session: Session, step: str, query: DronesQuery) -> list[Row]:
    """Return how many drones match, then each with its last telemetry."""
    statement = select(Drone).order_by(Drone.name, Drone.drone_id)
    if query.drone_ids:
        statement = statement.where(Drone.drone_id.in_(query.drone_ids))
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
    return [_total(step, _how_many(session, statement), rows, {"online": online}), *rows]


def tickets(session: Session, step: str, query: TicketsQuery) -> list[Row]:
    """Return how many tickets match, then the newest, each with its finding."""
    statement = _within(
        select(Ticket, Finding, Asset)
        .join(Finding, Finding.finding_id == Ticket.finding_id)
        .join(Asset, Asset.asset_id == Finding.asset_id),
        Ticket.created_at,
        query.period,
    ).order_by(Ticket.created_at.desc(), Finding.number.desc())
    for column, wanted in (
        (Finding.asset_id, query.asset_ids),
        (Finding.number, query.finding_numbers),
        (Ticket.number, query.ticket_numbers),
    ):
        if wanted:
            statement = statement.where(column.in_(wanted))
    if query.open is not None:
        statement = statement.where(
            Ticket.phase.not_in(CLOSED_PHASES) if query.open else Ticket.phase.in_(CLOSED_PHASES)
        )
    if query.has_number is not None:
        statement = statement.where(Ticket.number.is_not(None) if query.has_number else Ticket.number.is_(None))
    rows: list[Row] = []
    for ticket, finding, asset in session.execute(statement.limit(query.limit)):
        ref = f"{step}.{len(rows) + 1}"
        rows.append(_ticket_row(ref, ticket, finding, asset))
    says = query.period.says if query.period else None
    said = asked_names(session, query.asset_ids)
    return [
        _total(
            step,
            _how_many(session, statement),
            rows,
            {"period": says, "open": query.open, "has_number": query.has_number} | said,
        ),
        *rows,
    ]


def _ticket_row(ref: str, ticket: Ticket, finding: Finding, asset: Asset) -> Row:
    waited = (ticket.opened_at - finding.detected_at).total_seconds() if ticket.opened_at else None
    values: dict[str, Value] = {
        "ticket": plain(ticket.number) or None,
        "system": plain(ticket.system),
        "phase": plain(ticket.phase) or None,
        "priority": plain(ticket.priority) or None,
        "finding": f"F-{finding.number}",
        "kind": kind_label(finding.kind),
        "severity": severity_label(finding.severity_rank),
        "asset": plain(asset.name),
        "opened_at": ticket.opened_at,
        "frame_to_ticket_s": waited,
    }
    finding_cite = Citation(kind=RowKind.FINDING, id=finding.finding_id, label=f"F-{finding.number}",
                            href=f"/?finding={finding.finding_id}", number=finding.number)  # fmt: skip
    cites: tuple[Citation, ...] = (finding_cite,)
    if ticket.number:
        cites = (finding_cite, Citation(kind=RowKind.TICKET, id=ticket.ticket_id, label=plain(ticket.number),
                                        href=f"/?finding={finding.finding_id}"))  # fmt: skip
    return Row(ref=ref, kind=RowKind.TICKET, label=plain(ticket.number) or "no number yet", values=values, cites=cites)
