from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision.boxes import Boxes
from vision.motion import MotionTracker, motion, touches_border

TEXTURE = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (900, 1400, 3)).astype(np.uint8), (0, 0), 3)


def window(x: int, y: int) -> np.ndarray:
    return TEXTURE[y : y + 540, x : x + 960]


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (24, 0), (-16, 30), (60, -20)])
def test_motion_of_the_picture(dx: int, dy: int) -> None:
    before, after = (
        cv2.cvtColor(window(*at), cv2.COLOR_BGR2GRAY).astype(np.float32) for at in ((200, 200), (200 - dx, 200 - dy))
    )
    np.testing.assert_allclose(motion(before, after), [dx, dy], atol=0.5)


def test_one_track_for_a_small_box_that_moves_more_than_its_size() -> None:
    tracker = MotionTracker()
    for step in range(6):
        x = 10 + 60 * step
        box = [[400 - x, 200, 430 - x, 230]]
        tracker.add(step, window(x, 100), Boxes.of(box, [0.8], [0]))
    assert [len(t.looks) for t in tracker.tracks()] == [6]


def test_two_objects_stay_two_and_a_gap_is_bridged() -> None:
    tracker = MotionTracker()
    for step in range(5):
        boxes = [[300, 200, 340, 240], [500, 200, 540, 240]][: 1 if step == 2 else 2]
        tracker.add(step, window(100, 100), Boxes.of(boxes, [0.8] * len(boxes), [0] * len(boxes)))
    assert sorted(len(t.looks) for t in tracker.tracks()) == [4, 5]


def test_a_track_unseen_for_long_ends() -> None:
    tracker = MotionTracker()
    for step in range(12):
        shown = step in {0, 11}
        tracker.add(step, window(100, 100), Boxes.of([[300, 200, 340, 240]], [0.8], [0]) if shown else Boxes.none())
    assert len(tracker.tracks()) == 2


@pytest.mark.parametrize(
    ("box", "touches"), [([0, 50, 40, 90], True), ([50, 50, 90, 90], False), ([50, 50, 99, 90], True)]
)
def test_touching_the_border(box: list[float], touches: bool) -> None:
    assert touches_border(np.array(box, np.float32), 100, 100) is touches
