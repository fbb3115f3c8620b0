"""The training extra: runs where torch is installed, with the network cut."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from contracts import training
from contracts.errors import InvalidInput
from contracts.geo import BoxNorm
from contracts.training import Evaluation, Judgement, LabelledBox, LabelledFrame, LabelSet, Split
from contracts.vocabulary import DefectKind
from tests.factories import MemoryObjects
from tests.vision_views import RedFinder
from vision import school
from vision.__main__ import app
from vision.boxes import Boxes, Image
from vision.card import sha256_of
from vision.detector import SHIPPED, BoxFinder, load_card, open_detector, verifier_file
from vision.evaluate import Judged
from vision.lessons import Lessons
from vision.runtimes import OnnxRuntime
from vision.school import School, evaluate_version, fetched, train_version
from vision.train import DEFAULT_SPEC, Run, read_spec, train
from vision.train_verifier import NOTHING, Taught, agreement, export_verifier, mine, train_verifier

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="the training extra is not installed"),
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch and ultralytics warn about themselves
]


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    root = tmp_path / "synth"
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for i in range(count):
            image = np.full((64, 64, 3), 200, np.uint8)
            x, y = (int(v) for v in rng.integers(4, 36, 2))
            cv2.rectangle(image, (x, y), (x + 24, y + 24), (0, 0, 0), -1)
            cv2.imwrite(str(root / "images" / split / f"{i}.png"), image)
            label = f"0 {(x + 12) / 64} {(y + 12) / 64} {24 / 64} {24 / 64}\n"
            (root / "labels" / split / f"{i}.txt").write_text(label)
    (root / "data.yaml").write_text("names: {0: crack}")
    (root / "SOURCE.json").write_text('{"origin": "drawn by this test", "license": "AGPL-3.0-or-later"}')
    return root


class Store(MemoryObjects):
    def put(self, key: str, body: bytes, content_type: str = "") -> None:  # type: ignore[override]
        super().put(key, body, content_type)

    def exists(self, key: str) -> bool:
        return key in self.stored


def judged_frames(store: Store, version: str) -> None:
    """Store frames of 64 pixels, each with a square that people called a crack, or nothing."""
    frames = []
    for number in range(12):
        image = np.full((64, 64, 3), 200, np.uint8)
        cv2.rectangle(image, (20, 20), (44, 44), (0, 0, 0), -1)
        key = f"frames/{number}.jpg"
        store.put(key, cv2.imencode(".jpg", image)[1].tobytes())
        judgement = Judgement.DEFECT if number % 3 else Judgement.NOTHING
        box = BoxNorm(x0=20 / 64, y0=20 / 64, x1=44 / 64, y1=44 / 64)
        labelled = LabelledBox(box=box, kind=DefectKind.CRACK, judgement=judgement, finding_id=str(number))
        split = (Split.TRAIN, Split.VAL, Split.TEST, Split.TRAIN)[number % 4]
        frames.append(LabelledFrame(frame_key=key, split=split, boxes=(labelled,)))
    labels = LabelSet(version=version, made_at=datetime.now(UTC), frames=tuple(frames))
    store.put(training.labels_key(version), labels.model_dump_json().encode())


def test_a_version_is_trained_on_verdicts_once_without_a_network_and_measured_beside_the_one_in_force(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("training opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    store = Store()
    judged_frames(store, "mdl-1")
    spec = read_spec().model_copy(update={"tile_px": 64, "batch": 8, "bfloat16": False})
    place = School(store, tmp_path, spec, SHIPPED, (rendered,), epochs=1, threads=1)
    train_version(place, "mdl-1")
    made = dict(store.stored)
    train_version(place, "mdl-1")
    assert store.stored == made, "what was trained is not trained again"
    measured = evaluate_version(place, "mdl-1")
    assert Evaluation.model_validate_json(store.get(training.evaluation_key("mdl-1"))) == measured
    weights = fetched(store, "mdl-1", tmp_path / "taken")
    raw = OnnxRuntime(weights, 1).infer(np.zeros((2, 64, 96, 3), np.uint8))
    assert (raw.shape[:2], bool(np.isfinite(raw).all())) == ((2, 4 + len(DefectKind)), True)
    card = load_card(weights)
    assert (card.name, measured.candidate.sha256) == ("mdl-1", card.sha256)
    assert measured.current.sha256 == load_card(SHIPPED).sha256
    assert (measured.candidate.images, measured.candidate.boxes) == (3, 2)


@pytest.mark.parametrize(("with_it", "kept"), [(0.9, True), (0.05, False)])
def test_a_version_has_a_second_look_where_it_judges_the_validation_images_better_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_it: float, kept: bool
) -> None:
    def taught(weights: Path, *_: object) -> Taught:
        file = Path(shutil.copy(verifier_file(SHIPPED), verifier_file(weights)))
        return Taught(file, {}, np.zeros((8, 8), np.int64))

    def judged(finder: BoxFinder, *_: object) -> list[Judged]:
        right = with_it if finder.card.verifier_sha256 else 0.3
        found = Boxes.of([[0, 0, 9, 9], [50, 50, 59, 59]], [right, 0.4], [0, 0])
        return [Judged(found, Boxes.of([[0, 0, 9, 9]], [1.0], [0]))]

    monkeypatch.setattr("vision.train_verifier.teach", taught)
    monkeypatch.setattr(school, "judge", judged)
    monkeypatch.setattr("vision.export.export", lambda _, weights: shutil.copy(SHIPPED, weights))
    store, checkpoint = Store(), tmp_path / "best.pt"
    checkpoint.write_bytes(b"weights")
    place = School(store, tmp_path, read_spec(), SHIPPED, threads=1)
    school._store(place, "mdl-1", checkpoint, tmp_path / "detector.onnx", Lessons(tmp_path, {"val": 1}, 0))
    assert store.exists(training.second_look_key("mdl-1")) is kept
    weights = fetched(store, "mdl-1", tmp_path / "taken")
    assert (load_card(weights).verifier_sha256 is not None) is kept
    open_detector(weights)  # checks both hashes


def test_the_detectors_own_box_of_a_defect_is_that_defect_and_one_that_grazes_it_neither(tmp_path: Path) -> None:
    class Pointing(RedFinder):
        def find(self, images: Sequence[Image]) -> list[Boxes]:
            boxes = [[40, 40, 80, 80], [56, 48, 110, 110], [60, 60, 100, 100], [200, 200, 240, 240]]
            return [Boxes.of(boxes, [0.5] * 4, [0] * 4) for _ in images]

    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: {0: crack, 3: corrosion}")
    cv2.imwrite(str(tmp_path / "images/train/a.png"), np.full((320, 320, 3), 128, np.uint8))
    (tmp_path / "labels/train/a.txt").write_text("3 0.1875 0.1875 0.125 0.125\n")  # 40 to 80 px
    mined = mine(Pointing(), tmp_path, "train", 1).spots
    known = {tuple(spot.box.round()): spot.kind for spot in mined[:4]}
    assert known == {(40, 40, 80, 80): 3, (56, 48, 110, 110): 3, (200, 200, 240, 240): NOTHING}


def test_the_second_look_is_trained_and_exported(rendered: Path, tmp_path: Path) -> None:
    spots = mine(RedFinder(), rendered, "train", 0)
    assert sum(s.kind == 0 for s in spots.spots) == 16 + 3  # labelled; the finder's own boxes of them
    net = train_verifier(spots, epochs=2, seed=0, threads=1)
    assert agreement(net, spots).sum() == len(spots.spots)
    judged = OnnxRuntime(export_verifier(net, tmp_path / "second.onnx"), 1).infer(np.zeros((3, 96, 96, 3), np.uint8))
    assert judged.shape == (3, NOTHING + 1)
    np.testing.assert_allclose(judged.sum(axis=1), 1.0, atol=1e-5)


def test_a_new_second_look_is_told_by_the_card_and_what_was_learnt_with_the_old_one_is_gone(
    rendered: Path, tmp_path: Path
) -> None:
    weights = tmp_path / SHIPPED.name
    for file in (SHIPPED, SHIPPED.with_suffix(".json"), verifier_file(SHIPPED)):
        shutil.copy(file, tmp_path / file.name)
    before = load_card(weights)
    said = CliRunner().invoke(app, ["second-look", str(weights), "--data", str(rendered), "--epochs", "1", "--json"])
    assert said.exit_code == 0, said.output
    card = load_card(weights)  # checks the hash of the weights
    assert card.verifier_sha256 == sha256_of(verifier_file(weights)) != before.verifier_sha256
    assert (before.fusion is None, card.fusion, card.planted) == (False, None, None)
    text = (tmp_path / "README.md").read_text()
    assert "Not measured yet" in text
    assert re.search(r"The second look: 1 epochs, seed 0. Cut-outs: synth/train \d+\.", text)
    assert "| synth | drawn by this test | AGPL-3.0-or-later | - |" in text


def test_a_detector_is_measured_again_and_the_rest_of_its_card_stays(rendered: Path, tmp_path: Path) -> None:
    weights = tmp_path / SHIPPED.name
    for file in (SHIPPED, SHIPPED.with_suffix(".json"), verifier_file(SHIPPED)):
        shutil.copy(file, tmp_path / file.name)
    said = CliRunner().invoke(app, ["measure", str(weights), "--rendered", str(rendered), "--json"])
    assert said.exit_code == 0, said.output
    before, after = (json.loads(file.with_suffix(".json").read_text()) for file in (SHIPPED, weights))
    assert after == before | {"metrics": json.loads(said.stdout)}
    assert [(m["data"], m["split"], m["images"]) for m in after["metrics"]] == [("synth", "val", 4)]
    assert "| synth/val | rendered, held out | 4 |" in (tmp_path / "README.md").read_text()


def test_a_second_look_learns_nothing_from_a_set_that_may_only_evaluate(rendered: Path, tmp_path: Path) -> None:
    (rendered / "SOURCE.json").write_text('{"license": "not stated"}')
    weights = shutil.copy(SHIPPED, tmp_path / SHIPPED.name)
    said = CliRunner().invoke(app, ["second-look", str(weights), "--data", str(rendered)])
    assert said.exit_code == 1
    assert "may only evaluate" in said.output
    assert not verifier_file(tmp_path / SHIPPED.name).exists()


@pytest.mark.parametrize(
    ("spec", "validates"),
    [("training.yaml", True), ("training-photos.yaml", False), ("training-rendered.yaml", False)],
)
def test_a_short_run_looks_at_its_validation_images_at_the_end_only(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, validates: bool
) -> None:
    told: dict[str, object] = {}

    class Network:
        def __init__(self, _: str) -> None: ...
        def add_callback(self, *_: object) -> None: ...
        def train(self, **arguments: object) -> None:
            told.update(arguments)

    monkeypatch.setattr("vision.train.load_ultralytics", lambda: SimpleNamespace(YOLO=Network))
    plain = {"network": "yolo11n", "real": (), "tile_px": 64}
    run = Run((rendered,), None, tmp_path / "run", epochs=1, seed=0)
    train(read_spec(DEFAULT_SPEC.with_name(spec)).model_copy(update=plain), run)
    assert told["val"] is validates


def test_a_missing_checkpoint_is_named(rendered: Path, tmp_path: Path) -> None:
    run = Run((rendered,), None, tmp_path / "run", epochs=1, seed=0, start_from=tmp_path / "none.pt")
    with pytest.raises(InvalidInput, match="No checkpoint"):
        train(read_spec(), run)
