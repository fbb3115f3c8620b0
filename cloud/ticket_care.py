"""What a notification gets after its number: the evidence picture and, where the policy says so, a maintenance order.

Neither holds up the number. What is done is looked up in the customer's system first, so that a crash between its
answer and our commit never makes two; what fails is written on the ticket and tried again later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cloud import merging, places
from cloud.db import notify
from cloud.logbook import log
from cloud.maintenance import MaintenanceSystem, OrderDraft, Picture
from cloud.tables import Asset, EvidenceRow, Finding, Ticket
from contracts.errors import CorruptMedia, MaintenanceRejected, NotFound
from contracts.places import in_short

AT_ONCE = 10
_AGAIN = timedelta(hours=1)
_WORK_DAYS = 30
"""Length of an order whose finding has no due date."""
_OPERATION_MAX = 40
_OPERATIONS = ("Inspect {place}", "Repair", "Photograph the repair")


class Pictures(Protocol):
    """Where crops lie."""

    def get(self, key: str) -> bytes:
        """Return the whole object."""


def due(session: Session, system: str, now: datetime, most: int = AT_ONCE) -> Sequence[str]:
    """Return the open tickets that still lack a picture or an order, the oldest first."""
    return session.scalars(
        select(Ticket.ticket_id)
        .where(
            Ticket.system == system,
            Ticket.number.is_not(None),
            Ticket.status == "open",
            or_(Ticket.attached_at.is_(None), (Ticket.order_type != "") & (Ticket.order_number == "")),
            or_(Ticket.care_after.is_(None), Ticket.care_after < now),
        )
        .order_by(Ticket.created_at)
        .limit(most)
    ).all()


def complete(session: Session, system: MaintenanceSystem, pictures: Pictures, ticket_id: str) -> str:
    """Give one ticket what it lacks; returns completed or refused (the reason is then on the ticket).

    Raises:
        Unavailable: The system or the store does not answer; nothing is recorded, ask again.

    """
    ticket = session.get(Ticket, ticket_id, with_for_update=True)
    finding = session.get(Finding, ticket.finding_id) if ticket is not None else None
    if ticket is None or finding is None or ticket.number is None:
        return "refused"
    now = datetime.now(UTC)
    try:
        if ticket.attached_at is None:
            _attach(session, system, pictures, ticket.number, finding)
            ticket.attached_at = now
        if ticket.order_type and not ticket.order_number:
            ticket.order_number = _ordered(session, system, ticket, finding)
    except (MaintenanceRejected, NotFound, CorruptMedia) as error:
        ticket.care_error, ticket.care_after = str(error)[:400], now + _AGAIN
        log("ticket_care_refused", number=ticket.number, error=str(error))
        return "refused"
    ticket.care_error = ""
    notify(session, "ticket", ticket.ticket_id)
    return "completed"


def _attach(session: Session, system: MaintenanceSystem, pictures: Pictures, number: str, finding: Finding) -> None:
    rows = session.scalars(
        select(EvidenceRow).where(EvidenceRow.finding_id == finding.finding_id, EvidenceRow.crop_key != "")
    )
    best = max(rows, key=_worth, default=None)
    if best is None:
        return
    name = f"F-{finding.number}-{best.evidence_id}.jpg"
    if name in system.pictures(number):
        return
    body = pictures.get(best.crop_key)
    if best.crop_sha256 and hashlib.sha256(body).hexdigest() != best.crop_sha256:
        raise CorruptMedia(f"{best.crop_key} is not the picture that was recorded.", hint="Verify the evidence bundle.")
    system.attach(number, Picture(name, "image/jpeg", body))
    log("picture_attached", number=number, key=best.crop_key)


def _worth(row: EvidenceRow) -> tuple[float, str]:
    seen = {"confidence": row.confidence, "gsd_mm_px": row.gsd_mm_px, "incidence_deg": row.incidence_deg}
    return merging.quality(**seen), row.evidence_id


def _ordered(session: Session, system: MaintenanceSystem, ticket: Ticket, finding: Finding) -> str:
    number = str(ticket.number)
    known = system.find_order(number)
    if known is not None:
        return known
    asset = session.get_one(Asset, finding.asset_id)
    now = datetime.now(UTC)
    place = f"blade {finding.blade} {finding.side}" if finding.blade else part_in_words(finding)
    draft = OrderDraft(
        notification=number,
        kind=ticket.order_type,
        text=ticket.text,
        priority=ticket.priority,
        functional_location=asset.functional_location or "",
        starts_at=now,
        ends_at=max(now, finding.due_at or now + timedelta(days=_WORK_DAYS)),
        operations=tuple(text.format(place=place)[:_OPERATION_MAX] for text in _OPERATIONS),
    )
    made = system.create_order(draft)
    log("order_created", number=number, order=made)
    return made


def part_in_words(finding: Finding) -> str:
    """Return what is to be inspected where it is no blade, short enough for an operation's text."""
    there = places.part_place(finding)
    return "the place" if there is None else in_short(there)
