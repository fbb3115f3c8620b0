"""Which findings to judge next: where a verdict is least foreseeable, and unlike what is judged or asked already.

Worth is doubt times distance, the next one chosen being the worthiest beside those before it: farthest-first over a
core set (O. Sener and S. Savarese, Active Learning for Convolutional Neural Networks, ICLR 2018), weighted by doubt.

- Doubt: 4 p (1 - p), where p is the share of findings of this kind, in the same tenth of confidence, that people called
  a defect; the detector's own confidence counts as much as ``_IMAGINED`` verdicts.
- Distance: J. C. Gower's for mixed traits (A General Coefficient of Similarity, Biometrics 27, 1971, p. 857).

Asked is only what a version can learn from: with a stored frame, of a defect that no inspection has a verdict on, and
never one whose pictures stop or measure a training: on the hard cases of the detector's own choice it would look worse
than it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Integer, Select, Subquery, and_, cast, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cloud.tables import EvidenceRow, Finding
from cloud.training.labels import split_of
from contracts.training import JUDGEMENTS, Judgement, Split
from contracts.vocabulary import FindingStatus

NEWEST, MOST_ASKED, MOST_KNOWN = 5000, 500, 500
"""Of the newest unjudged the most doubtful are weighed, against the judged of late."""
_IMAGINED = 4.0
_TENTHS = 10
_LEAST = 1e-3
"""Lengths and scales are compared by their logarithm."""
_TOLD = tuple(status.value for status in JUDGEMENTS)
_DEFECT = tuple(status.value for status, judgement in JUDGEMENTS.items() if judgement is Judgement.DEFECT)

Numbers = NDArray[np.float64]


class Question(NamedTuple):
    """A finding to judge; all shares are 0 to 1."""

    finding: Finding
    chance: float
    """That it is a defect."""
    distance: float
    """From the nearest that is judged, or asked before it."""
    worth: float


class Traits(NamedTuple):
    """What pictures of findings are compared by: words (n, w) that are equal or not, numbers (n, m) of any unit."""

    words: NDArray[np.str_]
    numbers: Numbers


def questions(session: Session, wanted: Select[Finding, str], limit: int) -> list[Question]:
    """Return which of the findings of a query over ``Finding`` to judge, the one that teaches most first."""
    candidates = _candidates(session, wanted)
    if not candidates:
        return []
    asked, judged = _traits(session, [f for f, _ in candidates]), _traits(session, _judged(session))
    chances = np.array([chance for _, chance in candidates])
    order = chosen(4 * chances * (1 - chances), asked, judged, limit)
    return [Question(*candidates[n], distance=far, worth=worth) for n, far, worth in order]


def chosen(doubt: Numbers, asked: Traits, judged: Traits, limit: int) -> list[tuple[int, float, float]]:
    """Return (index, distance, worth) of up to ``limit`` of ``asked``, each the worthiest beside those before it."""
    spans = _spans(asked, judged)
    nearest = np.ones(len(doubt))
    for one in range(len(judged.words)):
        nearest = np.minimum(nearest, gower(asked, judged, one, spans))
    made, left = [], np.ones(len(doubt), bool)
    for _ in range(min(limit, len(doubt))):
        worth = np.where(left, doubt * nearest, -1.0)
        best = int(worth.argmax())
        made.append((best, float(nearest[best]), float(worth[best])))
        left[best] = False
        nearest = np.minimum(nearest, gower(asked, asked, best, spans))
    return made


def gower(many: Traits, others: Traits, one: int, spans: Numbers) -> Numbers:
    """Return how far each of ``many`` (n) is from one of ``others``: the mean over all traits of 0 (alike) to 1."""
    unlike = (many.words != others.words[one]).sum(axis=1)
    apart = (np.abs(many.numbers - others.numbers[one]) / spans).sum(axis=1)
    return np.asarray((unlike + apart) / (many.words.shape[1] + many.numbers.shape[1]), np.float64)


def _spans(*all_of: Traits) -> Numbers:
    """Return how wide each number is spread, 1 where all are one."""
    numbers = np.vstack([traits.numbers for traits in all_of])
    wide = np.ptp(numbers, axis=0)
    return np.where(wide > 0, wide, 1.0)


def _candidates(session: Session, wanted: Select[Finding, str]) -> list[tuple[Finding, float]]:
    """Return the most doubtful findings with the chance of each to be a defect, the newest sight of each defect."""
    told, twin = _told(), aliased(Finding)
    right, all_of = func.coalesce(told.c.right, 0), func.coalesce(told.c.all_of, 0)
    chance = (right + _IMAGINED * Finding.confidence) / (all_of + _IMAGINED)
    known = exists().where(twin.link_group == Finding.link_group, twin.status.in_(_TOLD))
    unjudged = wanted.with_only_columns(Finding.finding_id).where(
        Finding.status == FindingStatus.OPEN.value, Finding.reviewed_at.is_(None)
    )
    newest = unjudged.order_by(Finding.detected_at.desc(), Finding.finding_id).limit(NEWEST).subquery()
    query = (
        select(Finding, chance)
        .join(newest, newest.c.finding_id == Finding.finding_id)
        .outerjoin(told, and_(told.c.kind == Finding.kind, told.c.tenth == _tenth(Finding.confidence)))
        .where(~known, _pictured())
        .order_by((chance * (1 - chance)).desc(), Finding.detected_at.desc(), Finding.finding_id)
        .limit(MOST_ASKED)
    )
    first: dict[str, tuple[Finding, float]] = {}
    for finding, of_it in session.execute(query):
        if split_of(finding.link_group) is Split.TRAIN:
            first.setdefault(finding.link_group, (finding, float(of_it)))
    return list(first.values())


def _told() -> Subquery:
    """Return how many findings of a kind and a tenth of confidence have a verdict, and of how many it is a defect."""
    tenth = _tenth(Finding.confidence)
    right = func.count().filter(Finding.status.in_(_DEFECT))
    judged = select(Finding.kind, tenth.label("tenth"), func.count().label("all_of"), right.label("right"))
    return judged.where(Finding.status.in_(_TOLD)).group_by(Finding.kind, tenth).subquery()


def _tenth(confidence: InstrumentedAttribute[float]) -> ColumnElement[int]:
    return cast(func.floor(confidence * _TENTHS), Integer)


def _pictured() -> ColumnElement[bool]:
    return exists().where(EvidenceRow.finding_id == Finding.finding_id, EvidenceRow.frame_key != "")


def _judged(session: Session) -> list[Finding]:
    told = select(Finding).where(Finding.status.in_(_TOLD), _pictured())
    return list(session.scalars(told.order_by(Finding.reviewed_at.desc().nulls_last()).limit(MOST_KNOWN)))


def _traits(session: Session, findings: Sequence[Finding]) -> Traits:
    """Return what is known of each finding's best picture; how it was taken counts where it is stored."""
    looks = {
        row.finding_id: (math.log(max(row.gsd_mm_px, _LEAST)), row.incidence_deg, math.log(max(row.sharpness, _LEAST)))
        for row in session.scalars(
            select(EvidenceRow)
            .where(EvidenceRow.finding_id.in_([f.finding_id for f in findings]))
            .order_by(EvidenceRow.finding_id, EvidenceRow.confidence.desc(), EvidenceRow.evidence_id)
            .ext(distinct_on(EvidenceRow.finding_id))
        )
    }
    words = [(f.kind, f.asset_id, f.side or "") for f in findings]
    numbers = [(math.log(max(f.length_mm, _LEAST)), *looks.get(f.finding_id, (0.0, 0.0, 0.0))) for f in findings]
    return Traits(np.array(words, np.str_).reshape(-1, 3), np.array(numbers, np.float64).reshape(-1, 4))
