"""Links that are only suggested, for people to answer: what each finding may be, how likely, and why it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.history.certainty import ALONE, BESIDE, UNSURE
from cloud.tables import Finding, LinkSuggestion
from contracts.vocabulary import FindingStatus

WHY = {
    ALONE: "No other finding tells where this flight was along this part: a defect beside the old one would look the"
    " same.",
    BESIDE: "It lies nearer to where the next defect may be than where this one is expected.",
    UNSURE: "Another explanation is about as likely.",
}
"""Why a person is asked, in words; the pages translate them."""


class Candidate(NamedTuple):
    """A known defect that a finding may be. ``latest`` is its newest finding but the one in question."""

    link_group: str
    probability: float
    latest: Finding


class Asked(NamedTuple):
    """A finding, and what it may be: the likeliest first."""

    finding: Finding
    suggestion: LinkSuggestion
    candidates: tuple[Candidate, ...]

    @property
    def why(self) -> str:
        """Return in words why it is asked."""
        return WHY[self.suggestion.reason]


def asked(
    session: Session,
    *,
    asset_id: str | None = None,
    flight_id: str | None = None,
    finding_id: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Asked]:
    """Return up to ``limit`` open suggestions by finding id, after one of them."""
    query = select(Finding, LinkSuggestion).join(LinkSuggestion, LinkSuggestion.finding_id == Finding.finding_id)
    query = query.where(Finding.status != FindingStatus.REJECTED.value)
    wanted = ((Finding.asset_id, asset_id), (Finding.flight_id, flight_id), (Finding.finding_id, finding_id))
    for column, value in wanted:
        query = query if value is None else query.where(column == value)
    query = query if after is None else query.where(Finding.finding_id > after)
    rows = session.execute(query.order_by(Finding.finding_id).limit(limit)).all()
    latest = _latest(session, [group for _, said in rows for group, _ in _groups(said)])
    return [
        Asked(finding, said, tuple(Candidate(g, p, latest[g]) for g, p in _groups(said) if g in latest))
        for finding, said in rows
    ]


def _groups(said: LinkSuggestion) -> list[tuple[str, float]]:
    return [(said.link_group, said.probability), *((group, chance) for group, chance in said.others)]


def _latest(session: Session, groups: Sequence[str]) -> dict[str, Finding]:
    query = select(Finding).where(Finding.link_group.in_(groups), Finding.status != FindingStatus.REJECTED.value)
    return {f.link_group: f for f in session.scalars(query.order_by(Finding.detected_at, Finding.finding_id))}
