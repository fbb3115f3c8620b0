"""Boxes matched to truths, and what follows from them over falling confidence: precision, recall, average precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


class Marked(NamedTuple):
    """One image, matched at IoU 0.5: its boxes, most confident first, which of them hit, and how many truths it has."""

    confidence: NDArray[np.floating[Any]]
    hit: NDArray[np.bool_]
    truths: int


class Curve(NamedTuple):
    """Precision and recall as the threshold falls; parallel arrays, most confident first."""

    confidence: Reals
    precision: Reals
    recall: Reals
    false_per_image: Reals


def curve(images: Sequence[Marked]) -> Curve:
    """Return precision and recall over falling confidence."""
    confidence = np.concatenate([np.zeros(0), *(i.confidence for i in images)])
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(np.concatenate([np.zeros(0, np.bool_), *(i.hit for i in images)])[order])
    count = np.arange(1, len(right) + 1)
    truths = max(sum(i.truths for i in images), 1)
    return Curve(confidence[order], right / count, right / truths, (count - right) / max(len(images), 1))


def precision_of(images: Sequence[Marked], at: float) -> float:
    """Return the share of right boxes among those of confidence >= ``at``."""
    counted = sum(int((i.confidence >= at).sum()) for i in images)
    return sum(int((i.hit & (i.confidence >= at)).sum()) for i in images) / max(counted, 1)


def recall_of(images: Sequence[Marked], at: float) -> float:
    """Return the share of truths that boxes of confidence >= ``at`` hit."""
    truths = sum(i.truths for i in images)
    return sum(int((i.hit & (i.confidence >= at)).sum()) for i in images) / max(truths, 1)


def ap50_of(images: Sequence[Marked]) -> float:
    """Return the area under the interpolated curve; every recall counts, where COCO takes 101."""
    drawn = curve(images)
    envelope = np.maximum.accumulate(drawn.precision[::-1])[::-1]
    return float((np.diff(np.concatenate([[0.0], drawn.recall])) * envelope).sum())
