"""Tracks in video without poses: the picture's own motion carries boxes from one key frame to the next."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.boxes import KINDS, Boxes, Image
from vision.merge import iou
from vision.tracks import Look, Track

_MOTION_WIDTH_PX = 480
_LEAST_IOU = 0.15
_MEMORY = 3
"""Key frames a track may go unseen."""


class MotionTracker:
    """Follows boxes from key frame to key frame."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._carried: list[NDArray[np.float32]] = []
        self._unseen: list[int] = []
        self._previous: NDArray[np.float32] | None = None
        self.done: list[Track] = []

    def add(self, frame: int, image: Image, boxes: Boxes) -> None:
        """Take the boxes of the next key frame."""
        scale = _MOTION_WIDTH_PX / image.shape[1]
        grey = cv2.cvtColor(cv2.resize(image, None, fx=scale, fy=scale), cv2.COLOR_BGR2GRAY).astype(np.float32)
        shift = motion(self._previous, grey) / scale if self._previous is not None else np.zeros(2)
        self._previous = grey
        self._carried = [c + np.tile(shift, 2).astype(np.float32) for c in self._carried]
        self._match(frame, image, boxes.by_confidence())

    def tracks(self) -> list[Track]:
        """Return every track, ended or not."""
        return self.done + self._tracks

    def _match(self, frame: int, image: Image, boxes: Boxes) -> None:
        free = set(range(len(self._tracks)))
        for row in range(len(boxes)):
            box = boxes.xyxy[row]
            look = Look(
                frame=frame,
                kind=KINDS[int(boxes.kind[row])],
                confidence=float(boxes.confidence[row]),
                xyxy=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                placed=None,
                clipped=touches_border(box, image.shape[1], image.shape[0]),
            )
            match = self._best_match(box, free)
            if match is None:
                self._tracks.append(Track([look]))
                self._carried.append(box)
                self._unseen.append(0)
            else:
                free.discard(match)
                self._tracks[match].looks.append(look)
                self._carried[match], self._unseen[match] = box, 0
        self._age(free)

    def _best_match(self, box: NDArray[np.float32], free: set[int]) -> int | None:
        if not free:
            return None
        scores = {i: _closeness(box, self._carried[i]) for i in free}
        best = max(scores, key=lambda i: scores[i])
        return best if scores[best] > 0 else None

    def _age(self, unseen: set[int]) -> None:
        for i in sorted(unseen, reverse=True):
            self._unseen[i] += 1
            if self._unseen[i] > _MEMORY:
                self.done.append(self._tracks.pop(i))
                self._carried.pop(i)
                self._unseen.pop(i)


def _closeness(box: NDArray[np.float32], carried: NDArray[np.float32]) -> float:
    """Return IoU, or for boxes that just miss a small share by distance; 0 where they are apart."""
    overlap = float(iou(box, carried[None])[0])
    if overlap >= _LEAST_IOU:
        return overlap
    size = max(float(np.max(box[2:] - box[:2])), float(np.max(carried[2:] - carried[:2])))
    apart = float(np.linalg.norm((box[:2] + box[2:] - carried[:2] - carried[2:]) / 2))
    return max(0.0, _LEAST_IOU * (1.0 - apart / (0.75 * size))) if size > 0 else 0.0


def motion(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far (dx, dy pixels) the picture moved, by phase correlation of grey pictures."""
    window = cv2.createHanningWindow((before.shape[1], before.shape[0]), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(before, after, window)
    return np.array([dx, dy])


def touches_border(box: NDArray[np.float32], width: int, height: int, margin_px: float = 3.0) -> bool:
    """Tell whether a box reaches the picture's border."""
    low, high = box[:2], box[2:]
    return bool((low <= margin_px).any() or high[0] >= width - margin_px or high[1] >= height - margin_px)
