"""Boxes: the one currency of the pipeline between the detector and the tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.errors import InvalidInput
from contracts.vocabulary import DefectKind

KINDS = tuple(DefectKind)
Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
"""(height, width, 3), BGR."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Parallel arrays of N boxes in pixels.

    Attributes:
        xyxy: (N, 4) corners x0, y0, x1, y1.
        confidence: (N,) in 0..1.
        kind: (N,) index into ``KINDS``.
        cut: (N,) whether an inner tile border cuts the box, so that its rest may lie in the next tile.

    """

    xyxy: Floats
    confidence: Floats
    kind: NDArray[np.int64]
    cut: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.confidence)
        for name, array, shape in (
            ("xyxy", self.xyxy, (n, 4)),
            ("confidence", self.confidence, (n,)),
            ("kind", self.kind, (n,)),
            ("cut", self.cut, (n,)),
        ):
            if array.shape != shape:
                raise InvalidInput(f"Boxes.{name} has shape {array.shape}, expected {shape}.", field=name)

    @classmethod
    def of(cls, xyxy: ArrayLike, confidence: ArrayLike, kind: ArrayLike, cut: ArrayLike | None = None) -> Boxes:
        """Build from anything array-like; ``cut`` defaults to False everywhere."""
        scores = np.asarray(confidence, np.float32).reshape(-1)
        flags = np.zeros(len(scores), np.bool_) if cut is None else np.asarray(cut, np.bool_)
        return cls(np.asarray(xyxy, np.float32).reshape(-1, 4), scores, np.asarray(kind, np.int64).reshape(-1), flags)

    @classmethod
    def none(cls) -> Boxes:
        """Return no boxes."""
        return cls.of([], [], [])

    @classmethod
    def joined(cls, parts: Sequence[Boxes]) -> Boxes:
        """Return all boxes of several sets, in order."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([p.xyxy for p in parts]),
            np.concatenate([p.confidence for p in parts]),
            np.concatenate([p.kind for p in parts]),
            np.concatenate([p.cut for p in parts]),
        )

    def __len__(self) -> int:
        return len(self.confidence)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Boxes:
        """Return the boxes at an index or mask."""
        return Boxes(self.xyxy[index], self.confidence[index], self.kind[index], self.cut[index])

    def moved(self, scale: float, dx_px: float, dy_px: float) -> Boxes:
        """Return the boxes scaled, then shifted: from a tile's pixels to the frame's."""
        shift = np.array([dx_px, dy_px, dx_px, dy_px], np.float32)
        return Boxes(self.xyxy * np.float32(scale) + shift, self.confidence, self.kind, self.cut)

    def by_confidence(self) -> Boxes:
        """Return the boxes, most confident first; ties in their order."""
        return self.take(np.argsort(-self.confidence, kind="stable"))
