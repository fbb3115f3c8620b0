"""Where to look in a picture, and boxes out of what the network answers. Pure; numpy: only for its process."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.first_look.card import Model

Image = NDArray[np.uint8]
"""(height, width, 3), BGR."""
Floats = NDArray[np.float32]

TILE_HEIGHT_PX, TILE_WIDTH_PX = 736, 1280
"""The largest tile; smaller ones cost more in overlaps, larger ones more memory."""
OVERLAP_PX = 96
STRIDE_PX = 32
"""The network's own: sides are multiples of it."""
GREY = 114
WANTED_GSD_MM_PX = 4.0
"""The coarsest scale the detector was trained on: a finer picture is shrunk to it, which costs the least."""
MOST_SHRUNK = 4.0
_SAME = 0.5
"""Boxes of one kind that share this much of the smaller one are one sight."""


class Box(NamedTuple):
    """One sight, pixels of the picture searched."""

    x0: float
    y0: float
    x1: float
    y1: float
    kind: int
    confidence: float


class Layout(NamedTuple):
    """Tiles of one size: the corners they begin at."""

    height_px: int
    width_px: int
    corners: tuple[tuple[int, int], ...]
    """(x0, y0) of each."""


def shrink(gsd_mm_px: float) -> float:
    """Return by how much a picture of this ground sampling distance is shrunk before it is searched, 1 to 4."""
    return min(MOST_SHRUNK, max(1.0, WANTED_GSD_MM_PX / gsd_mm_px))


def layout(width_px: int, height_px: int) -> Layout:
    """Return the fewest tiles of one size that cover a picture with an overlap."""
    tile_h, rows = _along(height_px, TILE_HEIGHT_PX)
    tile_w, columns = _along(width_px, TILE_WIDTH_PX)
    return Layout(tile_h, tile_w, tuple((x, y) for y in rows for x in columns))


def _along(side_px: int, most_px: int) -> tuple[int, list[int]]:
    count = max(1, math.ceil((side_px - OVERLAP_PX) / (most_px - OVERLAP_PX)))
    whole = math.ceil((side_px + (count - 1) * OVERLAP_PX) / count)
    tile = math.ceil(whole / STRIDE_PX) * STRIDE_PX
    last = max(0, side_px - tile)
    return tile, sorted({round(last * i / max(1, count - 1)) for i in range(count)})


def tile_of(image: Image, plan: Layout, corner: tuple[int, int]) -> Image:
    """Return one tile, (height, width, 3); what lies beyond the picture is grey."""
    x0, y0 = corner
    part = image[y0 : y0 + plan.height_px, x0 : x0 + plan.width_px]
    if part.shape[:2] == (plan.height_px, plan.width_px):
        return part
    made = np.full((plan.height_px, plan.width_px, 3), GREY, np.uint8)
    made[: part.shape[0], : part.shape[1]] = part
    return made


def decoded(raw: Floats, model: Model, corner: tuple[int, int]) -> list[Box]:
    """Return what the card accepts of one tile's answer, in the picture's pixels.

    Args:
        raw: (4 + kinds, anchors): centre x, centre y, width, height in pixels, then one score of 0..1 per kind.
        model: Whose answer it is.
        corner: Where the tile begins, (x0, y0).

    """
    scores = raw[4:]
    kinds = scores.argmax(axis=0)
    best = scores[kinds, np.arange(scores.shape[1])]
    sure = np.flatnonzero(best >= np.asarray(model.accept, np.float32)[kinds])
    centre, half = raw[:2, sure], raw[2:4, sure] / 2
    low, high = centre - half, centre + half
    x, y = corner
    return [
        Box(float(low[0, n]) + x, float(low[1, n]) + y, float(high[0, n]) + x, float(high[1, n]) + y,
            int(kinds[at]), min(1.0, float(best[at])))
        for n, at in enumerate(sure)
    ]  # fmt: skip


def distinct(boxes: list[Box]) -> list[Box]:
    """Return the most confident of boxes that show one thing (greedy), most confident first."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: -b.confidence):
        if not any(box.kind == other.kind and _shared(box, other) > _SAME for other in kept):
            kept.append(box)
    return kept


def _shared(a: Box, b: Box) -> float:
    """Return how much of the smaller one two boxes share, 0..1."""
    wide = min(a.x1, b.x1) - max(a.x0, b.x0)
    high = min(a.y1, b.y1) - max(a.y0, b.y0)
    smaller = min((box.x1 - box.x0) * (box.y1 - box.y0) for box in (a, b))
    return max(0.0, wide) * max(0.0, high) / max(smaller, 1e-9)
