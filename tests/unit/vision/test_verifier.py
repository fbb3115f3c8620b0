from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidInput, NotFound
from tests.vision_views import CARD
from vision.boxes import KINDS, Boxes
from vision.detector import Detector, open_detector, verifier_file
from vision.runtimes import Frames, Raw
from vision.verifier import CROP_PX, Fusion, Verifier, cutout


class Judge:
    """Answers the same for every cut-out and keeps what it was shown."""

    name = "judge"

    def __init__(self, *scores: float) -> None:
        self.scores = scores
        self.shown: list[Frames] = []

    def infer(self, frames: Frames) -> Raw:
        self.shown.append(frames)
        return np.tile(np.array(self.scores, np.float32), (len(frames), 1))


def scores(kind: int, share: float) -> tuple[float, ...]:
    """Return probabilities: ``share`` for a kind, the rest for nothing."""
    made = [0.0] * (len(KINDS) + 1)
    made[kind], made[-1] = share, 1.0 - share
    return tuple(made)


IMAGE = np.zeros((300, 400, 3), np.uint8)
BOXES = Boxes.of([[10, 10, 60, 40], [200, 100, 390, 290]], [0.8, 0.5], [0, 1])


@pytest.mark.parametrize(
    ("share", "kinds", "confidence"),
    [
        pytest.param(1.0, [4, 4], [0.8, 0.5], id="surely a defect of another kind"),
        pytest.param(0.4, [0, 1], [0.32, 0.2], id="doubtful: the detector's kind stays"),
        pytest.param(0.0, [0, 1], [0.0, 0.0], id="surely nothing"),
    ],
)
def test_the_second_look_weighs_and_names(share: float, kinds: list[int], confidence: list[float]) -> None:
    judged = Verifier(Judge(*scores(4, share))).confirm(IMAGE, BOXES)
    assert judged.kind.tolist() == kinds
    np.testing.assert_allclose(judged.confidence, confidence, atol=1e-6)
    np.testing.assert_array_equal(judged.xyxy, BOXES.xyxy)


