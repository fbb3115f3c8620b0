"""Key frames and tracks on 4K clips of real photos; the boxes are the exact truth's, so no detector is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vision.boxes import Boxes
from vision.frames import KeyFrames, choose_by_time
from vision.motion import MotionTracker
from vision.video import Video

CLIPS = Path(__file__).parents[4] / "shared/data/eval_only/clips"
BLURRED_OF_48 = 3
"""The clips' focus hunts in frames 0, 1 and 2 of every 48."""
FIRST = 6
"""Two and a half seconds, with two hunts."""

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason="the public data is not beside the checkout")


def truth(name: str) -> dict[int, list[dict[str, Any]]]:
    told = json.loads((CLIPS / f"{name}.gt.json").read_text())
    return {row["frame"]: row["boxes"] for row in told["gt"]}


@pytest.mark.parametrize("name", ["dtu_turbine_pan_4k", "furb_poles_pan_4k"])
def test_each_object_is_one_track_and_blurred_frames_are_passed_over(name: str) -> None:
    boxes = truth(name)
    video, tracker = Video(CLIPS / f"{name}.mp4"), MotionTracker()
    looked = []
    chosen = choose_by_time(video)[:FIRST]
    for frame in KeyFrames(video, chosen, lambda _frame: None):
        here = boxes[frame.frame]
        looked.append(frame.frame)
        tracker.add(frame.frame, frame.image, Boxes.of([b["xyxy"] for b in here], np.ones(len(here)), [0] * len(here)))
    assert len(tracker.tracks()) == len({b["id"] for row in boxes.values() for b in row})
    assert [f for f in looked if f % 48 < BLURRED_OF_48] == []
    assert len(looked) == len(chosen), "a sharp neighbour stands in for each"
