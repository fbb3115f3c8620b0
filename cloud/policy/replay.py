"""Replays the whole history under two policies: what a change would do, before anyone activates it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.grading import Measured, Policy, grade, rank
from cloud.history.growth import SURE_SIGMAS
from cloud.tables import Finding
from contracts.vocabulary import BladeSide, DefectKind

_SHOWN = 50
_MANUAL = "manual"

_HISTORY = text(
    """
    SELECT f.finding_id, f.number, f.link_group, f.asset_id, f.kind, f.length_mm, f.width_mm, f.size_sigma_mm, f.side,
      f.distance_to_root_m, (a.geometry ->> 'blade_length_m')::float AS blade_length_m, f.severity_source,
      f.severity_rank, f.status, f.detected_at, l.grown_mm, l.grown_sigma_mm, p.detected_at AS previous_at,
      EXISTS (SELECT 1 FROM tickets t WHERE t.link_group = f.link_group) AS ticketed,
      f.detected_at = max(f.detected_at) OVER (PARTITION BY f.link_group) AS latest
    FROM findings f
    JOIN assets a ON a.asset_id = f.asset_id
    LEFT JOIN defect_links l ON l.finding_id = f.finding_id
    LEFT JOIN findings p ON p.finding_id = l.previous_finding_id
    WHERE f.status <> 'rejected' AND a.kind = ANY(:kinds)
    ORDER BY f.number
    """
)


class Changed(BaseModel):
    """A finding whose rank would change."""

    finding_id: str
    number: int
    asset_id: str
    kind: DefectKind
    rank_before: int
    rank_after: int


class PolicyDiff(BaseModel):
    """What policy ``after`` would do instead of ``before``. Counts count all; examples are the gravest, up to 50."""

    before: str
    after: str
    findings: int
    manual: int
    changed: int
    up: int
    down: int
    moves: dict[str, int]
    """"3>4": how many findings go from rank 3 to rank 4."""
    tickets_opened: int
    tickets_closed: int
    assets_stopped: list[str]
    assets_released: list[str]
    examples: list[Changed]


class _Row(NamedTuple):
    """One row of the history, as the query gives it."""

    finding_id: str
    number: int
    link_group: str
    asset_id: str
    kind: str
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    side: str | None
    distance_to_root_m: float | None
    blade_length_m: float | None
    severity_source: str
    severity_rank: int
    status: str
    detected_at: datetime
    grown_mm: float | None
    grown_sigma_mm: float | None
    previous_at: datetime | None
    ticketed: bool
    latest: bool


def diff(session: Session, before: Policy, after: Policy) -> PolicyDiff:
    """Return what changes when ``after`` takes the place of ``before``; nothing is written.

    A manual grade stays what it is under either. A ticket would open where the latest finding of an open defect
    becomes critical and the defect has none; one would close where it has one and is critical no more.
    """
    changed: list[Changed] = []
    opened = closed = total = manual = 0
    stops: tuple[set[str], set[str]] = (set(), set())
    moves: Counter[str] = Counter()
    for row in _history(session, {*before.asset_kinds, *after.asset_kinds}):
        total += 1
        ranks = _ranks(row, before, after)
        manual += row.severity_source == _MANUAL
        if ranks[0] != ranks[1]:
            moves[f"{ranks[0]}>{ranks[1]}"] += 1
            changed.append(_changed(row, *ranks))
        if not row.latest or row.status == "repaired":
            continue
        critical = ranks[0] >= before.critical_rank, ranks[1] >= after.critical_rank
        opened += critical == (False, True) and not row.ticketed
        closed += critical == (True, False) and row.ticketed
        for stopped, policy, reached in zip(stops, (before, after), ranks, strict=True):
            if policy.reactions[reached].stop:
                stopped.add(row.asset_id)
    up = sum(1 for c in changed if c.rank_after > c.rank_before)
    return PolicyDiff(
        before=before.version,
        after=after.version,
        findings=total,
        manual=manual,
        changed=len(changed),
        up=up,
        down=len(changed) - up,
        moves=dict(sorted(moves.items())),
        tickets_opened=opened,
        tickets_closed=closed,
        assets_stopped=sorted(stops[1] - stops[0]),
        assets_released=sorted(stops[0] - stops[1]),
        examples=sorted(changed, key=lambda c: (-c.rank_after, c.number))[:_SHOWN],
    )


def regrade(session: Session, policy: Policy) -> int:
    """Grade every finding of a policy's assets by it, manual grades left alone; return how many changed rank.

    Findings of the same rank keep the version that graded them: their grade is still true.
    """
    moved = [
        row
        for row in _history(session, set(policy.asset_kinds))
        if row.severity_source != _MANUAL and rank(policy, _measured(row)) != row.severity_rank
    ]
    for row in moved:
        severity, finding = grade(policy, _measured(row)), session.get_one(Finding, row.finding_id)
        finding.severity_scheme, finding.severity_code = severity.scheme, severity.code
        finding.severity_rank, finding.policy_version = severity.rank, severity.policy_version
        finding.severity_reason, finding.action = severity.reason, severity.action
        finding.due_at = severity.due_at(finding.detected_at)
    session.flush()
    return len(moved)


def _history(session: Session, kinds: set[str]) -> Iterator[_Row]:
    wanted = {"kinds": [str(kind) for kind in kinds]}
    return (_Row(*row) for row in session.execute(_HISTORY, wanted, execution_options={"yield_per": 5000}))


def _ranks(row: _Row, before: Policy, after: Policy) -> tuple[int, int]:
    if row.severity_source == _MANUAL:
        return row.severity_rank, row.severity_rank
    measured = _measured(row)
    return rank(before, measured), rank(after, measured)


def _measured(row: _Row) -> Measured:
    placed = row.distance_to_root_m is not None and row.blade_length_m
    return Measured(
        kind=DefectKind(row.kind),
        length_mm=row.length_mm,
        width_mm=row.width_mm,
        size_sigma_mm=row.size_sigma_mm,
        side=BladeSide(row.side) if row.side else None,
        span_share=(row.distance_to_root_m or 0.0) / row.blade_length_m if placed and row.blade_length_m else None,
        incidence_deg=0.0,
        grown_mm_per_year=yearly(row.grown_mm, row.grown_sigma_mm, row.previous_at, row.detected_at),
    )


def yearly(grown_mm: float | None, sigma_mm: float | None, earlier: datetime | None, later: datetime) -> float | None:
    """Return growth per year where it is beyond its error; None where it is not, or not known."""
    if grown_mm is None or sigma_mm is None or earlier is None or grown_mm <= SURE_SIGMAS * sigma_mm:
        return None
    years = (later - earlier).total_seconds() / (365.25 * 86400)
    return grown_mm / years if years > 0 else None


def _changed(row: _Row, before: int, after: int) -> Changed:
    return Changed(
        finding_id=row.finding_id,
        number=row.number,
        asset_id=row.asset_id,
        kind=DefectKind(row.kind),
        rank_before=before,
        rank_after=after,
    )
