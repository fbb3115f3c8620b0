"""What was planted against what was found: the demo's report card (pure)."""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

_SLACK_M = 0.3
"""A finding may lie this far outside a defect's extent along the blade and still be that defect."""


class Planted(BaseModel):
    """A defect of the ground truth file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    defect_id: str
    asset_id: str
    kind: str
    blade: str
    side: str
    distance_to_root_m: float
    offset_m: float
    length_mm: float
    width_mm: float


class Found(BaseModel):
    """A finding as the API gives it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    finding_id: str
    number: int
    asset_id: str
    kind: str
    blade: str | None
    side: str | None
    distance_to_root_m: float | None
    severity_scheme: str
    severity_code: str
    severity_rank: int
    detected_at: AwareDatetime


class Ticketed(BaseModel):
    """A ticket as the API gives it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    finding_id: str
    system: str
    number: str | None
    opened_at: AwareDatetime | None


class Row(NamedTuple):
    """One planted defect and what became of it."""

    planted: Planted
    found: Found | None
    error_mm: float | None
    ticket: Ticketed | None


class Score(NamedTuple):
    """The whole comparison."""

    rows: list[Row]
    false_findings: list[Found]
    """Findings that are no planted defect, or a second finding of one."""

    @property
    def recall(self) -> float:
        """Return the share of planted defects that were found (1 when none was planted)."""
        return sum(row.found is not None for row in self.rows) / len(self.rows) if self.rows else 1.0


def score(planted: list[Planted], found: list[Found], tickets: list[Ticketed]) -> Score:
    """Match findings to planted defects one to one, nearest along the blade first."""
    by_finding = {ticket.finding_id: ticket for ticket in tickets}
    pairs = sorted(
        (error, i, j)
        for i, defect in enumerate(planted)
        for j, finding in enumerate(found)
        if (error := _error_m(defect, finding)) is not None
    )
    match: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for error, i, j in pairs:
        if i not in match and j not in taken:
            match[i] = (j, error)
            taken.add(j)
    rows = []
    for i, defect in enumerate(planted):
        finding = found[match[i][0]] if i in match else None
        error_mm = 1000 * match[i][1] if i in match else None
        rows.append(Row(defect, finding, error_mm, by_finding.get(finding.finding_id) if finding else None))
    return Score(rows, [finding for j, finding in enumerate(found) if j not in taken])


def _error_m(defect: Planted, finding: Found) -> float | None:
    """Return the distance along the blade between the two centres, or None when they cannot be the same."""
    same_place = (defect.asset_id, defect.blade, defect.side) == (finding.asset_id, finding.blade, finding.side)
    if not same_place or finding.distance_to_root_m is None:
        return None
    error = abs(defect.distance_to_root_m - finding.distance_to_root_m)
    return error if error <= defect.length_mm / 2000 + _SLACK_M else None


def frame_to_ticket_s(found: list[Found], tickets: list[Ticketed]) -> list[float]:
    """Return, for each ticketed finding, seconds from its best frame to the ticket's number; ascending."""
    detected: dict[str, datetime] = {f.finding_id: f.detected_at for f in found}
    return sorted(
        (ticket.opened_at - detected[ticket.finding_id]).total_seconds()
        for ticket in tickets
        if ticket.opened_at is not None and ticket.finding_id in detected
    )


def percentile(ascending: list[float], share: float) -> float | None:
    """Return the nearest-rank percentile of sorted numbers, or None of none."""
    if not ascending:
        return None
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]
