"""How much detector and second look are worth together is learnt from labelled images."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.errors import InvalidInput
from vision.boxes import Boxes
from vision.fusion import Proposals, joined, learnt, touching


def seen(count: int, second_look_knows: float) -> Proposals:
    """Return proposals of which the detector says nothing and the second look so much."""
    rng = np.random.default_rng(3)
    right = np.arange(count) % 2 == 0
    defect = np.where(right, 0.5 + second_look_knows / 2, 0.5 - second_look_knows / 2)
    noisy = np.clip(defect + rng.normal(0, 0.2, count), 0.01, 0.99)
    return Proposals(rng.uniform(0.02, 0.9, count).astype(np.float32), noisy.astype(np.float32), right)


def test_the_look_that_knows_more_weighs_more() -> None:
    made = learnt(seen(800, 0.6), ["tiles/val"])
    assert made.second_look > 5 * abs(made.detector)
    assert (made.boxes, made.learnt_from) == (800, ("tiles/val",))


def test_chances_are_those_of_the_images() -> None:
    given = seen(800, 0.6)
    chance = learnt(given, []).chance(given.confidence, given.defect)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        some = (chance >= low) & (chance < high)
        assert given.right[some].mean() == pytest.approx(chance[some].mean(), abs=0.1)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(seen(60, 0.5), id="too few"),
        pytest.param(seen(400, 0.5)._replace(right=np.zeros(400, np.bool_)), id="none right"),
        pytest.param(joined([seen(30, 0.5), seen(30, 0.5)]), id="too few in two sets"),
    ],
)
def test_weights_are_not_learnt_from_chance(given: Proposals) -> None:
    with pytest.raises(InvalidInput, match="at least 50 of each"):
        learnt(given, [])


def test_a_look_at_a_part_of_a_defect_is_a_look_at_it() -> None:
    found = Boxes.of([[0, 0, 10, 10], [9, 9, 20, 20], [50, 50, 60, 60], [20, 20, 30, 30]], [0.5] * 4, [0] * 4)
    truth = Boxes.of([[8, 8, 20, 20]], [1.0], [3])
    assert touching(found, truth).tolist() == [True, True, False, False]
    assert touching(found, Boxes.none()).tolist() == [False] * 4
