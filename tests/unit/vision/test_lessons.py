"""Judged frames become tiles: defects with their boxes, rejected places empty, unjudged places not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import InvalidInput
from contracts.geo import BoxNorm
from contracts.training import Judgement, LabelledBox, LabelledFrame, LabelSet, Split
from contracts.vocabulary import DefectKind
from tests.factories import MemoryObjects
from vision.datasets import read_yolo
from vision.lessons import Lessons, write

SIDE, TILE = 400, 100
DEFECT, NOTHING, OPEN = Judgement


def box(x: float, y: float, judgement: Judgement, kind: DefectKind = DefectKind.CRACK) -> LabelledBox:
    """Return a box of 20 pixels' side round a place in pixels."""
    low, high = ((x - 10) / SIDE, (y - 10) / SIDE), ((x + 10) / SIDE, (y + 10) / SIDE)
    return LabelledBox(
        box=BoxNorm(x0=low[0], y0=low[1], x1=high[0], y1=high[1]), kind=kind, judgement=judgement, finding_id="f"
    )


def taught(tmp_path: Path, *boxes: LabelledBox, split: Split = Split.TRAIN, body: bytes | None = None) -> Lessons:
    store = MemoryObjects()
    picture = cv2.imencode(".jpg", np.full((SIDE, SIDE, 3), 90, np.uint8))[1].tobytes()
    store.put("frames/a.jpg", picture if body is None else body, "image/jpeg")
    frames = tuple(LabelledFrame(frame_key=f"frames/{name}.jpg", split=split, boxes=boxes) for name in ("a", "gone"))
    labels = LabelSet(version="mdl-1", made_at=datetime.now(UTC), frames=frames)
    return write(labels, store, tmp_path, TILE)


@pytest.mark.parametrize(
    ("boxes", "rows"),
    [
        pytest.param([box(200, 200, DEFECT)], [1], id="a defect has its box"),
        pytest.param([box(200, 200, NOTHING)], [0], id="a rejected place teaches that there is nothing"),
        pytest.param([box(200, 200, NOTHING), box(230, 200, DEFECT)], [1, 1], id="a defect beside it keeps its box"),
        pytest.param([box(200, 200, DEFECT), box(230, 200, OPEN)], [], id="nothing where an unjudged one would show"),
        pytest.param([box(200, 200, DEFECT), box(60, 60, OPEN)], [1], id="an unjudged one far away does not matter"),
        pytest.param([box(12, 390, DEFECT)], [1], id="at the edge of the frame"),
    ],
)
def test_tiles(tmp_path: Path, boxes: list[LabelledBox], rows: list[int]) -> None:
    made = taught(tmp_path, *boxes)
    assert [len(sample.rows) for sample in read_yolo(made.root, "train")] == rows
    assert (made.tiles["train"], made.missing) == (len(rows), 1)


def test_a_box_lies_where_it_was_and_is_of_its_kind(tmp_path: Path) -> None:
    made = taught(tmp_path, box(200, 200, DEFECT, DefectKind.CORROSION), split=Split.TEST)
    (sample,) = read_yolo(made.root, "test")
    kinds = list(DefectKind)
    assert sample.rows.round(2).tolist() == [[kinds.index(DefectKind.CORROSION), 0.5, 0.5, 0.2, 0.2]]


def test_a_frame_that_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"frames/a\.jpg"):
        taught(tmp_path, box(200, 200, DEFECT), body=b"not a picture")
