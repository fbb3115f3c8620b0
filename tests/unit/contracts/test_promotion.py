"""The gate before a person: a version that is worse in anything does not come that far."""

from __future__ import annotations

import pytest

from contracts.promotion import dropped_kinds, objections
from contracts.training import Evaluation, KindMeasured, Measured
from contracts.vocabulary import DefectKind

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


CRACKS = KindMeasured(boxes=20, ap50=0.6, recall=0.7)


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (CRACKS, []),
        (CRACKS.model_copy(update={"recall": 0.69, "ap50": 0.59}), []),
        (CRACKS.model_copy(update={"recall": 0.6}), ["It finds 60.0%, the one in force 70.0% of 20 crack"]),
        (CRACKS.model_copy(update={"ap50": 0.5}), ["Its AP50 is 0.500, that of the one in force 0.600 of 20 crack"]),
        (None, ["It finds 0.0%", "Its AP50 is 0.000"]),
    ],
)
def test_no_kind_may_drop_however_good_the_rest_is(new: KindMeasured | None, says: list[str]) -> None:
    old = GOOD.model_copy(update={"by_kind": {DefectKind.CRACK: CRACKS}})
    kinds = {DefectKind.CORROSION: CRACKS} | ({DefectKind.CRACK: new} if new else {})
    measured = Evaluation(version="mdl-1", candidate=BETTER.model_copy(update={"by_kind": kinds}), current=old)
    assert len(objections(measured)) == len(says)
    assert all(said.startswith(start) for said, start in zip(dropped_kinds(measured), says, strict=True))
    assert dropped_kinds(measured, margin=1.0) == []
