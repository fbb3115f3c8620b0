"""Identity over time: gives every finding of a flight its defect, and every known defect its state at that flight.

Runs whenever a flight's findings change, for that flight and those after it. What a person linked stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from cloud.history import absences
from cloud.history.joining import describe_growth, drop_refuted, join, move, part
from cloud.history.matching import Matching, match
from cloud.history.pairs import Known, Shift
from cloud.history.sightings import Sighting, shift_prior, sighting_of
from cloud.tables import (
    Asset,
    Coverage,
    DefectAbsence,
    DefectLink,
    Finding,
    Flight,
    FlightRegistration,
    LinkSuggestion,
    PartCoverage,
)
from contracts.errors import NotFound
from contracts.shapes import AnyShape
from contracts.vocabulary import FindingStatus

_SIGHTINGS = 4
"""A defect's place is the mean of its latest sightings: it may wander as it grows."""
WORTH_ASKING = 0.1
"""A link less probable than this is not suggested either."""
_REPAIRED = FindingStatus.REPAIRED.value


@dataclass
class _Past:
    """What the flights before one know of an asset."""

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    """By link group, oldest first."""
    known: list[Known] = field(default_factory=list)
    flights: list[str] = field(default_factory=list)
    """Whose shifts ``known`` refers to."""


def link_asset(session: Session, asset_id: str, since: Flight | None = None) -> int:
    """Link the findings of an asset's flights, oldest first; return how many findings changed their group.

    Args:
        session: The unit of work; other links of this asset wait until it ends.
        asset_id: The asset.
        since: Only this flight and later ones; None: all.

    Raises:
        NotFound: No such asset.

    """
    session.flush()
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"links/{asset_id}"})
    asset = session.get(Asset, asset_id)
    if asset is None:
        raise NotFound(f"No asset {asset_id!r}.", hint="List assets with GET /v1/assets.", field="asset_id")
    geometry = asset.shape
    query = select(Flight).where(Flight.asset_id == asset_id).order_by(Flight.created_at, Flight.flight_id)
    if since is not None:
        query = query.where(Flight.created_at >= since.created_at)
    before = _groups(session, asset_id)
    part(session, asset_id, since)
    for flight in session.scalars(query).all():
        _link_flight(session, flight, geometry)
    drop_refuted(session, asset_id)
    return len(_groups(session, asset_id) - before)


def _groups(session: Session, asset_id: str) -> set[tuple[str, str]]:
    query = select(Finding.finding_id, Finding.link_group).where(Finding.asset_id == asset_id)
    return {(finding_id, group) for finding_id, group in session.execute(query)}


def _link_flight(session: Session, flight: Flight, geometry: AnyShape | None) -> None:
    own = _findings_of(session, flight)
    past, before = _past(session, flight, geometry)
    fixed = _fixed(session, own)
    sightings = [s for f in own if f.finding_id not in fixed and (s := sighting_of(f, geometry))]
    taken = {f.link_group for f in own if f.finding_id in fixed}
    # A repaired defect may come back as a new one at the old place: only the others are candidates.
    repaired = {g for g, found in past.findings.items() if found[-1].status == _REPAIRED}
    known = [k for k in past.known if k.link_group not in taken | repaired]
    prior = _prior(before, past.flights, shift_prior(own))
    matching = _matched(known, sightings, prior)
    for finding in own:
        if finding.finding_id not in fixed:
            _relink(session, finding, matching)
        _describe(session, finding, past, matching)
    _register(session, flight, past.flights, matching.shift)
    # A defect that one of the findings may be is neither found nor gone until that is decided.
    asked = {group for said in matching.suggested.values() for group in (said.link_group, *dict(said.others))}
    found = {f.link_group for f in own} | set(matching.joined) | asked
    _note_absences(session, flight, past, matching.shift, (found, repaired))
    _suggest(session, flight, matching)
    session.flush()
    join(session, flight, matching.joined)


def _findings_of(session: Session, flight: Flight) -> list[Finding]:
    query = select(Finding).where(Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value)
    return list(session.scalars(query.order_by(Finding.finding_id)))


def _fixed(session: Session, findings: Iterable[Finding]) -> set[str]:
    ids = [f.finding_id for f in findings]
    query = select(DefectLink.finding_id).where(DefectLink.finding_id.in_(ids), DefectLink.source == "person")
    return set(session.scalars(query))


def _past(session: Session, flight: Flight, geometry: AnyShape | None) -> tuple[_Past, FlightRegistration | None]:
    """Return the defects that earlier flights know, and the shifts as known after the last of them."""
    earlier = session.execute(
        select(Finding, Flight)
        .join(Flight, Flight.flight_id == Finding.flight_id)
        .where(
            Finding.asset_id == flight.asset_id,
            Finding.status != FindingStatus.REJECTED.value,
            Flight.created_at < flight.created_at,
        )
        .order_by(Flight.created_at, Finding.finding_id)
    ).all()
    past = _Past()
    decided = _fixed(session, [finding for finding, _ in earlier])
    for finding, _ in earlier:
        past.findings.setdefault(finding.link_group, []).append(finding)
    latest = {group: _on_one_surface(found, geometry) for group, found in past.findings.items()}
    flights = {finding.flight_id for found in latest.values() for finding, _ in found}
    past.flights = [f for f in dict.fromkeys(row.flight_id for _, row in earlier) if f in flights]
    place = {flight_id: index for index, flight_id in enumerate(past.flights)}
    past.known = [
        Known(
            group, tuple(s for _, s in found), tuple(place[f.flight_id] for f, _ in found), not decided.isdisjoint(ids)
        )
        for group, found in latest.items()
        if (ids := [f.finding_id for f, _ in found])
    ]
    before = session.get(FlightRegistration, earlier[-1][1].flight_id) if earlier else None
    return past, before


