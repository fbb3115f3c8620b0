"""How much of a part's face is rusted, by colour, whatever the light. numpy and OpenCV.

The light is taken from the background (the picture's border), the part is what differs from it, and rust is what is
both redder and yellower than neutral. White corrosion (zinc) is not counted: its colour is that of a highlight.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.history.pictures import Image

ERROR_SHARE = 0.005
"""Of the face: what re-lighting, re-cropping and compression change, and so the smallest change that is one."""
_HEIGHT_PX = 480
_BORDER = 20
_WHITE = 240.0
_PART_FROM = 14.0
_YELLOW_FROM, _RED_FROM = 12.0, 4.0
"""Lab b* and a*."""


class Rust(NamedTuple):
    """The rusted share of a part's face."""

    share: float

    def change(self, earlier: Rust) -> float | None:
        """Return the change since an earlier picture; None where it is within the error."""
        off = self.share - earlier.share
        return off if abs(off) > ERROR_SHARE else None


def rust(image: Image) -> Rust:
    """Return how much of the part in a picture is rusted."""
    lab = _neutral(image)
    part = _part(lab)
    rusted = (lab[..., 2] > _YELLOW_FROM) & (lab[..., 1] > _RED_FROM) & part
    return Rust(float(rusted.sum()) / max(1, int(part.sum())))


def _neutral(image: Image) -> NDArray[np.float32]:
    """Return the picture in Lab, its background made neutral and equally bright."""
    columns = round(image.shape[1] * _HEIGHT_PX / image.shape[0])
    small = cv2.resize(image, (columns, _HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    sides = (small[:_BORDER], small[:, :_BORDER], small[:, -_BORDER:])
    light = np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)
    lit = np.clip(small / np.maximum(light, 1.0) * _WHITE, 0, 255)
    lab = cv2.cvtColor((cv2.GaussianBlur(lit, (0, 0), 1.5) / 255).astype(np.float32), cv2.COLOR_BGR2LAB)
    return np.asarray(lab, dtype=np.float32)


def _part(lab: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the largest thing that differs from the background, holes filled."""
    white = cv2.cvtColor(np.full((1, 1, 3), _WHITE / 255, np.float32), cv2.COLOR_BGR2LAB)[0, 0]
    off = (np.linalg.norm(lab - white, axis=2) > _PART_FROM).astype(np.uint8)
    opened = cv2.morphologyEx(off, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    mask = np.zeros_like(opened)
    if outlines:
        cv2.drawContours(mask, [max(outlines, key=cv2.contourArea)], -1, 1, -1)
    return mask.astype(bool)
