"""What people judged, cut into tiles to learn from: defects with their boxes, rejected places as hard negatives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput, NotFound
from contracts.geo import BoxNorm
from contracts.training import Judgement, LabelledFrame, LabelSet, Split
from vision.boxes import KINDS
from vision.datasets import Image, Rows, cut

SPLITS = tuple(split.value for split in Split)


class Frames(Protocol):
    """Where stored frames lie."""

    def get(self, key: str) -> bytes:
        """Return a whole object; NotFound where there is none."""
        ...


class Lessons(NamedTuple):
    """A data set in YOLO layout, and how many tiles each split holds."""

    root: Path
    tiles: dict[str, int]
    missing: int
    """Frames that the store no longer has."""


def write(labels: LabelSet, frames: Frames, root: Path, tile_px: int) -> Lessons:
    """Cut every judged box's surroundings out of its frame.

    Raises:
        InvalidInput: A frame is no picture.
        Unavailable: The store does not answer.

    """
    tiles = dict.fromkeys(SPLITS, 0)
    missing = 0
    for split in SPLITS:
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(labels.frames):
        try:
            body = frames.get(frame.frame_key)
        except NotFound:
            missing += 1
            continue
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise InvalidInput(f"{frame.frame_key} is not a readable picture.", field="frame_key")
        split = frame.split.value
        for part, (tile, rows) in enumerate(cut_frame(np.asarray(picture, np.uint8), frame, tile_px)):
            name = f"{number:06d}-{part}"
            cv2.imwrite(str(root / "images" / split / f"{name}.png"), tile)
            lines = "".join(f"{int(row[0])} {' '.join(f'{v:.6f}' for v in row[1:])}\n" for row in rows)
            (root / "labels" / split / f"{name}.txt").write_text(lines)
            tiles[split] += 1
    names = "\n".join(f"  {number}: {kind.value}" for number, kind in enumerate(KINDS))
    (root / "data.yaml").write_text(f"names:\n{names}\n")
    return Lessons(root, tiles, missing)


def cut_frame(picture: Image, frame: LabelledFrame, tile_px: int) -> Iterator[tuple[Image, Rows]]:
    """Yield a tile round every judged box; none where it would show a box that nobody has judged.

    A tile round a rejected place has no label of its own: it teaches that there is nothing.
    """
    height, width = picture.shape[:2]
    known = _rows(frame, Judgement.DEFECT)
    unjudged = _rows(frame, Judgement.OPEN)
    for box in frame.boxes:
        if box.judgement is Judgement.OPEN:
            continue
        x0, y0 = _corner(box.box, width, height, tile_px)
        if _touches(unjudged, x0 / width, y0 / height, tile_px / width, tile_px / height):
            continue
        made = cut(picture, known, x0, y0, tile_px)
        if made is not None:
            yield made


def _rows(frame: LabelledFrame, judgement: Judgement) -> Rows:
    rows = [
        [KINDS.index(b.kind), (b.box.x0 + b.box.x1) / 2, (b.box.y0 + b.box.y1) / 2, b.box.x1 - b.box.x0,
         b.box.y1 - b.box.y0]
        for b in frame.boxes
        if b.judgement is judgement
    ]  # fmt: skip
    return np.array(rows, np.float64).reshape(-1, 5)


def _corner(box: BoxNorm, width: int, height: int, tile_px: int) -> tuple[int, int]:
    centre = (box.x0 + box.x1) / 2 * width, (box.y0 + box.y1) / 2 * height
    low = [round(middle - tile_px / 2) for middle in centre]
    most = max(width - tile_px, 0), max(height - tile_px, 0)
    return min(max(low[0], 0), most[0]), min(max(low[1], 0), most[1])


def _touches(rows: NDArray[np.float64], x0: float, y0: float, across: float, down: float) -> bool:
    if not len(rows):
        return False
    apart = np.abs(rows[:, 1:3] - (x0 + across / 2, y0 + down / 2)) - (rows[:, 3:5] + (across, down)) / 2
    return bool(np.any(np.all(apart < 0, axis=1)))
