from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from contracts.errors import InvalidInput
from tests.vision_views import CARD, RedFinder
from vision.boxes import Boxes
from vision.card import FullCard, card_text, source_of, sources_of
from vision.evaluate import Judged, evaluate, match, score

BOX = [10.0, 10.0, 50.0, 50.0]
AWAY = [200.0, 200.0, 240.0, 240.0]


def judged(found: list[tuple[list[float], float]], truth: list[list[float]]) -> Judged:
    return Judged(
        Boxes.of([b for b, _ in found], [c for _, c in found], [0] * len(found)),
        Boxes.of(truth, [1.0] * len(truth), [0] * len(truth)),
    )


@pytest.mark.parametrize(
    ("found", "truth", "ap50", "precision", "recall"),
    [
        pytest.param([(BOX, 0.9)], [BOX], 1.0, 1.0, 1.0, id="right"),
        pytest.param([], [BOX], 0.0, 0.0, 0.0, id="missed"),
        pytest.param([(AWAY, 0.9), (BOX, 0.8)], [BOX], 0.5, 0.5, 1.0, id="a false one first"),
        pytest.param([(BOX, 0.9), (BOX, 0.8)], [BOX], 1.0, 0.5, 1.0, id="the same twice"),
        pytest.param([(BOX, 0.9)], [BOX, AWAY], 0.5, 1.0, 0.5, id="one of two"),
        pytest.param([(BOX, 0.1)], [BOX], 1.0, 0.0, 0.0, id="right but below the threshold"),
    ],
)
def test_scores(
    found: list[tuple[list[float], float]], truth: list[list[float]], ap50: float, precision: float, recall: float
) -> None:
    made = score([judged(found, truth)], 0.3)
    assert made.ap50 == pytest.approx(ap50)
    assert made.precision == pytest.approx(precision)
    assert made.recall == pytest.approx(recall)


def test_scores_join_images_by_confidence() -> None:
    made = score([judged([(AWAY, 0.95)], []), judged([(BOX, 0.9)], [BOX])], 0.3)
    assert made.ap50 == pytest.approx(0.5)


def test_a_truth_is_hit_once_by_the_most_confident() -> None:
    one = judged([([12, 10, 52, 50], 0.5), (BOX, 0.9)], [BOX])
    assert match(one.found, one.truth).tolist() == [True, False]


def write_set(root: Path, names: list[str]) -> Path:
    for folder in ("images/test", "labels/test"):
        (root / folder).mkdir(parents=True)
    image = np.full((400, 400, 3), 128, np.uint8)
    cv2.imwrite(str(root / "images/test/none.png"), image)
    (root / "labels/test/none.txt").write_text("")
    cv2.rectangle(image, (100, 100), (179, 139), (0, 0, 255), -1)
    cv2.imwrite(str(root / "images/test/one.png"), image)
    rows = "0 0.35 0.3 0.2 0.1\n1 0.8 0.8 0.1 0.1\n"
    (root / "labels/test/one.txt").write_text(rows)
    (root / "data.yaml").write_text(yaml.safe_dump({"names": dict(enumerate(names))}))
    return root


def test_a_set_is_measured_on_the_kinds_that_are_ours(tmp_path: Path) -> None:
    report = evaluate(RedFinder(), write_set(tmp_path / "set", ["crack", "insulator"]), "test", 0.3)
    assert report["images"] == 2
    assert report["boxes"] == 1
    assert report["map50"] == pytest.approx(1.0)
    assert report["false_boxes_per_background_image"] == 0.0
    assert report["false_boxes_per_image"] == 0.0


def test_kinds_left_aside(tmp_path: Path) -> None:
    report = evaluate(RedFinder(), write_set(tmp_path / "set", ["damage", "insulator"]), "test", 0.3)
    assert report["map50"] == 0.0
    any_kind = report["any_kind"]
    assert isinstance(any_kind, dict)
    assert any_kind["recall"] == pytest.approx(1.0)


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="images/val"):
        evaluate(RedFinder(), write_set(tmp_path / "set", ["crack"]), "val", 0.3)


def test_the_card_tells_data_quality_and_limits(tmp_path: Path) -> None:
    report = evaluate(RedFinder(), write_set(tmp_path / "set", ["crack"]), "test", 0.3) | {"use": "made up"}
    card = FullCard(
        **CARD.model_dump(),
        training={"seed": 3, "epochs": 2, "images": {"synth/train": 9}},
        data=(source_of(tmp_path / "set"), {"set": "x", "repo": "o/n", "commit": "abcdef012", "license": "CC BY 4.0"}),
        metrics=(report,),
    )
    text = card_text(card)
    for expected in ("o/n @ abcdef0", "CC BY 4.0", "| set/test | made up |", "synth/train 9", "seed 3", *card.limits):
        assert expected in text


def test_the_card_tells_whose_features_a_detector_stands_on(tmp_path: Path) -> None:
    features = {"set": "ImageNet features", "repo": "lite0 0.1.0", "commit": "f2bc3dd", "license": "Apache-2.0"}
    first = {"seed": 0, "epochs": 4, "started_from": "ImageNet features", "spec": {"pretrained": features}}
    last = first | {"seed": 1, "started_from": "last.pt", "before": first}
    data = sources_of(last, [write_set(tmp_path / "set", ["crack"])])
    assert [row["set"] for row in data] == ["ImageNet features", "set"]
    text = card_text(FullCard(**CARD.model_dump(), training=last, data=data))
    for expected in (
        "1. 4 epochs from ImageNet features, seed 0",
        "2. 4 epochs from the run before, seed 1",
        "Apache-2.0",
    ):
        assert expected in text
