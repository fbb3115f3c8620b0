"""How much inspections miss and how often they cry wolf, per class of asset, by what crews found at the blade.

A crew that stands at a ticket's place is a second observer: of the defects it saw there, the platform had ``found``
(answered found, worse or repaired) and had missed ``others``. The share of the second observer's sightings that the
first had too estimates the first one's chance to see (two samples: Lincoln-Petersen; G. A. F. Seber, The Estimation of
Animal Abundance, 2nd ed. 1982, section 3.1), so

    miss rate = others / (others + found),    false alarm rate = not found / (not found + found).

Each with the exact 95 % interval of a binomial share (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934, p. 404).
Each finding counts once, by its crew's newest answer. Crews go where a ticket sends them, so their places are no random
sample, and what the ticket names they find more easily: the miss rate is rather too low than too high.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scipy.special import betaincinv
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from cloud.tables import Asset, CrewReport, Finding
from contracts.geo import Frozen
from contracts.vocabulary import AssetKind

CONFIDENCE = 0.95
UNKNOWN = (
    "Not known. No crew has reported from this class of asset yet, so the share of defects that was missed where "
    "the surface counts as seen cannot be stated."
)
_TRUE = frozenset({"found", "worse", "repaired"})


class Share(Frozen):
    """How many of how many, as an estimate with its 95 % interval, each 0 to 1; none where nothing was looked at."""

    hits: int
    of: int
    estimate: float | None = None
    low: float = 0.0
    high: float = 1.0


class Quality(Frozen):
    """What crews found on one class of asset."""

    asset_kind: AssetKind
    found: int
    not_found: int
    others: int
    missed: Share
    false_alarms: Share


class _Said(NamedTuple):
    answer: str
    others: int


def share(hits: int, of: int) -> Share:
    """Return ``hits`` of ``of`` with the Clopper-Pearson interval."""
    if not of:
        return Share(hits=0, of=0)
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return Share(hits=hits, of=of, estimate=hits / of, low=low, high=high)


def of_classes(session: Session) -> dict[AssetKind, Quality]:
    """Return what crews found, by class of asset; classes nobody reported from are left out."""
    newest = (
        select(CrewReport.answer, CrewReport.others, Asset.kind)
        .join(Finding, Finding.finding_id == CrewReport.finding_id)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .ext(distinct_on(CrewReport.finding_id))
        .order_by(CrewReport.finding_id, CrewReport.answered_at.desc())
    )
    by_kind: Mapping[AssetKind, list[_Said]] = defaultdict(list)
    for answer, others, kind in session.execute(newest):
        by_kind[AssetKind(kind)].append(_Said(answer, others))
    return {kind: quality(kind, said) for kind, said in sorted(by_kind.items())}


def quality(kind: AssetKind, said: Iterable[tuple[str, int]]) -> Quality:
    """Return the rates of one class from (answer, others) of each finding."""
    answers = list(said)
    found = sum(answer in _TRUE for answer, _ in answers)
    not_found = sum(answer == "not_found" for answer, _ in answers)
    others = sum(number for _, number in answers)
    return Quality(
        asset_kind=kind,
        found=found,
        not_found=not_found,
        others=others,
        missed=share(others, others + found),
        false_alarms=share(not_found, not_found + found),
    )


def missed_in_words(known: Quality | None) -> str:
    """Return what a report says of the miss rate."""
    if known is None or known.missed.estimate is None:
        return UNKNOWN
    of = known.missed
    return (
        f"{_percent(of)} At {known.found + known.not_found} findings that crews went to, they saw {of.of} defects, "
        f"{of.hits} of which had not been reported. Crews look where a ticket sends them: the true rate may be higher."
    )


def false_alarms_in_words(known: Quality | None) -> str:
    """Return what a report says of false alarms."""
    if known is None or known.false_alarms.estimate is None:
        return "Not known: no crew has looked yet."
    of = known.false_alarms
    return f"{_percent(of)} Of {of.of} findings that crews looked for, {of.hits} were not there."


def _percent(of: Share) -> str:
    return f"{of.estimate or 0:.0%} (95 % interval {of.low:.0%} to {of.high:.0%})."
