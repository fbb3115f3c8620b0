"""What confidence means: the chance that a box is right, learnt from labelled images, and the levels that follow.

Platt's scaling (J. Platt, Probabilistic Outputs for Support Vector Machines, 1999): the chance is a logistic function
of the confidence's logit, with his targets that keep few boxes from looking certain. Three answers follow per kind:
*accept* (as ``acceptance``: four of five are right), *review* (from a chance of one in five: a look costs one, a miss
four, as in F2), *drop* below. Needs scipy, of the extra train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contracts.geo import Frozen
from contracts.ids import Sha256
from contracts.training import Level
from contracts.vocabulary import DefectKind
from vision import acceptance
from vision.boxes import KINDS
from vision.curves import Marked, Reals
from vision.datasets import share_of
from vision.detector import Card
from vision.evaluate import Judged, any_kind, marked
from vision.quality import reliability
from vision.verifier import logit

REVIEW_CHANCE = 0.2
_FOLDS = 5


class Counts(Frozen):
    """Boxes of one answer on the labelled images."""

    right: int
    wrong: int


class KindLevels(Frozen):
    """What the confidence of a kind (or of all) means."""

    accept: Level
    review: Level = Field(description="never above accept")
    slope: float = Field(description="chance = 1 / (1 + exp(-(slope * logit(confidence) + offset)))")
    offset: float
    boxes: int
    answers: dict[str, Counts] = Field(description="accept, review, drop")
    d_ece_before: float | None = Field(description="of the confidence as it is; none without boxes")
    d_ece_after: float | None = Field(description="of the chance, each image judged by a fit to the others")


class Calibration(Frozen):
    """A detector's levels, and what they were learnt from."""

    model: str
    sha256: Sha256
    sets: tuple[str, ...]
    images: int
    of_all: KindLevels
    by_kind: dict[DefectKind, KindLevels] = Field(description="kinds that enough boxes are called")

    def card_levels(self) -> dict[str, object]:
        """Return what a card keeps of it."""
        return {
            "accept": self.of_all.accept,
            "accept_by_kind": {kind.value: known.accept for kind, known in self.by_kind.items()},
            "review": self.of_all.review,
            "review_by_kind": {kind.value: known.review for kind, known in self.by_kind.items()},
        }


class Platt(NamedTuple):
    """A logistic function of the confidence's logit."""

    slope: float
    offset: float

    def chance(self, confidence: NDArray[np.floating]) -> Reals:
        """Return the chance to be right."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * logit(confidence) + self.offset))), np.float64)

    def confidence(self, chance: float) -> float | None:
        """Return from which confidence on the chance is reached; None where confidence says nothing."""
        if self.slope <= 0:
            return None
        return float(1.0 / (1.0 + np.exp(-(np.log(chance / (1 - chance)) - self.offset) / self.slope)))


def fit(confidence: NDArray[np.floating], hit: NDArray[np.bool_]) -> Platt:
    """Return the function that makes the hits likeliest."""
    from scipy.optimize import minimize  # noqa: PLC0415 - of the training extra

    right, wrong = int(hit.sum()), int((~hit).sum())
    target = np.where(hit, (right + 1) / (right + 2), 1 / (wrong + 2))
    odds = logit(confidence)

    def unlikely(at: Reals) -> float:
        score = at[0] * odds + at[1]
        return float((np.logaddexp(0.0, score) - target * score).sum())

    found = minimize(unlikely, np.array([1.0, 0.0]), method="BFGS")
    return Platt(float(found.x[0]), float(found.x[1]))


def calibrated(card: Card, judged: Sequence[Judged], groups: Sequence[str], sets: Sequence[str]) -> Calibration:
    """Return the levels that labelled images advise; ``groups`` names each image's source photo."""
    advised = acceptance.advised(judged)
    kinds = {
        kind: _levels(card, [acceptance.called(one, KINDS.index(kind)) for one in judged], groups, level)
        for kind, level in advised.by_kind.items()
    }
    of_all = _levels(card, judged, groups, advised.of_all)
    return Calibration(
        model=card.name, sha256=card.sha256, sets=tuple(sets), images=len(judged), of_all=of_all, by_kind=kinds
    )


def _levels(card: Card, judged: Sequence[Judged], groups: Sequence[str], accept: float) -> KindLevels:
    images = marked([any_kind(one) for one in judged])
    confidence, hit = _boxes(images)
    platt = fit(confidence, hit)
    worth = platt.confidence(REVIEW_CHANCE)
    review = accept if worth is None else min(accept, max(card.threshold, round(worth, 4)))
    before, after = reliability(images).d_ece, _reliability_after(images, groups)
    return KindLevels(
        accept=accept,
        review=review,
        slope=round(platt.slope, 4),
        offset=round(platt.offset, 4),
        boxes=len(hit),
        answers=_answers(confidence, hit, accept, review),
        d_ece_before=None if before is None else round(before, 4),
        d_ece_after=None if after is None else round(after, 4),
    )


def _boxes(images: Sequence[Marked]) -> tuple[Reals, NDArray[np.bool_]]:
    confidence = np.concatenate([np.zeros(0), *(i.confidence for i in images)])
    return confidence, np.concatenate([np.zeros(0, np.bool_), *(i.hit for i in images)])


def _answers(confidence: Reals, hit: NDArray[np.bool_], accept: float, review: float) -> dict[str, Counts]:
    where = {
        "accept": confidence >= accept,
        "review": (confidence >= review) & (confidence < accept),
        "drop": confidence < review,
    }
    return {name: Counts(right=int((hit & at).sum()), wrong=int((~hit & at).sum())) for name, at in where.items()}


def _reliability_after(images: Sequence[Marked], groups: Sequence[str]) -> float | None:
    """Return D-ECE with each image's chances from a fit to the images of other source photos."""
    fold = [int(share_of(group) * _FOLDS) for group in groups]
    made = []
    for number in sorted(set(fold)):
        platt = fit(*_boxes([i for i, f in zip(images, fold, strict=True) if f != number]))
        mine = (i for i, f in zip(images, fold, strict=True) if f == number)
        made += [i._replace(confidence=platt.chance(i.confidence)) for i in mine]
    return reliability(made).d_ece
