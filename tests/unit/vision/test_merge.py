from __future__ import annotations

import numpy as np
import pytest

from vision.boxes import Boxes
from vision.merge import iou, merge, suppress


def test_iou_of_known_boxes() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(iou(box, others), [1.0, 1 / 3, 0.0], atol=1e-6)


def test_suppress_keeps_the_most_confident_of_one_kind() -> None:
    kept = suppress(Boxes.of([[0, 0, 10, 10], [1, 1, 11, 11], [0, 0, 10, 10]], [0.5, 0.8, 0.7], [0, 0, 1]))
    assert sorted(zip(kept.kind.tolist(), kept.confidence.tolist(), strict=True)) == [
        (0, pytest.approx(0.8)),
        (1, pytest.approx(0.7)),
    ]


@pytest.mark.parametrize(
    ("boxes", "cut", "count"),
    [
        pytest.param([[0, 0, 100, 100], [20, 20, 60, 60]], [False, False], 1, id="one inside the other"),
        pytest.param([[0, 0, 100, 100], [60, 0, 160, 100]], [False, False], 2, id="neighbours, whole"),
        pytest.param([[0, 0, 100, 40], [80, 2, 180, 42]], [True, True], 1, id="two halves across a seam"),
        pytest.param([[0, 0, 100, 40], [80, 60, 180, 90]], [True, True], 2, id="cut, but apart"),
        pytest.param(
            [[0, 0, 100, 40], [80, 0, 180, 40], [160, 0, 260, 40]], [True, True, True], 1, id="a chain of three"
        ),
    ],
)
def test_merge(boxes: list[list[float]], cut: list[bool], count: int) -> None:
    merged = merge(Boxes.of(boxes, np.linspace(0.9, 0.5, len(boxes)), [0] * len(boxes), cut))
    assert len(merged) == count
    if count == 1:
        everything = np.array(boxes)
        np.testing.assert_allclose(merged.xyxy[0], [*everything[:, :2].min(0), *everything[:, 2:].max(0)])
        assert merged.confidence[0] == pytest.approx(0.9)


def test_merge_never_joins_kinds() -> None:
    assert len(merge(Boxes.of([[0, 0, 10, 10], [0, 0, 10, 10]], [0.9, 0.8], [0, 1]))) == 2
