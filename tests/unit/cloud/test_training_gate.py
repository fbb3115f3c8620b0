"""The gate before a person: a version that is worse in anything does not come that far."""

from __future__ import annotations

import pytest

from cloud.training.gate import objections
from cloud.training.labels import split_of
from contracts.training import Evaluation, Measured, Split

GOOD = Measured(
    sha256="a" * 64, images=40, boxes=30, map50=0.7, precision=0.8, recall=0.75, false_boxes_per_image=0.1, accept=0.35
)
BETTER = GOOD.model_copy(update={"map50": 0.8, "recall": 0.8, "sha256": "b" * 64})


def against(**changed: float | None) -> list[str]:
    return objections(Evaluation(version="mdl-1", candidate=BETTER.model_copy(update=changed), current=GOOD))


def test_a_better_version_passes() -> None:
    assert against() == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"recall": 0.7}, "It finds 70.0% of the defects, the one in force 75.0%."),
        ({"precision": 0.5}, "50.0% of its boxes are right"),
        ({"map50": 0.7}, "Its mAP50 is 0.700, that of the one in force 0.700."),
        ({"map50": None}, "Its mAP50 is 0.000"),
        ({"images": 9}, "9 images with 30 defects"),
        ({"boxes": 0}, "40 images with 0 defects"),
    ],
)
def test_a_version_that_is_worse_in_one_thing_is_stopped_with_the_figures(
    changed: dict[str, float | None], says: str
) -> None:
    (said,) = against(**changed)
    assert says in said


def test_what_measuring_anew_moves_by_itself_is_no_objection() -> None:
    assert against(recall=0.745, precision=0.79) == []


def test_all_pictures_of_one_defect_are_in_the_same_split_and_a_quarter_is_never_learnt() -> None:
    splits = [split_of(f"grp-{number}") for number in range(4000)]
    assert split_of("grp-1") is splits[1]
    shares = {split: splits.count(split) / len(splits) for split in Split}
    assert shares == pytest.approx({Split.TRAIN: 0.60, Split.VAL: 0.15, Split.TEST: 0.25}, abs=0.03)
