from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest

from contracts.errors import InvalidInput
from vision.boxes import Boxes


@pytest.mark.parametrize(
    ("xyxy", "confidence", "kind", "outcome"),
    [
        ([[0, 0, 1, 1]], [0.5], [0], nullcontext()),
        ([], [], [], nullcontext()),
        ([[0, 0, 1, 1], [0, 0, 1, 1]], [0.5], [0], pytest.raises(InvalidInput, match=r"xyxy has shape \(2, 4\)")),
        ([[0, 0, 1, 1]], [0.5], [0, 1], pytest.raises(InvalidInput, match=r"kind has shape \(2,\)")),
    ],
)
def test_arrays_must_be_parallel(
    xyxy: list[list[float]], confidence: list[float], kind: list[int], outcome: AbstractContextManager[object]
) -> None:
    with outcome:
        Boxes.of(xyxy, confidence, kind)


def test_moved_scales_before_it_shifts() -> None:
    moved = Boxes.of([[1, 2, 3, 4]], [0.5], [0]).moved(4.0, 100.0, 200.0)
    np.testing.assert_allclose(moved.xyxy, [[104, 208, 112, 216]])


def test_joined_keeps_order_and_none_is_empty() -> None:
    one, two = Boxes.of([[0, 0, 1, 1]], [0.5], [3]), Boxes.of([[5, 5, 6, 6]], [0.9], [4])
    joined = Boxes.joined([one, Boxes.none(), two])
    assert joined.kind.tolist() == [3, 4]
    assert len(Boxes.joined([])) == 0
    assert joined.by_confidence().kind.tolist() == [4, 3]