def _on_one_surface(found: Sequence[Finding], geometry: AnyShape | None) -> list[tuple[Finding, Sighting]]:
    """Return the latest sightings of a defect that lie on the surface of the newest one."""
    seen = [(f, s) for f in found if (s := sighting_of(f, geometry))]
    return [pair for pair in seen if pair[1].surface == seen[-1][1].surface][-_SIGHTINGS:]


def _prior(before: FlightRegistration | None, flights: Sequence[str], fresh: np.ndarray) -> Shift:
    """Return the shifts of ``flights`` as known before, and last a flight's of which nothing is known yet."""
    size = 3 * len(flights) + 3
    mean, covariance = np.zeros(size), np.zeros((size, size))
    # Flights without a registration (recorded before this was) are as uncertain as the present one.
    for index in range(len(flights) + 1):
        covariance[3 * index : 3 * index + 3, 3 * index : 3 * index + 3] = fresh
    if before is not None:
        place = {flight_id: index for index, flight_id in enumerate(before.flights)}
        both = [(i, place[f]) for i, f in enumerate(flights) if f in place]
        here = [3 * i + axis for i, _ in both for axis in range(3)]
        there = [3 * j + axis for _, j in both for axis in range(3)]
        mean[here] = np.array(before.shift_m)[there]
        covariance[np.ix_(here, here)] = np.array(before.covariance_m2)[np.ix_(there, there)]
    return Shift(mean, covariance)


def _matched(known: list[Known], sightings: list[Sighting], prior: Shift) -> Matching:
    """Match findings on surfaces first: what they say of the shift helps those that only have a position."""
    on_surface = [s for s in sightings if len(s.place) == 2]
    first = match(known, on_surface, prior)
    rest = match(known, [s for s in sightings if len(s.place) == 3], first.shift)
    return Matching(
        {**first.links, **rest.links},
        rest.shift,
        {**first.suggested, **rest.suggested},
        {**first.joined, **rest.joined},
    )


def _relink(session: Session, finding: Finding, matching: Matching) -> None:
    link = matching.links.get(finding.finding_id)
    group = link.link_group if link else finding.finding_id
    if finding.link_group != group:
        move(session, finding, group)


def _describe(session: Session, finding: Finding, past: _Past, matching: Matching) -> None:
    """Write why a finding is in its group and what has grown since the group's earlier findings."""
    row = session.get(DefectLink, finding.finding_id)
    if row is None:
        row = DefectLink(finding_id=finding.finding_id, source="computed", probability=1.0)
        session.add(row)
    row.link_group, row.flight_id = finding.link_group, finding.flight_id
    if row.source == "computed":
        link = matching.links.get(finding.finding_id)
        row.probability = link.probability if link else 1.0
        row.distance_m = link.distance_m if link else None
    describe_growth(row, [*past.findings.get(finding.link_group, []), finding])


def _suggest(session: Session, flight: Flight, matching: Matching) -> None:
    """Keep what the flight's findings may be; what a person decided is not asked again."""
    session.execute(delete(LinkSuggestion).where(LinkSuggestion.flight_id == flight.flight_id))
    for finding_id, said in matching.suggested.items():
        if said.probability >= WORTH_ASKING:
            session.add(LinkSuggestion(finding_id=finding_id, flight_id=flight.flight_id, **said._asdict()))


def _register(session: Session, flight: Flight, flights: Sequence[str], shift: Shift) -> None:
    row = session.get(FlightRegistration, flight.flight_id)
    if row is None:
        row = FlightRegistration(flight_id=flight.flight_id)
        session.add(row)
    row.flights = [*flights, flight.flight_id]
    row.shift_m = [round(v, 6) for v in shift.mean.tolist()]
    row.covariance_m2 = [[round(v, 9) for v in line] for line in shift.covariance.tolist()]


def _note_absences(
    session: Session, flight: Flight, past: _Past, shift: Shift, groups: tuple[set[str], set[str]]
) -> None:
    found, repaired = groups
    cells = session.execute(
        select(Coverage.blade, Coverage.side, Coverage.cell, Coverage.seen_share).where(
            Coverage.flight_id == flight.flight_id
        )
    )
    others = session.execute(
        select(PartCoverage.part, PartCoverage.cell, PartCoverage.seen_share).where(
            PartCoverage.flight_id == flight.flight_id
        )
    )
    seen = {(f"{blade}/{side}", cell): share for blade, side, cell, share in cells}
    seen |= {(part, cell): share for part, cell, share in others}
    session.execute(delete(DefectAbsence).where(DefectAbsence.flight_id == flight.flight_id))
    for defect in past.known:
        if defect.link_group not in found:
            said = absences.absence(defect, shift, seen, repaired=defect.link_group in repaired)
            session.add(DefectAbsence(flight_id=flight.flight_id, **said._asdict()))
