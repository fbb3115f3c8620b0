"""How many defects of each flight people saw blind and no finding tells, kept so that a rate is read and not computed.

To match the marks of every audited flight with its detections takes seconds. So what that comes to is kept, one row per
flight, in ``blind_flights``. Triggers on answers, marks, sampled frames and detections write down, in the transaction
that changes them, which flight changed (`BlindChange`); `fold` brings those rows up to date, now and then. Readers ask
`counts`: the kept rows of what did not change since, and the others anew, so what they read is exact at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import change_notes
from cloud.blind import told
from cloud.tables import AuditAnswer, AuditFrameRow, AuditMark, BlindChange, BlindFlightRow
from contracts.vocabulary import DefectKind

_FOLDED_AT_ONCE = 500
_LOCK = "kestrel.blind"


class Counts(NamedTuple):
    """Of one flight: rectangles drawn, and by kind how many defects were missed of how many were marked."""

    marks: int
    by_kind: Mapping[DefectKind, tuple[int, int]]

    @property
    def total(self) -> tuple[int, int]:
        """Return (missed, marked) of all kinds."""
        return sum(missed for missed, _ in self.by_kind.values()), sum(of for _, of in self.by_kind.values())


def counts(session: Session, flights: Iterable[str]) -> dict[str, Counts]:
    """Return the counts of flights, by flight."""
    wanted = set(flights)
    changed = exists().where(BlindChange.flight_id == BlindFlightRow.flight_id)
    rows = session.scalars(select(BlindFlightRow).where(BlindFlightRow.flight_id.in_(wanted), ~changed))
    found = {row.flight_id: _counts(row) for row in rows}
    return found | counted(session, wanted - found.keys())


def counted(session: Session, flights: Iterable[str]) -> dict[str, Counts]:
    """Return the same from every mark and detection of the flights."""
    made: dict[str, Counts] = {}
    for flight_id, seen in told.seen_of(session, flights).items():
        by_kind: dict[DefectKind, tuple[int, int]] = {}
        for one in seen:
            missed, of = by_kind.get(one.kind, (0, 0))
            by_kind[one.kind] = missed + (not one.found), of + 1
        made[flight_id] = Counts(sum(len(one.marks) for one in seen), by_kind)
    return made


def fold(session: Session) -> int:
    """Bring the kept rows up to date with what changed; returns how many flights that were."""
    flights = change_notes.take(session, _LOCK, BlindChange.change_id, BlindChange.flight_id, _FOLDED_AT_ONCE)
    made = counted(session, _marked(session, flights))
    session.execute(delete(BlindFlightRow).where(BlindFlightRow.flight_id.in_(flights - made.keys())))
    if made:
        added = insert(BlindFlightRow)
        new = {name: added.excluded[name] for name in ("marks", "by_kind")}
        rows = [_row(flight_id, one) for flight_id, one in sorted(made.items())]
        session.execute(added.on_conflict_do_update(index_elements=["flight_id"], set_=new), rows)
    return len(flights)


def _marked(session: Session, flights: Collection[str]) -> set[str]:
    """Return those on which somebody marked anything: most flights were never looked at."""
    marked = (
        select(AuditFrameRow.flight_id)
        .join(AuditAnswer, AuditAnswer.frame_id == AuditFrameRow.frame_id)
        .join(AuditMark, AuditMark.answer_id == AuditAnswer.answer_id)
        .where(AuditFrameRow.flight_id.in_(flights))
    )
    return set(session.scalars(marked.distinct()))


def _row(flight_id: str, one: Counts) -> dict[str, object]:
    by_kind = {kind.value: list(pair) for kind, pair in one.by_kind.items()}
    return {"flight_id": flight_id, "marks": one.marks, "by_kind": by_kind}


def _counts(row: BlindFlightRow) -> Counts:
    return Counts(row.marks, {DefectKind(kind): (missed, of) for kind, (missed, of) in row.by_kind.items()})
