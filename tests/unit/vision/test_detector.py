from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import psutil
import pytest

from contracts.errors import InvalidInput, NotFound
from contracts.vocabulary import DefectKind
from tests.vision_views import CARD
from vision.boxes import KINDS
from vision.card import FullCard, card_text, kinds_of
from vision.detector import MODELS, SHIPPED, Detector, decode, load_card, open_detector
from vision.runtimes import Frames, OnnxRuntime, OpenVino, Raw

PHOTO = MODELS / "photo/kestrel-photo-n.onnx"


class FakeRuntime:
    """Answers with one anchor in the middle of the picture, and remembers the shapes it was given."""

    name = "fake"

    def __init__(self, kinds: int = len(KINDS)) -> None:
        self.kinds = kinds
        self.shapes: list[tuple[int, ...]] = []

    def infer(self, frames: Frames) -> Raw:
        self.shapes.append(frames.shape)
        raw = np.zeros((len(frames), 4 + self.kinds, 3), np.float32)
        raw[:, :4, 0] = (frames.shape[2] / 2, frames.shape[1] / 2, 20, 10)
        raw[:, 4 + 2, 0] = 0.7
        return raw


def images(*shapes: tuple[int, int]) -> list[np.ndarray]:
    return [np.zeros((*shape, 3), np.uint8) for shape in shapes]


def test_shapes_are_padded_to_the_stride_and_batched() -> None:
    runtime = FakeRuntime()
    found = Detector(runtime, CARD, batch_px=2 * 320 * 320).find(images((320, 320), (100, 333), (320, 320), (320, 320)))
    assert sorted(runtime.shapes) == [(1, 128, 352, 3), (1, 320, 320, 3), (2, 320, 320, 3)]
    assert [len(b) for b in found] == [1, 1, 1, 1]
    assert KINDS[int(found[0].kind[0])] is DefectKind.LIGHTNING_BURN


def test_pictures_of_ever_new_shapes_take_no_more_memory() -> None:
    process, runtime = psutil.Process(), OpenVino(SHIPPED, 1)
    shapes = [(32 * rows, 32 * columns) for rows in range(2, 12) for columns in range(2, 12)]
    taken_mb = []
    for number, (height, width) in enumerate(shapes):
        runtime.infer(np.zeros((1, height, width, 3), np.uint8))
        if number in {len(shapes) // 2, len(shapes) - 1}:
            taken_mb.append(process.memory_info().rss / 2**20)
    assert taken_mb[1] - taken_mb[0] < 100


def test_no_images_no_work() -> None:
    runtime = FakeRuntime()
    assert Detector(runtime, CARD).find([]) == []
    assert runtime.shapes == []


def test_an_answer_of_another_model_is_refused() -> None:
    with pytest.raises(InvalidInput, match=rf"shape \(1, 7, 3\), expected \(1, {4 + len(KINDS)}, anchors\)"):
        Detector(FakeRuntime(kinds=3), CARD).find(images((320, 320)))


def test_a_model_made_before_the_last_kinds_were_named_knows_fewer() -> None:
    assert kinds_of(SHIPPED) == load_card(SHIPPED).kinds == KINDS[:7]


def test_decode_drops_the_weak_clips_and_suppresses() -> None:
    raw = np.zeros((4 + len(KINDS), 4), np.float32)
    raw[:4] = np.array([[5, 5, 20, 20], [6, 5, 20, 20], [50, 50, 10, 10], [80, 80, 10, 10]]).T
    raw[4] = (0.9, 0.8, 0.05, 0.3)
    boxes = decode(raw, 0.1, 100, 82)
    np.testing.assert_allclose(boxes.xyxy, [[0, 0, 15, 15], [75, 75, 85, 82]])
    np.testing.assert_allclose(boxes.confidence, [0.9, 0.3])


def write_card(folder: Path, content: bytes, **changed: object) -> Path:
    weights = folder / "model.onnx"
    weights.write_bytes(content)
    card = CARD.model_dump(mode="json") | {"sha256": hashlib.sha256(content).hexdigest(), "limits": ["for people"]}
    weights.with_suffix(".json").write_text(json.dumps(card | changed))
    return weights


def test_a_card_is_read_with_what_only_people_need(tmp_path: Path) -> None:
    assert load_card(write_card(tmp_path, b"weights")).kinds == KINDS


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sha256": "1" * 64}, "its card says 111111111111"),
        ({"kinds": ["corrosion", "crack"]}, "differ from the vocabulary"),
        ({"kinds": ["rust"]}, "is not a model card"),
        ({"threshold": 2.0}, "is not a model card"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_card(write_card(tmp_path, b"weights", **changed))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.onnx"):
        open_detector(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("weights", [SHIPPED, PHOTO], ids=["shipped", "photo"])
def test_what_ships_takes_any_shape(weights: Path, engine: str) -> None:
    pytest.importorskip(engine)
    detector = open_detector(weights, threads=1, engine=engine)
    given = images((320, 320), (224, 640), (75, 90))
    for image, boxes in zip(given, detector.find(given), strict=True):
        height, width = image.shape[:2]
        assert (boxes.xyxy >= 0).all()
        assert (boxes.xyxy <= (width, height, width, height)).all()
    assert detector.engine.startswith(engine)


@pytest.mark.parametrize("weights", [SHIPPED, PHOTO], ids=["shipped", "photo"])
def test_engines_agree_on_what_ships(weights: Path) -> None:
    pytest.importorskip("openvino")
    noise = np.random.default_rng(3).integers(0, 255, (1, 320, 320, 3), np.uint8)
    first, second = OnnxRuntime(weights, 1).infer(noise), OpenVino(weights, 1, half=False).infer(noise)
    np.testing.assert_allclose(first[:, 4:], second[:, 4:], atol=1e-3)


def test_the_card_of_the_photo_detector_names_what_it_learnt_and_under_which_licence() -> None:
    card = FullCard.model_validate_json(PHOTO.with_suffix(".json").read_text())
    learnt = {name.partition("/")[0] for name in card.training["images"]}
    assert {record["set"] for record in card.data} == {"ImageNet features", *learnt}
    assert all(record["license"] for record in card.data)
    known = {record["data"] for record in card.metrics if record["use"] == "real, other photos of a set trained on"}
    assert known == learnt
    assert card.training["data_manifest_sha256"]
    assert PHOTO.with_name("README.md").read_text() == card_text(card)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InvalidInput, match="No engine 'abacus'"):
        open_detector(SHIPPED, engine="abacus")
