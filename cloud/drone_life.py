"""A drone's own life as the cloud follows it: the health of its computer, the certificates it has replaced."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import audit
from cloud.db import Database, notify
from cloud.logbook import log
from cloud.tables import CertificateRevocation, Drone
from contracts.errors import Conflict, Forbidden
from contracts.events import DroneEvent, DroneEventKind

REPLACED = "certificate_replaced"
_CERTIFICATE_ID = re.compile(r"^[0-9A-Za-z]{1,128}$")
_AHEAD = timedelta(minutes=1)
_AT_ONCE = 20


class Certificates(Protocol):
    """Where the drones' certificates were issued."""

    def revoke(self, drone_id: str, certificate_id: str) -> None:
        """Make a replaced certificate useless; again is harmless.

        Raises:
            Forbidden: It is not this drone's.
            Conflict: It is the drone's only one.
            Unavailable: Try again later.

        """


def on_drone_event(session: Session, drone_id: str, event: DroneEvent) -> None:
    """Apply what a drone says of itself. Repeats and late reports change nothing."""
    if event.kind is DroneEventKind.HEALTH and event.health is not None:
        _note_health(session, drone_id, event)
    elif event.kind is DroneEventKind.SAFETY and event.code == REPLACED:
        _ask_revocation(session, drone_id, event)


def _note_health(session: Session, drone_id: str, event: DroneEvent) -> None:
    """Keep the newest reading; one from a clock that ran ahead does not hide those after it."""
    row = session.get(Drone, drone_id, with_for_update=True)
    if row is None or event.health is None:
        return
    now = datetime.now(UTC)
    read_at = min(event.at, now)
    if row.health_at is not None and read_at < row.health_at <= now + _AHEAD:
        return
    row.health, row.health_at = event.health.model_dump(mode="json"), read_at
    notify(session, "drone", drone_id)


def _ask_revocation(session: Session, drone_id: str, event: DroneEvent) -> None:
    if not _CERTIFICATE_ID.match(event.detail) or session.get(Drone, drone_id) is None:
        log("revocation_unreadable", drone_id=drone_id, detail=event.detail[:80])
        return
    values = {"certificate_id": event.detail, "drone_id": drone_id, "asked_at": event.at, "refused": ""}
    session.execute(insert(CertificateRevocation).values(values).on_conflict_do_nothing())


def waiting(session: Session, drone_id: str) -> list[str]:
    """Return the replaced certificates of a drone that still open the door."""
    open_ones = CertificateRevocation.revoked_at.is_(None)
    query = select(CertificateRevocation.certificate_id).where(CertificateRevocation.drone_id == drone_id, open_ones)
    return list(session.scalars(query.order_by(CertificateRevocation.asked_at)))


def revoke(database: Database, certificates: Certificates | None) -> int:
    """Revoke what drones have replaced; returns how many. Without an issuer they wait, shown with their drone.

    Raises:
        Unavailable: The issuer does not answer; the rest waits for the next pass.

    """
    if certificates is None:
        return 0
    with database.session() as session:
        open_ones = (CertificateRevocation.revoked_at.is_(None), CertificateRevocation.refused == "")
        query = select(CertificateRevocation.certificate_id).where(*open_ones)
        ids = list(session.scalars(query.order_by(CertificateRevocation.asked_at).limit(_AT_ONCE)))
    return sum(_revoke_one(database, certificates, certificate_id) for certificate_id in ids)


def _revoke_one(database: Database, certificates: Certificates, certificate_id: str) -> bool:
    with database.session() as session:
        row = session.get_one(CertificateRevocation, certificate_id, with_for_update=True)
        try:
            certificates.revoke(row.drone_id, certificate_id)
        except (Forbidden, Conflict) as error:
            row.refused = error.message
            log("revocation_refused", drone_id=row.drone_id, certificate_id=certificate_id, reason=error.message)
            return False
        row.revoked_at = datetime.now(UTC)
        audit.record(session, row.drone_id, "certificate.revoke", certificate_id, after={"drone_id": row.drone_id})
        notify(session, "drone", row.drone_id)
    return True
