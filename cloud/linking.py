"""Identity over time, the simple way: the same place and an alike kind in an earlier inspection of the asset.

A tolerance on the blade is all it knows; growth, merges and splits between inspections are beyond it.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.merging import alike
from cloud.tables import Finding, Flight
from contracts.vocabulary import DefectKind, FindingStatus

TOLERANCE_M = 0.5
"""Between the centres' extents along and across the blade; covers two flights' position errors."""


def link_group(session: Session, finding: Finding, flight: Flight) -> str:
    """Return the group of the latest earlier finding at this place, or the finding's own id when there is none."""
    if finding.link_group and finding.link_group != finding.finding_id:
        return finding.link_group
    if finding.blade is None:
        return finding.finding_id
    earlier = session.scalars(
        select(Finding)
        .join(Flight, Flight.flight_id == Finding.flight_id)
        .where(
            Finding.asset_id == finding.asset_id,
            Finding.flight_id != finding.flight_id,
            Finding.blade == finding.blade,
            Finding.side == finding.side,
            Finding.status != FindingStatus.REJECTED.value,
            Flight.created_at < flight.created_at,
        )
        .order_by(Finding.detected_at.desc(), Finding.finding_id)
    ).all()
    return next((old.link_group for old in earlier if _same_place(finding, old)), finding.finding_id)


def _same_place(new: Finding, old: Finding) -> bool:
    pairs = (
        (new.distance_to_root_m, old.distance_to_root_m, new.length_mm, old.length_mm),
        (new.offset_m, old.offset_m, new.width_mm, old.width_mm),
    )
    return alike(DefectKind(new.kind), DefectKind(old.kind)) and all(
        a is not None and b is not None and abs(a - b) <= TOLERANCE_M + (size_a + size_b) / 2000
        for a, b, size_a, size_b in pairs
    )
