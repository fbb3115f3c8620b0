from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.unit.vision.test_evaluate import AWAY, BOX, judged, write_set
from tests.vision_views import RedFinder
from vision import detector
from vision.__main__ import app
from vision.curves import curve
from vision.evaluate import Judged, marked
from vision.quality import f_beta, quality, recall_at, reliability
from vision.quality_report import measured, told

RIGHT, MISSED = judged([(BOX, 0.9)], [BOX]), judged([], [BOX])
FALSE = judged([(AWAY, 0.95)], [])


class Named(RedFinder):
    engine = "red patches"


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        pytest.param([RIGHT], {"ap50": 1.0, "ap50_95": 1.0, "recall": 1.0, "f2": 1.0, "d_ece": 0.1}, id="right"),
        pytest.param([MISSED], {"ap50": 0.0, "recall": 0.0, "f2": 0.0, "d_ece": None}, id="missed"),
        pytest.param([RIGHT, FALSE], {"ap50": 0.5, "precision": 0.5, "recall": 1.0}, id="a surer false one"),
        pytest.param(
            [judged([([10, 10, 50, 46], 0.9)], [BOX])],
            {"ap50": 1.0, "ap50_95": 0.9},
            id="nine tenths of a box",
        ),
    ],
)
def test_figures(sets: list[Judged], expected: dict[str, float | None]) -> None:
    told = quality(sets, 0.3)["any_kind"]
    for name, value in expected.items():
        assert told[name] == (None if value is None else pytest.approx(value, abs=0.01)), name


def test_a_budget_of_false_boxes_bounds_the_recall() -> None:
    drawn = curve(marked([judged([(AWAY, 0.8), (BOX, 0.5)], [BOX]), RIGHT]))
    assert recall_at(drawn, 0.05) == 0.5
    assert recall_at(drawn, 0.5) == 1.0


def test_boxes_are_told_apart_by_size() -> None:
    small = judged([([0, 0, 20, 20], 0.9)], [[0.0, 0.0, 20.0, 20.0]])
    sizes = quality([small, judged([], [[0.0, 0.0, 200.0, 200.0]])], 0.3)["any_kind"]["sizes"]
    assert {name: (s["boxes"], s["recall50"]) for name, s in sizes.items()} == {
        "small": (1, 1.0),
        "medium": (0, None),
        "large": (1, 0.0),
    }


def test_empty_images_count_their_false_boxes() -> None:
    told = quality([FALSE, judged([], []), RIGHT], 0.3)
    assert told["background_images"] == 2
    assert told["false_boxes_per_20_background_images"] == 10.0


def test_a_calibrated_detector_has_no_error() -> None:
    half = [judged([(BOX, 0.55)], [BOX]), judged([(AWAY, 0.55)], [])] * 10
    assert reliability(marked(half)).d_ece == pytest.approx(0.05)


@given(st.floats(0, 1), st.floats(0, 1))
def test_f2_lies_between_precision_and_recall_and_nearer_recall(precision: float, recall: float) -> None:
    value = f_beta(precision, recall)
    assert min(precision, recall) - 1e-9 <= value <= max(precision, recall) + 1e-9
    assert f_beta(0.4, 0.9) > f_beta(0.9, 0.4)


def test_few_images_have_wide_intervals() -> None:
    few, many = (quality([RIGHT, MISSED] * n, 0.3)["any_kind"]["recall_interval_90"] for n in (2, 40))
    assert np.ptp(few) > 2 * np.ptp(many)


def test_sets_are_measured_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "open_detector", lambda *_, **__: Named())
    write_set(tmp_path / "sets/pld_lines", ["crack", "insulator"])
    write_set(tmp_path / "sets/other", ["crack", "crack"])
    verb = ["evaluate", "--data", str(tmp_path / "sets"), "--report", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*verb, "--json"])
    assert done.exit_code == 0, done.output
    other, lines = json.loads(done.stdout)["results"]
    assert (other["data"], other["boxes"], other["any_kind"]["recall"]) == ("other", 2, 0.5)
    assert lines["classes_left_out"] == ["insulator"]
    page = (tmp_path / "out/index.html").read_text()
    assert "at most 1 false box in 20 images" in page
    assert (tmp_path / "out/sets-pld_lines-test.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    root = write_set(tmp_path / "pld_lines", ["crack", "insulator"])
    text = told(measured(root, "test", [RIGHT, FALSE], 0.3))
    assert "not ours, left out: insulator" in text
    assert "false boxes in 20 empty images: 20.0" in text
    assert "at most 1 false box in 20 images" in text


def test_a_folder_without_a_set_is_said_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "holds no data.yaml with images/test" in done.stderr
