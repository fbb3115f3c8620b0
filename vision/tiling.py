"""Where to look in a frame: strips over the asset's region at full scale, the whole region at a quarter."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.geo import Pose
from contracts.optics import CameraIntrinsics
from vision.boxes import Boxes, Image
from vision.detector import BoxFinder
from vision.grid import Grid, project_points
from vision.merge import merge

TILE_PX = 640
"""Highest strip; what is longer than this is looked for at a quarter of the scale too."""
STRIP_PX = 1920
"""Longest strip."""
OVERLAP_PX = 128
_LEAST_PX = 320
_STEP_PX = 128
"""Strips are this much longer or higher each, so that the engine meets few shapes."""
MASK_SCALE = 16
"""The asset's mask is kept at this fraction of the frame."""
_MARGIN_M = 0.12
"""Grown round the asset's outline, for errors of pose and model."""
_COARSE = 4
_BORDER_PX = 2.0
"""A box this close to an inner tile border counts as cut by it."""
_NEAR_M = 0.5
_SEARCHED_GSD = 1.25
"""Parts of the asset shown coarser than this times what can be judged are not searched: nothing there could be told."""

Mask = NDArray[np.bool_]


class Tile(NamedTuple):
    """A rectangle of the frame, pixels."""

    x0: int
    y0: int
    x1: int
    y1: int


