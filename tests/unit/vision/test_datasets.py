from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidInput
from contracts.vocabulary import DefectKind
from vision.datasets import KINDS, Assembly, RealSet, cut, has_red_stroke, read_yolo, share_of
from vision.train import read_spec

RUST = RealSet(set="rust", kinds=(DefectKind.CORROSION,), scales=(1.0,), tiles_per_image=2)


def write_set(root: Path, split: str, names: list[str], label: str = "0 0.5 0.5 0.2 0.2\n") -> None:
    for folder in ("images", "labels"):
        (root / folder / split).mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(root / "images" / split / f"{name}.png"), np.full((400, 500, 3), 90, np.uint8))
        (root / "labels" / split / f"{name}.txt").write_text(label)


def test_rows_are_read_and_empty_means_background(tmp_path: Path) -> None:
    write_set(tmp_path, "train", ["a"])
    write_set(tmp_path, "train", ["b"], label="")
    samples = read_yolo(tmp_path, "train")
    assert [len(s.rows) for s in samples] == [1, 0]


def test_a_short_label_line_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, "train", ["a"], label="0 0.5 0.5\n")
    with pytest.raises(InvalidInput, match="5 numbers"):
        read_yolo(tmp_path, "train")


@given(st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.integers(0, 300), st.integers(0, 200))
@settings(max_examples=80, deadline=None)
def test_a_cut_tile_keeps_boxes_where_they_are(cx: float, cy: float, x0: int, y0: int) -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    made = cut(image, np.array([[0, cx, cy, 0.05, 0.05]]), x0, y0, 200)
    inside_x = min(600 * (cx + 0.025), x0 + 200) - max(600 * (cx - 0.025), x0)
    inside_y = min(400 * (cy + 0.025), y0 + 200) - max(400 * (cy - 0.025), y0)
    share = max(inside_x, 0) * max(inside_y, 0) / (30 * 20)
    if made is None:
        assert 0.04 < share < 0.36
        return
    tile, rows = made
    assert tile.shape == (200, 200, 3)
    if share > 0.99:
        np.testing.assert_allclose(rows[0, 1:3] * 200 + (x0, y0), (600 * cx, 400 * cy), atol=0.7)
    if share == 0:
        assert len(rows) == 0


def test_a_drawn_ellipse_is_noticed_and_red_paint_is_not() -> None:
    drawn = np.full((320, 320, 3), 200, np.uint8)
    cv2.ellipse(drawn, (160, 160), (60, 40), 0, 0, 360, (30, 20, 230), 3)
    assert has_red_stroke(drawn)
    paint = np.full((320, 320, 3), 200, np.uint8)
    paint[100:200, :] = (30, 40, 220)
    assert not has_red_stroke(paint)


def test_real_sets_keep_their_validation_and_take_our_kinds(tmp_path: Path) -> None:
    write_set(tmp_path / "rust", "train", ["a", "b"])
    write_set(tmp_path / "rust", "val", ["c"])
    assembly = Assembly(tmp_path / "out", tile_px=320, validation_share=0.1, seed=0)
    assembly.add_real(tmp_path, RUST)
    made = assembly.finish()
    assert made.counts["rust/val"] >= 1
    assert made.counts["rust/train"] >= 2
    rows = np.vstack([s.rows for s in read_yolo(tmp_path / "out", "train")])
    assert set(rows[:, 0]) == {KINDS.index(DefectKind.CORROSION)}
    assert yaml.safe_load(made.data_yaml.read_text())["names"][0] == "crack"


def test_own_validation_never_splits_a_source_photo(tmp_path: Path) -> None:
    photos = [f"mosaic_{i:08d}-0000-0000-0000-000000000000_{part}" for i in range(30) for part in "ab"]
    write_set(tmp_path / "rust", "train", photos)
    assembly = Assembly(tmp_path / "out", tile_px=320, validation_share=0.3, seed=0)
    assembly.add_real(tmp_path, RUST.model_copy(update={"own_validation": True}))
    assembly.finish()
    by_split = [{s.image.stem.split("_")[1] for s in read_yolo(tmp_path / "out", split)} for split in ("train", "val")]
    assert by_split[1]
    assert not by_split[0] & by_split[1]


def test_rendered_sets_without_a_split_get_one(tmp_path: Path) -> None:
    write_set(tmp_path / "synth", "train", [f"{i:03d}" for i in range(60)])
    assembly = Assembly(tmp_path / "out", tile_px=320, validation_share=0.2, seed=0)
    assembly.add_rendered(tmp_path / "synth")
    counts = assembly.finish().counts
    assert counts["synth/train"] + counts["synth/val"] == 60
    assert counts["synth/val"] >= 3


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no images/train"):
        Assembly(tmp_path / "out", tile_px=320, validation_share=0.2, seed=0).add_rendered(tmp_path)


def test_shares_are_stable_and_spread() -> None:
    shares = [share_of(str(i)) for i in range(500)]
    assert shares == [share_of(str(i)) for i in range(500)]
    assert 0.4 < sum(shares) / 500 < 0.6


def test_the_shipped_choices_are_valid_and_name_no_set_that_may_only_evaluate() -> None:
    spec = read_spec()
    assert spec.tile_px % 32 == 0
    assert {r.set for r in spec.real} == {"iliad_blade", "omu_quay_crack", "rust_phone"}
