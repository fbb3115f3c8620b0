"""Learns from labelled images how much the detector and the second look are each worth (needs the extra ``train``).

Late fusion by logistic regression, as Platt's scaling of two scores. A proposal counts as right where it touches a
labelled box: a look at a part of a defect is a look at the defect.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput
from vision.boxes import Boxes, Floats, Image
from vision.detector import Card, Detector, load_card, verifier_file
from vision.evaluate import Judged, Progress, judge
from vision.runtimes import open_runtime
from vision.verifier import Fusion, Verifier, logit

PROPOSAL = 0.02
"""Boxes of the detector from here on are shown to the second look; below it finds too much of nothing."""
_LEAST = 50
"""Right and wrong proposals below which weights would be learnt from chance."""
_RIDGE = 0.05


class Proposals(NamedTuple):
    """What the detector pointed at, and what both looks say of it, (n,) each."""

    confidence: Floats
    defect: Floats
    """The second look's probability of being a defect at all."""
    right: NDArray[np.bool_]


class _Asked:
    """The detector alone; what the second look says of its boxes is kept aside."""

    def __init__(self, weights: Path, threads: int) -> None:
        card = load_card(weights)
        if card.verifier_sha256 is None:
            raise InvalidInput(f"{weights} has no second look.", hint="Train one: kestrel-vision second-look.")
        low = card.model_copy(update={"threshold": PROPOSAL, "fusion": None})
        self._finder = Detector(open_runtime(weights, threads), low)
        self._second = Verifier(open_runtime(verifier_file(weights), threads))
        self.defect: list[Floats] = []

    @property
    def card(self) -> Card:
        return self._finder.card

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        return self._finder.find(images)

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        self.defect.append(1.0 - self._second.judge(image, boxes)[:, -1] if len(boxes) else np.zeros(0, np.float32))
        return boxes

    def suspect(self, _image: Image, _boxes: Boxes) -> Boxes:
        return Boxes.none()


def propose(weights: Path, root: Path, split: str, threads: int, progress: Progress | None = None) -> Proposals:
    """Return every proposal on a labelled split with what both looks say of it.

    Raises:
        InvalidInput: The detector has no second look, or the set no such split.

    """
    asked = _Asked(weights, threads)
    judged: list[Judged] = judge(asked, root, split, progress)
    found, truth = zip(*judged, strict=True)
    return Proposals(
        np.concatenate([boxes.confidence for boxes in found]),
        np.concatenate(asked.defect),
        np.concatenate([touching(one, other) for one, other in zip(found, truth, strict=True)]),
    )


def joined(parts: Sequence[Proposals]) -> Proposals:
    """Return the proposals of several sets as one."""
    return Proposals(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def touching(found: Boxes, truth: Boxes) -> NDArray[np.bool_]:
    """Return which boxes (n,) touch any of the true ones."""
    low = np.maximum(found.xyxy[:, None, :2], truth.xyxy[None, :, :2])
    high = np.minimum(found.xyxy[:, None, 2:], truth.xyxy[None, :, 2:])
    both = np.all(high > low, axis=2)
    return np.asarray(np.any(both, axis=1), np.bool_)


def learnt(seen: Proposals, learnt_from: Sequence[str]) -> Fusion:
    """Return the weights that make what was seen likeliest.

    Raises:
        InvalidInput: Too few right or wrong proposals to learn from.

    """
    from scipy.optimize import minimize  # noqa: PLC0415 - of the training extra

    right = int(seen.right.sum())
    if min(right, len(seen.right) - right) < _LEAST:
        raise InvalidInput(
            f"{right} right and {len(seen.right) - right} wrong proposals: at least {_LEAST} of each are needed.",
            hint="Give more labelled images, with and without defects.",
            field="data",
        )
    said = np.stack([logit(seen.confidence), logit(seen.defect), np.ones(len(seen.right))], axis=1)
    sign = np.where(seen.right, 1.0, -1.0)

    def unlikely(weights: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -sign * (said @ weights)).sum() + _RIDGE * (weights[:2] ** 2).sum())

    detector, second_look, offset = (round(float(w), 4) for w in minimize(unlikely, np.zeros(3), method="BFGS").x)
    return Fusion(
        detector=detector,
        second_look=second_look,
        offset=offset,
        proposal=PROPOSAL,
        learnt_from=tuple(learnt_from),
        boxes=len(seen.right),
    )
