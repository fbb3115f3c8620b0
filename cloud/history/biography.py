"""A defect's biography: what every flight of its asset says of it, in the order of time; and lists of defects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from cloud.tables import DefectAbsence, DefectLink, Finding, Flight
from contracts.errors import NotFound
from contracts.vocabulary import FindingStatus


class Chapter(NamedTuple):
    """One flight: found (``finding`` and ``link``) or not (``absence``)."""

    flight: Flight
    state: str
    """new | same | grown | repaired | gone | not_visible"""
    finding: Finding | None
    link: DefectLink | None
    absence: DefectAbsence | None


class Defect(NamedTuple):
    """A defect as it stands: its latest finding, and the state at the latest flight that says something of it."""

    latest: Finding
    link: DefectLink
    first_seen_at: datetime
    sightings: int
    state: str


def biography(session: Session, group: str) -> list[Chapter]:
    """Return the chapters of a defect, oldest first.

    Raises:
        NotFound: No such defect.

    """
    found = session.execute(
        select(Flight, Finding, DefectLink)
        .join(Finding, Finding.flight_id == Flight.flight_id)
        .join(DefectLink, DefectLink.finding_id == Finding.finding_id)
        .where(Finding.link_group == group, Finding.status != FindingStatus.REJECTED.value)
    ).all()
    if not found:
        raise NotFound(f"No defect {group!r}.", hint="List defects with GET /v1/defects.")
    absent = session.execute(
        select(Flight, DefectAbsence)
        .join(DefectAbsence, DefectAbsence.flight_id == Flight.flight_id)
        .where(DefectAbsence.link_group == group)
    ).all()
    chapters = [Chapter(flight, link.state, finding, link, None) for flight, finding, link in found]
    chapters += [Chapter(flight, absence.state, None, None, absence) for flight, absence in absent]
    return sorted(chapters, key=lambda c: (c.flight.created_at, c.flight.flight_id))


def defects(
    session: Session, *, asset_id: str | None, state: str | None, after: str | None, limit: int
) -> Sequence[Defect]:
    """Return up to ``limit`` defects by group id, after one of them."""
    groups = (
        select(Finding.link_group)
        .where(Finding.status != FindingStatus.REJECTED.value)
        .group_by(Finding.link_group)
        .order_by(Finding.link_group)
    )
    if asset_id is not None:
        groups = groups.where(Finding.asset_id == asset_id)
    if after is not None:
        groups = groups.where(Finding.link_group > after)
    names = session.scalars(groups if state else groups.limit(limit)).all()
    rows = _standing(session, names)
    return [row for row in rows if state is None or row.state == state][:limit]


def _standing(session: Session, names: Sequence[str]) -> list[Defect]:
    """Return defects by their names; of what was said of each only the last is read."""
    absences = select(DefectAbsence.link_group, DefectAbsence.state, Flight.created_at)
    absences = absences.join(Flight, Flight.flight_id == DefectAbsence.flight_id)
    absences = absences.where(DefectAbsence.link_group.in_(names)).order_by(Flight.created_at)
    absent = {group: (state, at) for group, state, at in session.execute(absences).all()}
    standing = []
    for finding, link, at, first_seen_at, sightings in session.execute(_latest(names)).all():
        said, absent_at = absent.get(finding.link_group, (link.state, at))
        state = said if absent_at > at else link.state
        standing.append(Defect(finding, link, first_seen_at, sightings, state))
    return standing


def _latest(names: Sequence[str]) -> Select[Finding, DefectLink, datetime, datetime, int]:
    """Select each defect's latest finding, its link and flight's time, when it was first seen, how often."""
    group, order = Finding.link_group, (Flight.created_at, Finding.finding_id)
    back = [each.desc() for each in order]
    sighting = (
        select(
            Finding.finding_id,
            Flight.created_at.label("at"),
            func.first_value(Finding.detected_at).over(partition_by=group, order_by=order).label("first_seen_at"),
            func.count().over(partition_by=group).label("sightings"),
            func.row_number().over(partition_by=group, order_by=back).label("back"),
        )
        .join(DefectLink, DefectLink.finding_id == Finding.finding_id)
        .join(Flight, Flight.flight_id == Finding.flight_id)
        .where(Finding.link_group.in_(names), Finding.status != FindingStatus.REJECTED.value)
        .subquery()
    )
    return (
        select(Finding, DefectLink, sighting.c.at, sighting.c.first_seen_at, sighting.c.sightings)
        .join(sighting, sighting.c.finding_id == Finding.finding_id)
        .join(DefectLink, DefectLink.finding_id == Finding.finding_id)
        .where(sighting.c.back == 1)
        .order_by(Finding.link_group)
    )
