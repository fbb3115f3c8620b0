"""How good a detector is in full: COCO's figures per kind and size, recall at a budget of false boxes, calibration.

Needs the extra ``train`` (pycocotools). AP is COCO's: 101 points of recall, IoU 0.5 to 0.95; sizes are COCO's areas.
Intervals are percentiles over 300 draws of the images with replacement, since boxes of one photo are not independent.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision.boxes import KINDS
from vision.curves import Curve, Marked, Reals, ap50_of, curve, precision_of, recall_of
from vision.evaluate import Judged, any_kind, marked, of_kind

Report = dict[str, Any]

BUDGETS = (0.05, 0.5, 1.0)
"""False boxes per image: one in twenty images, one in two, one in each."""
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
"""Areas in square pixels, as COCO has them."""
_BINS = 10
_DRAWS = 300
_BETA = 2.0
"""F2 counts a miss four times as much as a false box: a missed defect costs more than a second look."""


class Reliability(NamedTuple):
    """How often boxes of a confidence are right."""

    confidence: Reals
    """(bins,) mean confidence; nan where a bin is empty."""
    right: Reals
    """(bins,) share of right boxes."""
    boxes: NDArray[np.int64]

    @property
    def d_ece(self) -> float | None:
        """Return the detection expected calibration error (Küppers et al., CVPRW 2020, confidence only)."""
        total = int(self.boxes.sum())
        if not total:
            return None
        gap = np.nan_to_num(np.abs(self.confidence - self.right))
        return float((gap * self.boxes).sum() / total)


def quality(judged: Sequence[Judged], at: float) -> Report:
    """Return the full figures over judged images; ``at`` is the working confidence."""
    present = sorted({int(k) for j in judged for k in j.truth.kind})
    kinds = {KINDS[k].value: _of([of_kind(j, k) for j in judged], at) for k in present}
    background = [j for j in judged if not len(j.truth)]
    false_on_background = [int((j.found.confidence >= at).sum()) for j in background]
    return {
        "images": len(judged),
        "boxes": sum(len(j.truth) for j in judged),
        "at": at,
        "kinds": kinds,
        "any_kind": _of([any_kind(j) for j in judged], at),
        "background_images": len(background),
        "false_boxes_per_20_background_images": (
            round(20 * float(np.mean(false_on_background)), 3) if background else None
        ),
    }


def _of(judged: Sequence[Judged], at: float) -> Report:
    images = marked(judged)
    drawn, reliable = curve(images), reliability(images)
    precision, recall = precision_of(images, at), recall_of(images, at)
    return {
        "boxes": sum(i.truths for i in images),
        **coco(judged),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "recall_interval_90": interval(images, lambda some: recall_of(some, at)),
        "ap50_interval_90": interval(images, ap50_of),
        "f2": round(f_beta(precision, recall), 4),
        "best_f2": best_f2(drawn),
        "recall_at_false_boxes_per_image": {str(b): recall_at(drawn, b) for b in BUDGETS},
        "d_ece": None if reliable.d_ece is None else round(reliable.d_ece, 4),
    }


def coco(judged: Sequence[Judged]) -> Report:
    """Return mAP50, mAP50-95 and, per size, boxes, AP50-95 and recall at IoU 0.5; None where there are none."""
    from pycocotools.coco import COCO  # noqa: PLC0415 - of the extra train; the worker never needs it
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415

    truths, found = _rows(judged)
    if not truths:
        return {"ap50": None, "ap50_95": None, "sizes": {}}
    with contextlib.redirect_stdout(io.StringIO()):  # it talks
        known, told = COCO(), COCO()
        images = [{"id": i} for i in range(len(judged))]
        known.dataset = {"images": images, "categories": [{"id": 1}], "annotations": truths}
        told.dataset = {"images": images, "categories": [{"id": 1}], "annotations": found}
        known.createIndex()
        told.createIndex()
        judge = COCOeval(known, told, "bbox")
        judge.params.areaRng = [[0, 1e10], *map(list, SIZES.values())]
        judge.params.areaRngLbl = ["all", *SIZES]
        judge.evaluate()
        judge.accumulate()
    precision, recall = judge.eval["precision"], judge.eval["recall"]
    areas = np.array([t["area"] for t in truths])
    sizes = {}
    for index, (name, (low, high)) in enumerate(SIZES.items(), start=1):
        boxes = int(((areas >= low) & (areas < high)).sum())
        sizes[name] = {
            "boxes": boxes,
            "ap50_95": _mean(precision[:, :, 0, index, -1]) if boxes else None,
            "recall50": _mean(recall[0, 0, index, -1]) if boxes else None,
        }
    return {"ap50": _mean(precision[0, :, 0, 0, -1]), "ap50_95": _mean(precision[:, :, 0, 0, -1]), "sizes": sizes}


def _rows(judged: Sequence[Judged]) -> tuple[list[Report], list[Report]]:
    truths: list[Report] = []
    found: list[Report] = []
    for image, (boxes, truth) in enumerate(judged):
        for rows, source in ((truths, truth), (found, boxes)):
            for (x0, y0, x1, y1), confidence in zip(source.xyxy.tolist(), source.confidence.tolist(), strict=True):
                size = x1 - x0, y1 - y0
                rows.append(
                    {
                        "id": len(rows) + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "score": confidence,
                        "bbox": [x0, y0, *size], "area": size[0] * size[1],
                    }
                )  # fmt: skip
    return truths, found


def _mean(values: Any) -> float | None:
    known = np.asarray(values)[np.asarray(values) > -1]
    return round(float(known.mean()), 4) if known.size else None


def recall_at(drawn: Curve, budget: float) -> float:
    """Return the highest recall with at most ``budget`` false boxes per image."""
    within = drawn.recall[drawn.false_per_image <= budget]
    return round(float(within.max()), 4) if len(within) else 0.0


def best_f2(drawn: Curve) -> Report:
    """Return the best F2 of any threshold, and that threshold."""
    if not len(drawn.recall):
        return {"f2": 0.0, "at": None}
    values = [f_beta(p, r) for p, r in zip(drawn.precision, drawn.recall, strict=True)]
    best = int(np.argmax(values))
    return {"f2": round(values[best], 4), "at": round(float(drawn.confidence[best]), 4)}


def f_beta(precision: float, recall: float, beta: float = _BETA) -> float:
    """Return the F measure that counts recall ``beta`` times as much as precision."""
    bottom = beta**2 * precision + recall
    return float((1 + beta**2) * precision * recall / bottom) if bottom else 0.0


def reliability(images: Sequence[Marked]) -> Reliability:
    """Return how often boxes are right, by tenths of confidence."""
    confidence = np.concatenate([np.zeros(0), *(i.confidence for i in images)])
    hits = np.concatenate([np.zeros(0, np.bool_), *(i.hit for i in images)])
    place = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    boxes = np.bincount(place, minlength=_BINS)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=_BINS) / boxes
        right = np.bincount(place, weights=hits.astype(np.float64), minlength=_BINS) / boxes
    return Reliability(mean, right, boxes)


def interval(images: Sequence[Marked], figure: Callable[[Sequence[Marked]], float]) -> list[float] | None:
    """Return the 5th and 95th percentile of a figure over draws of the images; None where no image has a truth."""
    if not any(i.truths for i in images):
        return None
    rng = np.random.default_rng(0)
    drawn = ([images[i] for i in rng.integers(0, len(images), len(images))] for _ in range(_DRAWS))
    values = [figure(some) for some in drawn if any(i.truths for i in some)]
    return [round(float(v), 4) for v in np.percentile(values, (5, 95))]