def asset_mask(surface: Grid, pose: Pose, camera: CameraIntrinsics) -> Mask:
    """Return where the asset lies in a frame, near enough to tell anything, at 1/``MASK_SCALE``, with a margin."""
    shape = (-(-camera.height_px // MASK_SCALE), -(-camera.width_px // MASK_SCALE))
    mask = np.zeros(shape, np.uint8)
    pixels, depth = project_points(pose, camera, (surface.edges - np.array(surface.eye(pose))).reshape(-1, 3))
    pixels, depth = pixels.reshape(*surface.edges.shape[:3], 2) / MASK_SCALE, depth.reshape(surface.edges.shape[:3])
    # From one step to the next a side is a quad: (sides, steps - 1, corners, 2), its corners in turn.
    quads = np.concatenate([pixels[:, :-1], pixels[:, 1:, ::-1]], axis=2)
    nearest = np.minimum(depth[:, :-1], depth[:, 1:]).min(axis=2)
    low, high = quads.min(axis=2), quads.max(axis=2)
    touches = (high >= 0).all(axis=2) & (low[..., 0] < shape[1]) & (low[..., 1] < shape[0])
    far_m = _SEARCHED_GSD * surface.max_gsd_mm_px / 1000.0 * camera.focal_px
    drawn = touches & (nearest > _NEAR_M) & (nearest <= far_m)
    for quad in np.rint(np.clip(quads[drawn], -30000, 30000)).astype(np.int32):
        cv2.fillConvexPoly(mask, quad, 1)
    if not mask.any():
        return np.asarray(mask, np.bool_)
    margin = max(1, round(_MARGIN_M * camera.focal_px / nearest[drawn].min() / MASK_SCALE))
    return np.asarray(cv2.dilate(mask, np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)), np.bool_)


def tiles(width: int, height: int, mask: Mask | None = None) -> list[Tile]:
    """Return overlapping strips that cover the mask (the whole frame where None): rows or columns, the lesser area."""
    rows = _rows(width, height, mask)
    columns = [Tile(t.y0, t.x0, t.y1, t.x1) for t in _rows(height, width, None if mask is None else mask.T)]
    return min(rows, columns, key=_area)


def _area(layout: list[Tile]) -> int:
    return sum((t.x1 - t.x0) * (t.y1 - t.y0) for t in layout)


def _rows(width: int, height: int, mask: Mask | None) -> list[Tile]:
    """Return strips in rows over the mask's bounding box, each row only as long as the mask is there.

    So a blade that runs across the picture costs little more than its own area.
    """
    top, bottom = _extent(mask, axis=1, limit=height)
    made = []
    for y0, y1 in _windows(top, bottom, TILE_PX, height):
        row = None if mask is None else mask[y0 // MASK_SCALE : -(-y1 // MASK_SCALE)]
        for left, right in _runs(row, width):
            made += [Tile(x0, y0, x1, y1) for x0, x1 in _windows(left, right, STRIP_PX, width)]
    return made


def _extent(mask: Mask | None, axis: int, limit: int) -> tuple[int, int]:
    """Return the first and last pixel of a mask along an axis; (0, 0) where it is empty."""
    if mask is None:
        return 0, limit
    lines = np.nonzero(mask.any(axis=axis))[0]
    return (int(lines[0]) * MASK_SCALE, min(limit, (int(lines[-1]) + 1) * MASK_SCALE)) if len(lines) else (0, 0)


def _runs(row: Mask | None, width: int) -> list[tuple[int, int]]:
    """Return the stretches of columns that a row of the mask covers, those a short gap apart joined."""
    if row is None:
        return [(0, width)]
    columns = np.nonzero(row.any(axis=0))[0]
    if not len(columns):
        return []
    breaks = np.nonzero(np.diff(columns) > _LEAST_PX // MASK_SCALE)[0]
    first, last = columns[np.r_[0, breaks + 1]], columns[np.r_[breaks, len(columns) - 1]]
    ends = zip(first, last, strict=True)
    return [(int(a) * MASK_SCALE, min(width, (int(b) + 1) * MASK_SCALE)) for a, b in ends]


def _windows(first: int, last: int, most: int, limit: int) -> list[tuple[int, int]]:
    """Return windows of one size, ``most`` at most, that cover [first, last) inside [0, limit), overlapping enough."""
    span = last - first
    if span <= 0:
        return []
    count = 1 if span <= most else int(np.ceil((span - OVERLAP_PX) / (most - OVERLAP_PX)))
    share = (span + (count - 1) * OVERLAP_PX) / count
    size = min(most, limit, max(_LEAST_PX, int(np.ceil(share / _STEP_PX)) * _STEP_PX))
    if count == 1:
        starts = [(first + last - size) // 2]
    else:
        starts = [round(first + (span - size) * i / (count - 1)) for i in range(count)]
    return [(at, at + size) for at in (max(0, min(start, limit - size)) for start in starts)]


class Seen(NamedTuple):
    """What a frame shows: what is found, and what may be there (a box may be in both)."""

    found: Boxes
    suspected: Boxes


def find_in_frame(finder: BoxFinder, image: Image, mask: Mask | None = None) -> Boxes:
    """Return the boxes of a whole frame: strips at full scale, the whole at a quarter for what outgrows them."""
    proposed = _proposed(finder, image, mask)
    return finder.confirm(image, merge(proposed.take(proposed.confidence >= finder.card.threshold)))


def look_over(finder: BoxFinder, image: Image, mask: Mask | None = None) -> Seen:
    """Return the boxes of a whole frame, and what is only suspected; weaker boxes must not widen what is found."""
    proposed = _proposed(finder, image, mask)
    clear = proposed.confidence >= finder.card.threshold
    strong, weak = merge(proposed.take(clear)), merge(proposed.take(~clear))
    return Seen(finder.confirm(image, strong), finder.suspect(image, Boxes.joined([strong, weak])))


def _proposed(finder: BoxFinder, image: Image, mask: Mask | None) -> Boxes:
    height, width = image.shape[:2]
    layout = tiles(width, height, mask)
    if not layout:
        return Boxes.none()
    found = finder.find([image[t.y0 : t.y1, t.x0 : t.x1] for t in layout])
    parts = [placed_in_frame(boxes, tile, width, height) for boxes, tile in zip(found, layout, strict=True)]
    if max(width, height) > TILE_PX:
        parts.append(_coarse(finder, image, mask))
    return Boxes.joined(parts)


def placed_in_frame(boxes: Boxes, tile: Tile, width: int, height: int) -> Boxes:
    """Move a tile's boxes into the frame and mark those an inner tile border cuts."""
    moved = boxes.moved(1.0, tile.x0, tile.y0)
    near = np.abs(moved.xyxy - np.array(tile, np.float32)) <= _BORDER_PX
    inner = np.array([tile.x0 > 0, tile.y0 > 0, tile.x1 < width, tile.y1 < height])
    return Boxes(moved.xyxy, moved.confidence, moved.kind, np.asarray((near & inner).any(axis=1)))


def _coarse(finder: BoxFinder, image: Image, mask: Mask | None) -> Boxes:
    """Return boxes found at a quarter of the scale round the asset, those too long for a strip's overlap only."""
    height, width = image.shape[:2]
    (top, bottom), (left, right) = _extent(mask, 1, height), _extent(mask, 0, width)
    part = image[top:bottom, left:right]
    small = cv2.resize(part, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
    boxes = finder.find([np.asarray(small, np.uint8)])[0].moved(_COARSE, left, top)
    return boxes.take((boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]).max(axis=1) >= OVERLAP_PX)
