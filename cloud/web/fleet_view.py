"""What the page says of drones: presence, the state of their computers, what they still have to send, certificates."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import fleet
from cloud.tables import CertificateRevocation, Drone, Flight, InventoryRow, LostRow, Media, Site
from contracts.health import Health
from contracts.vocabulary import IN_THE_AIR


class DroneCard(NamedTuple):
    """One drone. ``complaints``: what a person should mend before a flight."""

    drone: Drone
    site: str
    online: bool
    silent_s: float | None
    health: Health | None
    complaints: tuple[str, ...]
    flying: str | None
    segments_left: int
    bytes_left: int
    lost_records: int
    certificates: tuple[CertificateRevocation, ...]


def cards(session: Session, now: datetime) -> tuple[DroneCard, ...]:
    """Return every drone, those with something to mend first."""
    airborne = select(Flight.drone_id, Flight.flight_id).where(Flight.state.in_([s.value for s in IN_THE_AIR]))
    flying = {row.drone_id: row.flight_id for row in session.execute(airborne)}
    backlog, lost, certificates = _backlog(session), _lost(session), _certificates(session)
    query = select(Drone, Site.name).join(Site, Site.site_id == Drone.site_id).order_by(Drone.name)
    made = []
    for drone, site in session.execute(query):
        health = Health.model_validate(drone.health) if drone.health else None
        silent_s = (now - drone.last_seen_at).total_seconds() if drone.last_seen_at else None
        made.append(
            DroneCard(
                drone=drone,
                site=site,
                online=drone.online and silent_s is not None and silent_s <= fleet.ONLINE_WITHIN_S,
                silent_s=silent_s,
                health=health,
                complaints=tuple(health.complaints()) if health else (),
                flying=flying.get(drone.drone_id),
                segments_left=backlog[drone.drone_id][0],
                bytes_left=backlog[drone.drone_id][1],
                lost_records=lost[drone.drone_id],
                certificates=tuple(certificates[drone.drone_id]),
            )
        )
    return tuple(sorted(made, key=lambda card: (not card.complaints, not card.flying, card.drone.name)))


def _backlog(session: Session) -> defaultdict[str, tuple[int, int]]:
    """Return (segments, bytes) that each drone has told of and that have not arrived."""
    arrived = (
        select(Media.flight_id, func.count().label("segments"), func.sum(Media.size_bytes).label("bytes"))
        .group_by(Media.flight_id)
        .subquery()
    )
    query = (
        select(Flight.drone_id, InventoryRow.segments, InventoryRow.size_bytes, arrived.c.segments, arrived.c.bytes)
        .join(Flight, Flight.flight_id == InventoryRow.flight_id)
        .outerjoin(arrived, arrived.c.flight_id == InventoryRow.flight_id)
    )
    left: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for drone_id, segments, size, came, came_bytes in session.execute(query):
        before = left[drone_id]
        left[drone_id] = (
            before[0] + max(0, segments - (came or 0)),
            before[1] + max(0, int(size) - int(came_bytes or 0)),
        )
    return left


def _lost(session: Session) -> Counter[str]:
    """Return how many records each drone has said will never come."""
    span = LostRow.last_seq - LostRow.first_seq + 1
    kept = func.coalesce(span / func.nullif(LostRow.kept_every, 0), 0)
    rows = session.execute(select(LostRow.drone_id, func.sum(span - kept)).group_by(LostRow.drone_id))
    return Counter({drone_id: int(count) for drone_id, count in rows})


def _certificates(session: Session) -> defaultdict[str, list[CertificateRevocation]]:
    query = select(CertificateRevocation).order_by(CertificateRevocation.asked_at.desc())
    found: defaultdict[str, list[CertificateRevocation]] = defaultdict(list)
    for row in session.scalars(query):
        found[row.drone_id].append(row)
    return found
