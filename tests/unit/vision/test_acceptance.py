"""Which confidence makes a defect: of each kind where validation images tell, of all kinds together else."""

from __future__ import annotations

import pytest

from contracts.vocabulary import DefectKind
from tests.vision_views import CARD
from vision import acceptance
from vision.acceptance import LEAST_OF_KIND
from vision.boxes import KINDS, Boxes
from vision.evaluate import Judged

CRACK, CORROSION = DefectKind.CRACK, DefectKind.CORROSION
BOX = [10.0, 10.0, 50.0, 50.0]


def image(called: DefectKind, confidence: float, *, right: bool = True, is_one: DefectKind | None = None) -> Judged:
    """Return an image with one box; where it is not right, people said that there is nothing."""
    truth = [KINDS.index(is_one or called)] if right else []
    found = Boxes.of([BOX], [confidence], [KINDS.index(called)])
    return Judged(found, Boxes.of([BOX] * len(truth), [1.0] * len(truth), truth))


def images(called: DefectKind, wrong_up_to: float, count: int = 2 * LEAST_OF_KIND) -> list[Judged]:
    """Return half wrong boxes of a confidence, half right ones well above it."""
    half = count // 2
    return [image(called, wrong_up_to, right=False)] * half + [image(called, 0.9)] * half


def test_a_kind_that_people_often_reject_must_be_surer() -> None:
    found = acceptance.advised(images(CRACK, 0.62) + images(CORROSION, 0.15))
    assert found.by_kind == {CRACK: 0.65, CORROSION: 0.20}
    assert found.of_all == 0.65


def test_a_kind_of_which_little_is_known_is_at_the_level_of_all() -> None:
    found = acceptance.advised(images(CRACK, 0.32) + images(CORROSION, 0.62, count=LEAST_OF_KIND - 2))
    assert found.by_kind == {CRACK: 0.35}
    assert CARD.model_copy(update={"accept": 0.5, "accept_by_kind": found.by_kind}).accepts(CORROSION) == 0.5


def test_a_defect_under_another_name_is_right() -> None:
    assert acceptance.advised([image(CRACK, 0.3, is_one=CORROSION)] * LEAST_OF_KIND).by_kind == {CRACK: 0.20}


@pytest.mark.parametrize(("judged", "level"), [([], acceptance.SHIPPED), (images(CRACK, 0.9)[:30], 0.70)])
def test_nothing_found_keeps_what_ships_and_nothing_right_asks_the_most(judged: list[Judged], level: float) -> None:
    assert acceptance.advised(judged).of_all == level


def test_a_measurement_counts_what_each_kind_accepts() -> None:
    card = CARD.model_copy(update={"accept": 0.3, "accept_by_kind": {CRACK: 0.6}})
    kept = acceptance.accepted([image(CRACK, 0.5), image(CRACK, 0.7), image(CORROSION, 0.5)], card)
    assert [len(one.found) for one in kept] == [0, 1, 1]
