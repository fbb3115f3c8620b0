"""Every defect as it stands: its latest finding that nobody rejected, and when it was first seen.

To find that among all findings is a walk over years of them. So it is kept, one row per defect, in ``defects``. A
trigger on findings writes down whose findings changed (`DefectChange`); `fold` brings those rows up to date, now and
then. Readers ask `latest`: the kept rows of what did not change since, and the others from their findings, so what they
read is exact at any time, folded or not.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from sqlalchemy import Select, Subquery, delete, func, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from cloud import change_notes
from cloud.tables import DefectChange, DefectRow, Finding
from contracts.vocabulary import FindingStatus

LIVE = (FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)
"""Of the latest finding: the defect is there."""
_FOLDED_AT_ONCE = 5_000
_LOCK = "kestrel.defects"


@cache
def latest() -> Subquery:
    """Return every defect's row, its columns named as those of `DefectRow`; in a statement it is one and the same."""
    changed = select(DefectChange.link_group)
    kept = select(*DefectRow.__table__.columns).where(DefectRow.link_group.not_in(changed))
    found = _from_findings().where(Finding.link_group.in_(changed))
    return union_all(kept, found.subquery().select()).subquery("defects_now")


def _from_findings() -> Select[str, str, str, str, int, str, float, datetime, datetime]:
    first = func.min(Finding.detected_at).over(partition_by=Finding.link_group)
    said = (Finding.kind, Finding.severity_rank, Finding.status, Finding.length_mm)
    named = (Finding.detected_at.label("last_seen_at"), first.label("first_seen_at"))
    return (
        select(Finding.link_group, Finding.finding_id, Finding.asset_id, *said, *named)
        .where(Finding.status != FindingStatus.REJECTED.value)
        .order_by(Finding.link_group, Finding.detected_at.desc(), Finding.finding_id)
        .ext(distinct_on(Finding.link_group))
    )


def fold(session: Session) -> int:
    """Bring the kept rows up to date with what changed; returns how many defects that were."""
    groups = sorted(change_notes.take(session, _LOCK, DefectChange.change_id, DefectChange.link_group, _FOLDED_AT_ONCE))
    if not groups:
        return 0
    session.execute(delete(DefectRow).where(DefectRow.link_group.in_(groups)))
    rows = _from_findings().where(Finding.link_group.in_(groups))
    session.execute(insert(DefectRow).from_select(list(DefectRow.__table__.columns.keys()), rows))
    return len(groups)
