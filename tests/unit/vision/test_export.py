"""An export is compared with its checkpoint: rounding passes, anything else does not."""

from __future__ import annotations

import numpy as np
import pytest

from vision.export import difference


@pytest.mark.parametrize(
    ("moved", "told"),
    [
        ((0.4, 0.0, 0.0, 0.0, 0.0), None),
        ((0.6, 0.0, 0.0, 0.0, 0.0), "boxes by 0.60 px, scores by 0.0000"),
        ((0.0, 0.0, 0.0, 0.0, 0.02), "boxes by 0.00 px, scores by 0.0200"),
    ],
    ids=["less than half a pixel", "more than half a pixel of a small box", "another score"],
)
def test_a_small_box_may_move_half_a_pixel_and_a_score_one_in_a_hundred(
    moved: tuple[float, ...], told: str | None
) -> None:
    wanted = np.array([[[50.0], [50.0], [12.0], [10.0], [0.4]]], np.float32)
    answer = wanted + np.array(moved, np.float32)[None, :, None]
    assert difference(answer, wanted) == told


@pytest.mark.parametrize(("moved_px", "passes"), [(5.0, True), (7.0, False)])
def test_a_large_box_may_move_three_hundredths_of_its_side(moved_px: float, passes: bool) -> None:
    wanted = np.array([[[300.0], [300.0], [200.0], [40.0], [0.4]]], np.float32)
    answer = wanted + np.array([0, 0, moved_px, 0, 0], np.float32)[None, :, None]
    assert (difference(answer, wanted) is None) == passes
