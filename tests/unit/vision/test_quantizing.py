"""An eight-bit copy of a detector: made of pictures it may learn from, and kept only where it sees as well."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from contracts.errors import InvalidInput, NotFound
from simulators.dataset import yolo_line
from simulators.tiles import CLASS_OF, TileMaker
from vision import quantizing
from vision.__main__ import app
from vision.card import FullCard
from vision.detector import MODELS, load_card, open_detector
from vision.quantizing import MOST_LOST, Side, last_convolutions, quantize

onnx = pytest.importorskip("onnx")

# The real one: of a toy nothing would be known of attention, head and weights kept as float16.
WHOLE = MODELS / "kestrel-blade-n.onnx"
TILE_PX = 320


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set with pictures to take ranges from and others to judge by."""
    root = tmp_path_factory.mktemp("sets") / "drawn"
    maker = TileMaker(7, TILE_PX)
    for split, count in (("train", 3), ("val", 2)):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for number in range(count):
            tile = maker.make(background=False)
            cv2.imwrite(str(root / "images" / split / f"{number}.png"), tile.image)
            lines = "".join(yolo_line(label, TILE_PX) + "\n" for label in tile.labels)
            (root / "labels" / split / f"{number}.txt").write_text(lines)
    (root / "data.yaml").write_text(yaml.safe_dump({"names": {n: kind.value for kind, n in CLASS_OF.items()}}))
    (root / "SOURCE.json").write_text('{"origin": "drawn by this test", "license": "AGPL-3.0-or-later"}')
    return root


@pytest.fixture(scope="module")
def copy(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an eight-bit copy of the shipped detector, made by the verb."""
    out = tmp_path_factory.mktemp("eight") / "small.onnx"
    said = CliRunner().invoke(app, ["quantize", str(WHOLE), str(out), "--data", str(drawn), "--json"])
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert told["map50"] >= told["map50_whole"] - MOST_LOST
    assert told["time_share"] > 0
    return out


def test_the_copy_is_a_detector_of_its_own_with_the_same_second_look_and_levels(copy: Path) -> None:
    whole, eight_bit = load_card(WHOLE), load_card(copy)  # checks the hash of the weights
    changed = {"name": "small", "sha256": eight_bit.sha256, "planted": None}
    assert eight_bit == whole.model_copy(update=changed)
    assert eight_bit.sha256 != whole.sha256


def test_its_card_says_of_what_it_is_the_copy_and_nothing_that_was_measured_of_the_whole_one(copy: Path) -> None:
    card = FullCard.model_validate_json(copy.with_suffix(".json").read_text())
    assert card.eight_bit == {"of": load_card(WHOLE).sha256, "ranges_from": ["drawn"], "pictures": 3}
    assert card.metrics == ()
    text = copy.with_name("README.md").read_text()
    assert "An eight-bit copy of the detector" in text
    assert "Not measured yet" in text


def test_it_computes_in_eight_bits_but_for_what_gives_boxes_and_scores(copy: Path) -> None:
    graph = onnx.load(str(copy)).graph
    wide = last_convolutions(graph)
    assert len(wide) == 7  # boxes and scores of three strides, and the mean over a side's distribution
    makers = {name: node.op_type for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Conv":
            assert (makers.get(node.input[1]) == "DequantizeLinear") == (node.name not in wide), node.name


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_both_engines_run_it(copy: Path, drawn: Path, engine: str) -> None:
    pytest.importorskip(engine)
    picture = np.asarray(cv2.imread(str(drawn / "images" / "train" / "0.png")), np.uint8)
    assert len(open_detector(copy, threads=1, engine=engine).find([picture])[0])


def test_a_copy_that_loses_more_than_a_point_is_refused_and_nothing_stays_behind(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {WHOLE.name: Side(0.900, 2.0), "worse.onnx": Side(0.889, 1.0)}
    monkeypatch.setattr(quantizing, "_examined", lambda weights, *_: figures[weights.name])
    monkeypatch.setattr(quantizing, "_write", lambda _weights, _pictures, out, _whole: out.write_bytes(b"eight"))
    said = CliRunner().invoke(app, ["quantize", str(WHOLE), str(tmp_path / "worse.onnx"), "--data", str(drawn)])
    assert said.exit_code == 1
    assert "loses 0.011 of mAP50 (0.900 to 0.889)" in said.output
    assert list(tmp_path.iterdir()) == []


def test_weights_without_a_card_are_named(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.onnx"):
        quantize(tmp_path / "none.onnx", [drawn], tmp_path / "out.onnx", 1)


def test_a_file_that_is_there_is_not_written_over(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    with pytest.raises(InvalidInput, match="exists"):
        quantize(WHOLE, [drawn], tmp_path / "mine.onnx", 1)
    assert (tmp_path / "mine.onnx").read_bytes() == b"mine"


def test_ranges_are_not_taken_from_a_set_that_may_only_evaluate(drawn: Path, tmp_path: Path) -> None:
    root = shutil.copytree(drawn, tmp_path / "foreign")
    (root / "SOURCE.json").write_text('{"license": "not stated"}')
    said = CliRunner().invoke(app, ["quantize", str(WHOLE), str(tmp_path / "out.onnx"), "--data", str(root)])
    assert said.exit_code == 1
    assert "may only evaluate" in said.output
