"""A repair as a calendar entry (RFC 5545), for people's calendars and the customer's notification."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC

import segno
from icalendar import Calendar, Event
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import places, tickets
from cloud.logbook import log
from cloud.maintenance import MaintenanceSystem, Picture
from cloud.repairs.book import ACCEPTED, CANCELLED
from cloud.tables import Asset, CrewRow, Finding, RepairSlot, Ticket
from contracts.errors import Conflict

CONTENT_TYPE = "text/calendar"
AT_ONCE = 10
_STATUS = {ACCEPTED: "CONFIRMED", CANCELLED: "CANCELLED"}


def entry(session: Session, slot: RepairSlot, page: str = "") -> bytes:
    """Return a repair's calendar entry; the same repair gives the same bytes, a later one replaces it by its SEQUENCE.

    ``page``: the crew's page of it, where the entry goes to the crew.

    Raises:
        Conflict: It has no time.

    """
    if slot.starts_at is None or slot.ends_at is None:
        raise Conflict(f"{slot.slot_id} has no time.", hint=slot.reason or "Plan it first.")
    finding = session.get_one(Finding, slot.finding_id)
    asset = session.get_one(Asset, finding.asset_id)
    crew = session.get(CrewRow, slot.crew_id) if slot.crew_id else None
    ticket = tickets.of_defect(session, finding)
    event = Event()
    event.add("uid", f"{slot.slot_id}@kestrel")
    event.add("sequence", slot.sequence)
    event.add("dtstamp", slot.updated_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", slot.starts_at.astimezone(UTC))
    event.add("dtend", slot.ends_at.astimezone(UTC))
    event.add("summary", f"Repair F-{finding.number}: {finding.kind.replace('_', ' ')}, {asset.name}")
    event.add("location", f"{asset.name} {asset.functional_location}, {places.where(finding)}")
    event.add("status", _STATUS.get(slot.state, "TENTATIVE"))
    lines = [f"Crew: {crew.name}." if crew else "", finding.action, slot.reason]
    lines.append(f"Ticket {ticket.system.upper()} {ticket.number}." if ticket and ticket.number else "")
    lines.append("" if slot.wind_known else "No forecast reaches this time yet.")
    event.add("description", "\n".join(line for line in lines if line))
    if finding.lat_deg is not None and finding.lon_deg is not None:
        event.add("geo", (finding.lat_deg, finding.lon_deg))
    if page:
        event.add("url", page)
    calendar = Calendar()
    calendar.add("prodid", "-//Kestrel//Repairs//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def due(session: Session, system: str, most: int = AT_ONCE) -> Sequence[str]:
    """Return the accepted repairs whose open notification has not got their newest entry."""
    return session.scalars(
        select(RepairSlot.slot_id)
        .join(Ticket, Ticket.finding_id == RepairSlot.finding_id)
        .where(
            RepairSlot.state == ACCEPTED,
            RepairSlot.attached_sequence.is_distinct_from(RepairSlot.sequence),
            Ticket.system == system,
            Ticket.number.is_not(None),
            Ticket.status == "open",
        )
        .order_by(RepairSlot.slot_id)
        .limit(most)
    ).all()


def attach(
    session: Session,
    system: MaintenanceSystem,
    slot_id: str,
    page_of: Callable[[Finding], str],
    sheet_of: Callable[[Session, RepairSlot, str], bytes],
) -> bool:
    """Put a repair's entry, its sheet, and the code that leads the crew's phone to its page, beside its notification.

    ``sheet_of`` makes the sheet (PDF) of a slot and its page. Returns whether anything was missing there.

    Raises:
        Unavailable: The system does not answer; nothing is recorded, ask again.
        MaintenanceRejected: It refuses the attachment.

    """
    slot = session.get_one(RepairSlot, slot_id, with_for_update=True)
    finding = session.get_one(Finding, slot.finding_id)
    ticket = tickets.of_defect(session, finding)
    if slot.state != ACCEPTED or ticket is None or ticket.number is None:
        return False
    name, page = f"repair-F-{finding.number}", page_of(finding)
    there = set(system.pictures(ticket.number))
    wanted: dict[str, tuple[str, Callable[[], bytes]]] = {
        f"{name}-{slot.sequence}.ics": (CONTENT_TYPE, lambda: entry(session, slot, page)),
        f"{name}-{slot.sequence}.pdf": ("application/pdf", lambda: sheet_of(session, slot, page)),
        f"{name}-code.png": ("image/png", lambda: code_png(page)),
    }
    missing = [one for one in wanted if one not in there]
    for one in missing:
        kind, made = wanted[one]
        system.attach(ticket.number, Picture(one, kind, made()))
        log("repair_attached", number=ticket.number, name=one)
    slot.attached_sequence = slot.sequence
    return bool(missing)


def code_png(address: str) -> bytes:
    """Return an address as a QR code that survives a smudge (a quarter of it may be unreadable)."""
    drawn = io.BytesIO()
    segno.make(address, error="q", micro=False).save(drawn, kind="png", scale=6)
    return drawn.getvalue()