class Leftist:
    """Takes what is brighter on its left for a defect."""

    name = "leftist"

    def infer(self, frames: Frames) -> Raw:
        left, right = (
            half.mean(axis=(1, 2, 3)) for half in (frames[:, :, : CROP_PX // 2], frames[:, :, CROP_PX // 2 :])
        )
        return np.array([scores(0, float(share)) for share in left / (left + right)], np.float32)


def test_which_way_up_a_thing_is_shown_makes_no_difference() -> None:
    image = np.random.default_rng(3).integers(1, 255, (120, 200, 3), np.uint8)
    one = Verifier(Leftist()).judge(image, Boxes.of([[30, 40, 90, 80], [120, 20, 190, 70]], [1, 1], [0, 0]))
    turned = np.ascontiguousarray(np.rot90(image, 2))
    other = Verifier(Leftist()).judge(turned, Boxes.of([[110, 40, 170, 80], [10, 50, 80, 100]], [1, 1], [0, 0]))
    np.testing.assert_allclose(one, other, atol=0.01)
    np.testing.assert_allclose(one[:, 0], 0.5, atol=1e-3)


def test_what_is_clearly_nothing_at_first_is_not_turned() -> None:
    judge = Judge(*scores(0, 0.1))
    np.testing.assert_allclose(Verifier(judge).judge(IMAGE, BOXES)[:, 0], 0.1)
    assert [len(crops) for crops in judge.shown] == [2]


def test_what_may_be_something_is_turned_alone() -> None:
    image = np.full((120, 200, 3), 255, np.uint8)
    image[:, :60] = 1
    judged = Verifier(Leftist()).judge(image, Boxes.of([[30, 40, 90, 80], [100, 40, 160, 80]], [1, 1], [0, 0]))
    assert judged[0, 0] < 0.05
    assert judged[1, 0] == pytest.approx(0.5)


FUSION = Fusion(detector=0.5, second_look=1.0, offset=0.0, proposal=0.02)


def test_a_small_box_that_the_second_look_is_sure_of_is_suspected() -> None:
    weak, judge = Boxes.of([[10, 10, 60, 40]], [0.1], [0]), Verifier(Judge(*scores(3, 0.9)))
    suspected = judge.suspect(IMAGE, weak, FUSION)
    assert suspected.confidence.tolist() == [pytest.approx(0.75)]  # odds: 9 times a third
    assert suspected.kind.tolist() == [3]
    assert judge.confirm(IMAGE, weak).confidence.tolist() == [pytest.approx(0.09)]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_of_either_look_is_never_less_likely(confidence: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    both = FUSION.chance(np.array([confidence, confidence]), np.array([low, high]))
    swapped = FUSION.chance(np.array([low, high]), np.array([confidence, confidence]))
    assert 0 <= both[0] <= both[1] <= 1
    assert 0 <= swapped[0] <= swapped[1] <= 1


def test_what_the_fusion_proposes_is_looked_at_and_what_it_holds_for_likely_suspected() -> None:
    card = CARD.model_copy(update={"fusion": FUSION})
    assert (card.proposal, CARD.proposal) == (0.02, CARD.threshold)
    weak = Boxes.of([[10, 10, 60, 40], [70, 70, 90, 90]], [0.1, 0.02], [0, 0])
    sure, doubting = (Verifier(Judge(*scores(0, share))) for share in (0.9, 0.2))
    assert Detector(Judge(), card, sure).suspect(IMAGE, weak).confidence.tolist() == pytest.approx([0.75, 0.5625])
    assert len(Detector(Judge(), card, doubting).suspect(IMAGE, weak)) == 0
    assert len(Detector(Judge(), CARD, sure).suspect(IMAGE, weak)) == 0


def test_no_boxes_no_look() -> None:
    judge = Judge(*scores(0, 1.0))
    assert len(Verifier(judge).confirm(IMAGE, Boxes.none())) == 0
    assert judge.shown == []


def test_what_falls_below_the_threshold_is_gone() -> None:
    detector = Detector(Judge(), CARD, Verifier(Judge(*scores(0, 0.15))))
    assert detector.confirm(IMAGE, BOXES).confidence.tolist() == [pytest.approx(0.12)]
    assert len(Detector(Judge(), CARD).confirm(IMAGE, BOXES)) == 2


@pytest.mark.parametrize("size", [20, 60, 120, 400])
def test_a_cutout_holds_its_box_in_the_middle(size: int) -> None:
    image = np.zeros((1000, 1000, 3), np.uint8)
    box = np.array([500 - size / 2, 480 - size / 2, 500 + size / 2, 480 + size / 2])
    image[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 255
    made = cutout(image, box)
    assert made.shape == (CROP_PX, CROP_PX, 3)
    rows, columns = np.nonzero(made[..., 0] > 127)
    expected = CROP_PX * size / max(48, 1.5 * size)
    assert np.ptp(rows) + 1 == pytest.approx(expected, abs=2.5)
    assert rows.mean() == pytest.approx(CROP_PX / 2, abs=1.5)
    assert columns.mean() == pytest.approx(CROP_PX / 2, abs=1.5)


def test_a_cutout_over_the_border_is_grey_outside() -> None:
    made = cutout(np.full((200, 200, 3), 255, np.uint8), np.array([-20.0, 60.0, 40.0, 120.0]))
    assert made[CROP_PX // 2, 2].tolist() == [114, 114, 114]
    assert made[CROP_PX // 2, CROP_PX // 2].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("content", "error"), [(None, NotFound), (b"other bytes", InvalidInput)])
def test_a_second_look_other_than_the_cards_is_refused(
    tmp_path: Path, content: bytes | None, error: type[Exception]
) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"weights")
    card = CARD.model_dump(mode="json") | {"sha256": hashlib.sha256(b"weights").hexdigest()}
    weights.with_suffix(".json").write_text(json.dumps(card | {"verifier_sha256": "2" * 64}))
    if content is not None:
        verifier_file(weights).write_bytes(content)
    with pytest.raises(error, match="model-second"):
        open_detector(weights)
