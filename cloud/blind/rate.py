"""The miss rate that blind audits measure: of the defects people saw on random frames, how many no finding tells.

Frames of one flight share light, distance and camera, so their defects are not independent: the interval is the exact
one of a binomial share (Clopper and Pearson) for as many independent defects as the clustered ones are worth (E. L.
Korn and B. I. Graubard, Survey Methodology 24, 1998, p. 193): n over the design effect that the spread between flights
shows, times the square of Student's quotient for so few flights. Few misses show no spread, so the design effect is
never taken to be below that of an intraclass correlation of ``LEAST_ALIKE``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, Field
from scipy.special import betaincinv, stdtrit
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.blind import kept
from cloud.blind.answers import AuditVerdict
from cloud.blind.kept import Counts
from cloud.miss_rate import CONFIDENCE, Share
from cloud.tables import Asset, AuditAnswer, AuditFrameRow
from contracts.vocabulary import AssetKind, DefectKind

LEAST_ALIKE = 0.1
LEAST_DEFECTS, LEAST_FLIGHTS = 20, 5
"""Below these no rate is published: its interval would say nothing, or stand on a handful of flights."""


class KindMissed(BaseModel):
    """The same of one kind of defect."""

    kind: DefectKind
    missed: Share


class BlindRate(BaseModel):
    """What blind audits say of one class of asset."""

    asset_kind: AssetKind
    frames: int = Field(description="looked at by at least one person who could judge them")
    unclear: int = Field(description="answers that a picture cannot be judged; they count neither way")
    people: int
    flights: int = Field(description="with a frame that was looked at")
    marks: int = Field(description="rectangles drawn, by all people")
    missed: Share = Field(description="defects that no finding tells, of all that people marked, each counted once")
    enough: bool = Field(description="false: too little data, no rate is published; the counts are as they are")
    by_kind: list[KindMissed]
    last_answer_at: datetime | None


class _Answer(NamedTuple):
    answer_id: str
    frame_id: str
    flight_id: str
    asset_kind: AssetKind
    by: str
    at: datetime
    verdict: AuditVerdict


def clustered(counts: Iterable[tuple[int, int]]) -> Share:
    """Return the share of (hits, of) per flight with its 95 % interval; no estimate below the least that is published.

    One flight alone shows no spread: whatever it says, its interval is all there is.
    """
    pairs = np.array([(hits, of) for hits, of in counts if of], float).reshape(-1, 2)
    hits, of = int(pairs[:, 0].sum()), int(pairs[:, 1].sum())
    if len(pairs) < 2:
        return Share(hits=hits, of=of)
    share = hits / of
    worth = _worth(pairs, share)
    tail, x = (1 - CONFIDENCE) / 2, worth * share
    low = float(betaincinv(x, worth - x + 1, tail)) if hits else 0.0
    high = float(betaincinv(x + 1, worth - x, 1 - tail)) if hits < of else 1.0
    enough = of >= LEAST_DEFECTS and len(pairs) >= LEAST_FLIGHTS
    return Share(hits=hits, of=of, estimate=share if enough else None, low=low, high=high)


def _worth(pairs: np.ndarray, share: float) -> float:
    """Return how many independent defects those of some flights (hits, of) are worth."""
    of, flights = pairs[:, 1], len(pairs)
    total = of.sum()
    effect = 1 + LEAST_ALIKE * ((of**2).sum() / total - 1)
    if 0 < share < 1:
        apart = ((pairs[:, 0] - share * of) ** 2).sum() * flights / (flights - 1) / total**2
        effect = max(effect, apart * total / (share * (1 - share)))
    tail = (1 + CONFIDENCE) / 2
    few = (stdtrit(total - 1, tail) / stdtrit(flights - 1, tail)) ** 2
    return float(min(total, total / max(1.0, effect) * few))


def of_classes(session: Session, only: AssetKind | None = None) -> list[BlindRate]:
    """Return what blind audits found, by class of asset (all, or one); classes nobody looked at are left out."""
    answers = [one for one in _answers(session) if only in (None, one.asset_kind)]
    counts = kept.counts(session, {one.flight_id for one in answers if one.verdict is AuditVerdict.MARKED})
    classes = sorted({one.asset_kind for one in answers})
    return [_rate(kind, [a for a in answers if a.asset_kind is kind], counts) for kind in classes]


def of_class(session: Session, kind: AssetKind) -> BlindRate | None:
    """Return what blind audits found on one class of asset; None where nobody looked."""
    return next(iter(of_classes(session, kind)), None)


def _answers(session: Session) -> list[_Answer]:
    rows = session.execute(
        select(AuditAnswer.answer_id, AuditAnswer.frame_id, AuditFrameRow.flight_id, Asset.kind,
               AuditAnswer.answered_by, AuditAnswer.answered_at, AuditAnswer.verdict)
        .join(AuditFrameRow, AuditFrameRow.frame_id == AuditAnswer.frame_id)
        .join(Asset, Asset.asset_id == AuditFrameRow.asset_id)
    )  # fmt: skip
    return [
        _Answer(answer, frame, flight, AssetKind(kind), by, at, AuditVerdict(verdict))
        for answer, frame, flight, kind, by, at, verdict in rows
    ]


def _rate(kind: AssetKind, answers: Sequence[_Answer], counts: Mapping[str, Counts]) -> BlindRate:
    judged = [one for one in answers if one.verdict is not AuditVerdict.UNCLEAR]
    flights = sorted({one.flight_id for one in judged})
    by_flight = [counts[flight] for flight in flights if flight in counts]
    missed = clustered(one.total for one in by_flight)
    kinds = [k for k in DefectKind if any(k in one.by_kind for one in by_flight)]
    return BlindRate(
        asset_kind=kind,
        frames=len({one.frame_id for one in judged}),
        unclear=len(answers) - len(judged),
        people=len({one.by for one in judged}),
        flights=len(flights),
        marks=sum(one.marks for one in by_flight),
        missed=missed,
        enough=missed.estimate is not None,
        by_kind=[KindMissed(kind=k, missed=clustered(o.by_kind.get(k, (0, 0)) for o in by_flight)) for k in kinds],
        last_answer_at=max((one.at for one in answers), default=None),
    )


def in_words(rate: BlindRate | None) -> str:
    """Return what a report says of it."""
    if rate is None or rate.last_answer_at is None:
        return "No frame of the random sample of this class of asset has been looked at blind yet."
    of, day = rate.missed, f"{rate.last_answer_at:%Y-%m-%d}"
    stands = (
        f"{rate.frames} random frames of {rate.flights} flights, looked at blind by {rate.people} "
        f"{'person' if rate.people == 1 else 'people'} until {day}"
    )
    if of.estimate is None:
        return f"Too little data: of {of.of} defects that people saw on {stands}, {of.hits} were no finding."
    return (
        f"{of.estimate:.0%} (95 % interval {of.low:.0%} to {of.high:.0%}, flights as clusters). Of {of.of} defects "
        f"that people saw on {stands}, {of.hits} were no finding."
    )
