"""Joins boxes of one object: duplicates within a tile, fragments and repeats across tiles and scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.boxes import Boxes, Floats

OVERLAP = 0.65
"""Boxes of one kind that share this much (of their union, or of the smaller one) are one object."""
_SEAM_OVERLAP = 0.5
"""Fragments cut by a tile border are one object when they meet and share this much of their narrower side."""
_SEAM_GAP_PX = 2.0


def intersections(box: Floats, others: Floats) -> Floats:
    """Return the areas that one box (4,) shares with others (N, 4)."""
    size = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.asarray(np.clip(size, 0, None).prod(axis=1), np.float32)


def areas(xyxy: Floats) -> Floats:
    """Return box areas (N,)."""
    return np.asarray(np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None).prod(axis=1), np.float32)


def iou(box: Floats, others: Floats) -> Floats:
    """Return intersection over union of one box with others."""
    shared = intersections(box, others)
    return np.asarray(shared / np.maximum(areas(box[None])[0] + areas(others) - shared, 1e-9), np.float32)


def suppress(boxes: Boxes, overlap: float = 0.5) -> Boxes:
    """Keep the most confident of boxes of one kind that overlap (greedy, by IoU), most confident first."""
    left, kept = boxes.by_confidence(), []
    while len(left):
        kept.append(left.take(np.array([0])))
        rest = left.take(np.arange(1, len(left)))
        duplicate = (rest.kind == left.kind[0]) & (iou(left.xyxy[0], rest.xyxy) > overlap)
        left = rest.take(~duplicate)
    return Boxes.joined(kept)


def merge(boxes: Boxes, overlap: float = OVERLAP) -> Boxes:
    """Join boxes of one kind that show one object into their hull, most confident first.

    The hull takes the highest confidence; joining repeats until nothing joins, so a long object cut by several
    tile borders becomes one.
    """
    count = -1
    while len(boxes) != count:
        count = len(boxes)
        boxes = _merge_once(boxes.by_confidence(), overlap)
    return boxes


def _merge_once(left: Boxes, overlap: float) -> Boxes:
    merged = []
    while len(left):
        rest = left.take(np.arange(1, len(left)))
        same = (rest.kind == left.kind[0]) & _one_object(left, rest, overlap)
        group = Boxes.joined([left.take(np.array([0])), rest.take(same)])
        low, high = group.xyxy[:, :2].min(axis=0), group.xyxy[:, 2:].max(axis=0)
        cut = bool(group.cut[0]) and bool(np.all(group.cut))
        merged.append(Boxes.of([*low, *high], [group.confidence[0]], [group.kind[0]], [cut]))
        left = rest.take(~same)
    return Boxes.joined(merged)


def _one_object(first: Boxes, others: Boxes, overlap: float) -> NDArray[np.bool_]:
    """Tell which of ``others`` show the same object as the first box of ``first``."""
    box = first.xyxy[0]
    shared = intersections(box, others.xyxy)
    smaller = np.minimum(areas(box[None])[0], areas(others.xyxy))
    repeat = (shared >= overlap * np.maximum(smaller, 1e-9)) | (iou(box, others.xyxy) >= overlap)
    size = np.minimum(box[2:], others.xyxy[:, 2:]) - np.maximum(box[:2], others.xyxy[:, :2])
    narrow = np.minimum(box[2:] - box[:2], others.xyxy[:, 2:] - others.xyxy[:, :2])
    meets = np.all(size >= -_SEAM_GAP_PX, axis=1)
    aligned = np.any(size >= _SEAM_OVERLAP * np.maximum(narrow, 1e-9), axis=1)
    seam = (first.cut[0] & others.cut) & meets & aligned
    return np.asarray(repeat | seam, np.bool_)
