"""Records of a defect that a later flight shows to be one: put together, and taken apart when it is computed anew."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Select, delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from cloud.history.growth import GROWN, NEW, SAME, growth
from cloud.history.matching import Link
from cloud.tables import DefectAbsence, DefectLink, Finding, Flight, LinkSuggestion, Ticket
from contracts.vocabulary import FindingStatus


def move(session: Session, finding: Finding, group: str) -> None:
    """Put a finding, and the ticket it may have, into a group."""
    finding.link_group = group
    session.execute(update(Ticket).where(Ticket.finding_id == finding.finding_id).values(link_group=group))


def join(session: Session, flight: Flight, joined: Mapping[str, Link]) -> None:
    """Put records into the groups they turned out to be of at a flight, and tell those groups' growth anew."""
    for group, link in joined.items():
        moved = _until(session, flight, group)
        for finding, row in moved:
            move(session, finding, link.link_group)
            row.joined_from, row.joined_by = row.joined_from or group, flight.flight_id
            row.link_group, row.probability = link.link_group, min(row.probability, link.probability)
        found = [finding.finding_id for finding, _ in moved]
        session.execute(delete(LinkSuggestion).where(LinkSuggestion.finding_id.in_(found)))
        asked = update(LinkSuggestion).where(LinkSuggestion.link_group == group)
        session.execute(asked.values(link_group=link.link_group))
        session.execute(delete(DefectAbsence).where(DefectAbsence.link_group == group))
        flights = [finding.flight_id for finding, _ in moved]
        absent = delete(DefectAbsence).where(DefectAbsence.link_group == link.link_group)
        session.execute(absent.where(DefectAbsence.flight_id.in_(flights)))
    session.flush()
    for group in {link.link_group for link in joined.values()}:
        whole = _until(session, flight, group)
        for n, (_, row) in enumerate(whole):
            describe_growth(row, [finding for finding, _ in whole[: n + 1]])


def part(session: Session, asset_id: str, since: Flight | None) -> None:
    """Take apart what flights joined that are now linked anew: all, or one and those after it."""
    query = _rows().where(Finding.asset_id == asset_id, DefectLink.joined_by.is_not(None))
    if since is not None:
        later = select(Flight.flight_id).where(Flight.created_at >= since.created_at)
        query = query.where(DefectLink.joined_by.in_(later))
    for finding, row in session.execute(query).all():
        group = str(row.joined_from)
        if row.source == "computed":
            move(session, finding, group)
            row.link_group = group
        row.joined_from = row.joined_by = None
    session.flush()


def drop_refuted(session: Session, asset_id: str) -> None:
    """Drop the suggestions whose two defects a later flight saw both."""
    asked, one, other = aliased(Finding), aliased(Finding), aliased(Finding)
    both = (
        exists()
        .where(asked.finding_id == LinkSuggestion.finding_id, asked.asset_id == asset_id)
        .where(one.link_group == asked.link_group, one.status != FindingStatus.REJECTED.value)
        .where(other.link_group == LinkSuggestion.link_group, other.status != FindingStatus.REJECTED.value)
        .where(one.flight_id == other.flight_id)
    )
    session.execute(delete(LinkSuggestion).where(both), execution_options={"synchronize_session": False})


def describe_growth(row: DefectLink, found: list[Finding]) -> None:
    """Write what has grown until a group's newest finding (the last of ``found``), whose link this is."""
    *earlier, finding = found
    row.state, row.previous_finding_id = NEW, None
    row.grown_mm = row.grown_sigma_mm = row.grown_mm2 = row.grown_since_first_mm = row.since_first_sigma_mm = None
    if earlier:
        last, first = growth(earlier[-1], finding), growth(earlier[0], finding)
        row.state = GROWN if last.is_sure else SAME
        row.previous_finding_id = earlier[-1].finding_id
        row.grown_mm, row.grown_sigma_mm, row.grown_mm2 = last.length_mm, last.sigma_mm, last.area_mm2
        row.grown_since_first_mm, row.since_first_sigma_mm = first.length_mm, first.sigma_mm


def _rows() -> Select[Finding, DefectLink]:
    return (
        select(Finding, DefectLink)
        .join(DefectLink, DefectLink.finding_id == Finding.finding_id)
        .join(Flight, Flight.flight_id == Finding.flight_id)
        .where(Finding.status != FindingStatus.REJECTED.value)
        .order_by(Flight.created_at, Finding.finding_id)
    )


def _until(session: Session, flight: Flight, group: str) -> list[tuple[Finding, DefectLink]]:
    query = _rows().where(Finding.link_group == group, Finding.asset_id == flight.asset_id)
    rows = session.execute(query.where(Flight.created_at <= flight.created_at)).all()
    return [(finding, row) for finding, row in rows]
