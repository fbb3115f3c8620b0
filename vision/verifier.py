"""The second look: what the detector pointed at, cut out and judged by itself as a kind of defect or as nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.boxes import KINDS, Boxes, Floats, Image
from vision.runtimes import Runtime

CROP_PX = 96
CONTEXT = 1.5
"""Side of a cut-out over the longer side of its box."""
_LEAST_PX = 48
_SURE = 0.5
"""From this probability on the second look's kind counts, not the detector's."""


class Verifier:
    """A small classifier: cut-outs (n, 96, 96, 3) in, probabilities (n, kinds + 1) out, the last for nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        """Return the boxes with the detector's confidence times that of being a defect, and the likelier kind."""
        if not len(boxes):
            return boxes
        judged = self._runtime.infer(np.stack([cutout(image, box) for box in boxes.xyxy]))
        kinds = judged[:, : len(KINDS)]
        best = kinds.argmax(axis=1)
        kind = np.where(kinds.max(axis=1) >= _SURE, best, boxes.kind)
        defect = np.clip(1.0 - judged[:, -1], 0.0, 1.0)
        return Boxes(boxes.xyxy, np.asarray(boxes.confidence * defect, np.float32), kind, boxes.cut)


def cutout(image: Image, box: Floats | NDArray[np.float64], context: float = CONTEXT) -> Image:
    """Return the square round a box, scaled to ``CROP_PX``; what lies outside the picture is grey."""
    side = max(_LEAST_PX, context * float(max(box[2] - box[0], box[3] - box[1])))
    middle = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
    scale = CROP_PX / side
    move = np.array([[scale, 0, CROP_PX / 2 - scale * middle[0]], [0, scale, CROP_PX / 2 - scale * middle[1]]])
    x0, y0 = (max(0, int(m - side)) for m in middle)
    part = image[y0 : int(middle[1] + side) + 1, x0 : int(middle[0] + side) + 1]
    if scale < 0.5:  # average before sampling, or fine structure turns into noise
        factor = 1 / int(1 / scale)
        part = np.asarray(cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        move = move @ np.array([[1 / factor, 0, x0], [0, 1 / factor, y0], [0, 0, 1]])
    else:
        move = move @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]])
    size = (CROP_PX, CROP_PX)
    warped = cv2.warpAffine(part, move, size, flags=cv2.INTER_LINEAR, borderValue=(114, 114, 114))
    return np.asarray(warped, np.uint8)
