"""How good a detector is on labelled images: average precision at IoU 0.5, precision and recall, per kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from contracts.errors import InvalidInput
from contracts.vocabulary import DefectKind
from vision.boxes import KINDS, Boxes
from vision.curves import Marked, ap50_of, precision_of, recall_of
from vision.datasets import Sample, read_yolo
from vision.detector import BoxFinder
from vision.merge import iou
from vision.tiling import find_in_frame

MATCH_IOU = 0.5
Progress = Callable[[int, int], None]
"""Called after each image with (done, all)."""


class Judged(NamedTuple):
    """One image: what was found, what is there."""

    found: Boxes
    truth: Boxes


class Score(NamedTuple):
    """Quality for one kind (or all kinds together) over a set of images."""

    truths: int
    found: int
    ap50: float
    precision: float
    recall: float

    def as_dict(self) -> dict[str, float]:
        """Return it with four digits."""
        return {k: round(float(v), 4) for k, v in self._asdict().items()}


def evaluate(finder: BoxFinder, root: Path, split: str, at: float) -> dict[str, object]:
    """Return the scores of one split of one data set; precision and recall count boxes of confidence >= ``at``.

    ``any_kind`` leaves kinds aside: real sets often say only "damage".

    Raises:
        InvalidInput: The folder holds no such split.

    """
    return measure(judge(finder, root, split), root.name, split, at)


def sets_in(folder: Path, split: str) -> list[Path]:
    """Return the data sets in a folder that hold a split: itself, or those directly below it.

    Raises:
        InvalidInput: There is none.

    """
    found = [root for root in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())) if _holds(root, split)]
    if not found:
        raise InvalidInput(f"{folder} holds no data.yaml with images/{split}.", field="data")
    return found


def _holds(root: Path, split: str) -> bool:
    return (root / "data.yaml").is_file() and (root / "images" / split).is_dir()


def judge(finder: BoxFinder, root: Path, split: str, progress: Progress | None = None) -> list[Judged]:
    """Return what a detector finds in every image of a split, beside what is there.

    Raises:
        InvalidInput: The folder holds no such split.

    """
    names = names_in(root)[0]
    samples = read_yolo(root, split)
    if not samples:
        raise InvalidInput(f"{root} holds no images/{split}.", field="data")
    judged = []
    for sample in samples:
        judged.append(_judge(finder, sample, names))
        if progress:
            progress(len(judged), len(samples))
    return judged


def strangers(root: Path) -> tuple[str, ...]:
    """Return the set's classes that are no defect of ours: their boxes are left out."""
    return names_in(root)[1]


def measure(judged: Sequence[Judged], data: str, split: str, at: float) -> dict[str, object]:
    """Return the scores over judged images; precision and recall count boxes of confidence >= ``at``."""
    present = sorted({int(k) for j in judged for k in j.truth.kind})
    scores = {KINDS[k].value: score([of_kind(j, k) for j in judged], at) for k in present}
    together = score([any_kind(j) for j in judged], at)
    background = [j for j in judged if not len(j.truth)]
    return {
        "data": data,
        "split": split,
        "images": len(judged),
        "boxes": sum(len(j.truth) for j in judged),
        "threshold": at,
        "map50": round(float(np.mean([s.ap50 for s in scores.values()])), 4) if scores else None,
        "kinds": {name: s.as_dict() for name, s in scores.items()},
        "any_kind": together.as_dict(),
        "background_images": len(background),
        "false_boxes_per_background_image": _mean([int((j.found.confidence >= at).sum()) for j in background]),
        "false_boxes_per_image": _mean([_false_boxes(any_kind(j), at) for j in judged]),
    }


def _mean(values: Sequence[int]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def names_in(root: Path) -> tuple[dict[int, DefectKind], tuple[str, ...]]:
    """Return our kind of each of the set's classes, and the names of those that are no defect of ours."""
    path = root / "data.yaml"
    if not path.exists():
        raise InvalidInput(f"{root} holds no data.yaml.", field="data")
    names = yaml.safe_load(path.read_text())["names"]
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    known = {kind.value: kind for kind in DefectKind}
    named = {int(i): str(name) for i, name in pairs}
    ours = {i: known[name] for i, name in named.items() if name in known}
    return ours, tuple(name for i, name in named.items() if i not in ours and name != "none")


def _judge(finder: BoxFinder, sample: Sample, names: dict[int, DefectKind]) -> Judged:
    image = cv2.imread(str(sample.image), cv2.IMREAD_COLOR)
    if image is None:
        raise InvalidInput(f"{sample.image} is not a readable image.", field="data")
    height, width = image.shape[:2]
    rows = sample.rows[[int(c) in names for c in sample.rows[:, 0]]] if len(sample.rows) else sample.rows
    size = np.array([width, height, width, height])
    corners = np.hstack([rows[:, 1:3] - rows[:, 3:5] / 2, rows[:, 1:3] + rows[:, 3:5] / 2]) * size
    truth = Boxes.of(corners, np.ones(len(rows)), [KINDS.index(names[int(c)]) for c in rows[:, 0]])
    return Judged(find_in_frame(finder, np.asarray(image, np.uint8)), truth)


def of_kind(judged: Judged, kind: int) -> Judged:
    """Return what is of one kind."""
    return Judged(*(boxes.take(boxes.kind == kind) for boxes in judged))


def any_kind(judged: Judged) -> Judged:
    """Return it with kinds left aside."""
    return Judged(*(Boxes(b.xyxy, b.confidence, np.zeros_like(b.kind), b.cut) for b in judged))


def _false_boxes(judged: Judged, at: float) -> int:
    hits = match(judged.found, judged.truth)
    return int((~hits & (judged.found.by_confidence().confidence >= at)).sum())


def match(found: Boxes, truth: Boxes) -> NDArray[np.bool_]:
    """Tell for each found box, most confident first, whether it hits a truth none before it hit."""
    ordered = found.by_confidence()
    free = np.ones(len(truth), np.bool_)
    hits = np.zeros(len(ordered), np.bool_)
    for row in range(len(ordered)):
        overlap = np.where(free, iou(ordered.xyxy[row], truth.xyxy), 0.0) if len(truth) else np.zeros(0)
        if len(overlap) and overlap.max() >= MATCH_IOU:
            free[int(overlap.argmax())] = False
            hits[row] = True
    return hits


def marked(judged: Sequence[Judged]) -> list[Marked]:
    """Match every image's boxes to its truths, once."""
    return [Marked(j.found.by_confidence().confidence, match(j.found, j.truth), len(j.truth)) for j in judged]


def score(judged: Sequence[Judged], at: float) -> Score:
    """Return the scores over images of one kind: AP by the area under the interpolated precision-recall curve."""
    images = marked(judged)
    found = sum(int((i.confidence >= at).sum()) for i in images)
    truths = sum(i.truths for i in images)
    return Score(truths, found, ap50_of(images), precision_of(images, at), recall_of(images, at))
