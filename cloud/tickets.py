"""Maintenance notifications in the customer's system: at most one for a defect, however often it is asked for."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import findings
from cloud.db import notify
from cloud.grading import Policy
from cloud.inspections import lock_ticketing
from cloud.logbook import log
from cloud.maintenance import CatalogueCode, MaintenanceSystem, NotificationDraft
from cloud.places import part_place, where
from cloud.tables import Asset, Finding, Ticket
from contracts.errors import SapRejected
from contracts.ids import mint
from contracts.places import in_short
from contracts.vocabulary import DefectKind

TEXT_MAX = 40
LONG_TEXT_MAX = 1333
_PRIORITIES = {5: "1", 4: "2", 3: "3", 2: "4", 1: "4"}
"""SAP's usual scale, 1 very high to 4 low, from our rank (5 is worst)."""
_MALFUNCTION = "M2"


def open_ticket(session: Session, system: MaintenanceSystem, finding_id: str, policy: Policy) -> Ticket:
    """Return the ticket of a finding, opening it unless it is there; holds a lock on the defect meanwhile.

    The system is searched for our reference first, so a crash between its answer and our commit never makes two.

    Raises:
        NotFound: No such finding (any more).
        Unavailable: It does not answer; nothing is recorded, ask again.
        MaintenanceRejected: It refuses, or the asset has no functional location.

    """
    lock_ticketing(session, finding_id)
    finding = findings.finding(session, finding_id, fresh=True)
    if finding.link_group != finding_id:
        lock_ticketing(session, finding.link_group)
    if (ticket := of_defect(session, finding)) is not None:
        return ticket
    asset = session.get_one(Asset, finding.asset_id)
    draft = drafted(finding, asset, policy)
    state = system.find(draft.reference) or system.create(draft)
    now = datetime.now(UTC)
    ticket = Ticket(
        ticket_id=mint("tkt"),
        finding_id=finding_id,
        link_group=finding.link_group,
        system=system.name,
        number=state.number,
        phase=state.phase,
        priority=draft.priority,
        text=draft.text,
        url=state.url,
        opened_at=now,
        checked_at=now,
        order_type=policy.reactions[finding.severity_rank].order_type,
        order_number=state.order,
    )
    session.add(ticket)
    session.flush()
    notify(session, "ticket", ticket.ticket_id)
    log("ticket_opened", finding_id=finding_id, number=state.number, priority=draft.priority)
    return ticket


def of_defect(session: Session, finding: Finding) -> Ticket | None:
    """Return the ticket of the physical defect: the finding's own, or one from another inspection."""
    return session.scalars(
        select(Ticket)
        .where((Ticket.finding_id == finding.finding_id) | (Ticket.link_group == finding.link_group))
        .order_by(Ticket.created_at)
        .limit(1)
    ).first()


def drafted(finding: Finding, asset: Asset, policy: Policy) -> NotificationDraft:
    """Return what SAP is told of a finding; priority and catalogue code are the policy's.

    Raises:
        SapRejected: The asset has no functional location, which plant maintenance needs.

    """
    if not asset.functional_location:
        raise SapRejected(
            f"The asset {asset.asset_id} has no functional location.",
            hint="Set it on the asset, then resume the workflow.",
            field="functional_location",
        )
    said = _sentence(finding, asset)
    coded = policy.codes.get(DefectKind(finding.kind))
    return NotificationDraft(
        reference=finding.finding_id,
        kind=_MALFUNCTION,
        text=cut_at_word(_title(finding), TEXT_MAX),
        long_text=_long_text(finding, said)[:LONG_TEXT_MAX],
        priority=priority(finding.severity_rank, policy),
        functional_location=asset.functional_location,
        location=where(finding)[:50],
        malfunction_at=finding.detected_at,
        required_by=finding.due_at,
        is_down=False,
        coding=CatalogueCode(coded.catalogue, coded.group, coded.code) if coded else None,
    )


def priority(rank: int, policy: Policy) -> str:
    """Return the priority of a rank's notification: the policy's, else by rank."""
    return policy.reactions[rank].priority or _PRIORITIES[rank]


def cut_at_word(text: str, limit: int) -> str:
    """Return ``text`` within ``limit`` characters, ending at a word where it had to be cut."""
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    cut = head.rfind(" ")
    return (head[:cut] if cut > 0 else text[:limit]).rstrip(" ,;")


def _title(finding: Finding) -> str:
    """Return kind, length and place, short enough that no unit is cut off at 40 characters."""
    kind = finding.kind.replace("_", " ").capitalize()
    part = part_place(finding)
    place = in_short(part) if part is not None else where(finding).removeprefix("blade ")
    return f"{kind} {finding.length_mm:.0f} mm {place}"


def _sentence(finding: Finding, asset: Asset) -> str:
    kind = finding.kind.replace("_", " ")
    return f"{kind.capitalize()} {finding.length_mm:.0f} mm, {where(finding)}, {asset.name}"


def _long_text(finding: Finding, said: str) -> str:
    due = f"Due {finding.due_at:%Y-%m-%d}." if finding.due_at else ""
    lines = [
        f"{said}.",
        f"Kestrel finding F-{finding.number} ({finding.finding_id}).",
        f"Severity {finding.severity_scheme.upper()} {finding.severity_code}. {finding.severity_reason}",
        f"{finding.action} {due}".strip(),
        f"Seen {finding.detected_at:%Y-%m-%d %H:%M:%S} UTC.",
    ]
    return "\n".join(lines)
