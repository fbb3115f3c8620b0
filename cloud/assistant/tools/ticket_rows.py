"""The tool ``tickets``: maintenance notifications with their findings."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Citation, Row, RowKind, Value, plain
from cloud.assistant.tools.fleet_rows import asked_names, how_many, total_row, within
from cloud.assistant.tools.parameters import TicketsQuery
from cloud.assistant.words import kind_label, severity_label
from cloud.tables import Asset, Finding, Ticket

CLOSED_PHASES = ("Completed", "Deletion Flag")
"""Processing phases of SAP notifications that need no more work."""


def tickets(session: Session, step: str, query: TicketsQuery) -> list[Row]:
    """Return how many tickets match, then the newest, each with its finding."""
    statement = within(
        select(Ticket, Finding, Asset)
        .join(Finding, Finding.finding_id == Ticket.finding_id)
        .join(Asset, Asset.asset_id == Finding.asset_id),
        Ticket.created_at,
        query.period,
    ).order_by(Ticket.created_at.desc(), Finding.number.desc())
    for column, wanted in (
        (Asset.site_id, query.site_ids),
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
    said = asked_names(session, query.asset_ids, query.site_ids)
    return [
        total_row(
            step,
            how_many(session, statement),
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
