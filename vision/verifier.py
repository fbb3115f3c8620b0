"""The second look: what the detector pointed at, cut out and judged by itself as a kind of defect or as nothing."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contracts.geo import Frozen
from contracts.training import Level
from contracts.vocabulary import AssetKind
from vision.boxes import Boxes, Floats, Image
from vision.runtimes import Runtime

CROP_PX = 96
CONTEXT = 1.5
"""Side of a cut-out over the longer side of its box."""
_LEAST_PX = 48
_SURE = 0.5
"""From this probability on the second look's kind counts, not the detector's."""
_CLEAR = 0.2
"""What the second look holds for less likely a defect at the first glance, it takes for nothing all ways round."""
_EDGE = 1e-4
"""Probabilities are kept this far from 0 and 1, where the logit has no value."""


class Fusion(Frozen):
    """How the detector's confidence and the second look's verdict together make one chance: a logistic function.

    chance = 1 / (1 + exp(-(detector * logit(confidence) + second_look * logit(defect) + offset))), learnt by
    ``fusion.learnt``. It finds what the product of the two takes for nothing for being small, beside what that finds.
    """

    detector: float
    second_look: float
    offset: float
    proposal: Level = Field(description="boxes of the detector below this are not shown to the second look")
    threshold: Level = Field(default=0.5, description="boxes of a lower chance count for nothing")
    accept: Level = Field(default=0.9, description="tracks of this mean chance a look are findings")
    review: Level = Field(default=0.8, description="tracks of this mean chance a look wait for a person")
    assets: tuple[AssetKind, ...] = Field(
        default=(AssetKind.WIND_TURBINE,), max_length=10, description="it was learnt on; elsewhere nothing is suspected"
    )
    learnt_from: tuple[str, ...] = Field(default=(), max_length=20, description="labelled sets, with their split")
    boxes: int = Field(default=0, ge=0, description="that it was learnt from")

    def chance(self, confidence: Floats, defect: Floats) -> Floats:
        """Return the chance that each box (n,) is a defect."""
        score = self.detector * logit(confidence) + self.second_look * logit(defect) + self.offset
        return np.asarray(1.0 / (1.0 + np.exp(-score)), np.float32)


def logit(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log odds."""
    kept = np.clip(np.asarray(probability, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept / (1 - kept)), np.float64)


class Verifier:
    """A small classifier: cut-outs (n, 96, 96, 3) in, probabilities (n, kinds + 1) out, the last for nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        """Return the boxes with the detector's confidence times that of being a defect, and the likelier kind."""
        return self._judged(image, boxes, lambda defect: boxes.confidence * defect)

    def suspect(self, image: Image, boxes: Boxes, fusion: Fusion) -> Boxes:
        """Return the boxes with the chance that both looks together give them, and the likelier kind."""
        return self._judged(image, boxes, lambda defect: fusion.chance(boxes.confidence, defect))

    def judge(self, image: Image, boxes: Boxes) -> Floats:
        """Return the probabilities (n, kinds + 1) of some boxes.

        What a cut-out may show is the mean over its eight turns and mirrorings; most are clear at the first.
        """
        crops = np.stack([cutout(image, box) for box in boxes.xyxy])
        judged = np.array(self._runtime.infer(crops), np.float32)
        unclear = 1.0 - judged[:, -1] >= _CLEAR
        if unclear.any():
            ways = (crops[unclear], crops[unclear][:, :, ::-1])
            turned = [np.rot90(way, quarters, (1, 2)) for way in ways for quarters in range(4)]
            again = self._runtime.infer(np.concatenate(turned))
            judged[unclear] = again.reshape(len(turned), -1, judged.shape[1]).mean(axis=0)
        return judged

    def _judged(self, image: Image, boxes: Boxes, confidence: Callable[[Floats], Floats]) -> Boxes:
        if not len(boxes):
            return boxes
        judged = self.judge(image, boxes)
        kinds = judged[:, :-1]  # one made before the last kinds were named knows fewer
        kind = np.where(kinds.max(axis=1) >= _SURE, kinds.argmax(axis=1), boxes.kind)
        defect = np.clip(1.0 - judged[:, -1], 0.0, 1.0)
        return Boxes(boxes.xyxy, np.asarray(confidence(defect), np.float32), kind, boxes.cut)


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
