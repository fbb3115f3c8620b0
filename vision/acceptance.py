"""From which confidence a box is a defect: learnt from validation images, for each kind where they hold enough of it.

A verdict of the desk or of a crew is a label of these images; what was rejected counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.vocabulary import DefectKind
from vision.boxes import KINDS
from vision.curves import precision_of
from vision.detector import Card
from vision.evaluate import Judged, any_kind, marked

SHIPPED = 0.35
"""What a defect's mean confidence must reach where validation images do not say otherwise."""
LEAST_OF_KIND = 20
"""Boxes called a kind below which a level of its own would be learnt from chance: of these a fifth may be wrong."""
_LEAST_PRECISION = 0.8
_LEVELS = tuple(step / 100 for step in range(20, 75, 5))


class Acceptance(NamedTuple):
    """Least mean confidence of a defect: of the kinds that have one of their own, and of all others."""

    of_all: float
    by_kind: dict[DefectKind, float]


def advised(judged: Sequence[Judged]) -> Acceptance:
    """Return the lowest levels from which four of five boxes are right on these images, hard negatives included.

    A box is right where a defect is, whatever it is called. A kind that few boxes are called has no level of its own.
    """
    boxes = {kind: [called(one, number) for one in judged] for number, kind in enumerate(KINDS)}
    known = {kind: them for kind, them in boxes.items() if sum(len(one.found) for one in them) >= LEAST_OF_KIND}
    kinds = {kind: _level(them) for kind, them in known.items()}
    return Acceptance(_level(judged), kinds)


def accepted(judged: Sequence[Judged], card: Card) -> list[Judged]:
    """Return the images with the boxes that a card accepts."""
    return [Judged(found.take(found.confidence >= card.levels[found.kind]), truth) for found, truth in judged]


def called(judged: Judged, kind: int) -> Judged:
    """Return an image with the boxes that are called a kind, whatever is there."""
    return Judged(judged.found.take(judged.found.kind == kind), judged.truth)


def _level(judged: Sequence[Judged]) -> float:
    """Return the lowest level that is good enough; the highest where none is, what ships where nothing is found."""
    if not any(len(one.found) for one in judged):
        return SHIPPED
    images = marked([any_kind(one) for one in judged])
    for at in _LEVELS:
        if precision_of(images, at) >= _LEAST_PRECISION:
            return at
    return _LEVELS[-1]
