from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import pytest
import yaml
from typer.testing import CliRunner

from contracts.errors import InvalidInput
from contracts.vocabulary import DefectKind
from simulators import dataset
from simulators.__main__ import app
from simulators.dense import dense_defects, dense_scene, small_defects
from simulators.tiles import Label, TileMaker


def hashes(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.suffix in {".jpg", ".txt"})
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_data_set_is_whole_labels_are_inside_and_scenes_are_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "TILES_PER_SCENE", 3)
    monkeypatch.setattr(dataset, "_VAL_EVERY", 2)
    said = dataset.write_dataset(tmp_path / "a", 6, 3, 320)
    dataset.write_dataset(tmp_path / "b", 6, 3, 320)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    listing = yaml.safe_load((tmp_path / "a" / "data.yaml").read_text())
    assert list(listing["names"].values()) == [k.value for k in DefectKind]
    scenes: dict[str, set[str]] = {"train": set(), "val": set()}
    for split, found in scenes.items():
        for image in (tmp_path / "a" / "images" / split).glob("*.jpg"):
            found.add(image.stem.split("_")[0])
            pixels = cv2.imread(str(image))
            assert pixels is not None
            assert pixels.shape == (320, 320, 3)
            for line in (tmp_path / "a" / "labels" / split / f"{image.stem}.txt").read_text().splitlines():
                kind, x, y, w, h = map(float, line.split())
                assert 0 <= kind < len(DefectKind) - 1
                assert w > 0
                assert h > 0
                assert x - w / 2 + 1e-5 >= 0
                assert x + w / 2 <= 1 + 1e-5
                assert y - h / 2 + 1e-5 >= 0
                assert y + h / 2 <= 1 + 1e-5
    assert scenes["train"] & scenes["val"] == set()
    assert said["train"] == said["val"] == 3
    origin = "kestrel-sim dataset --images 6 --seed 3 --tile 320 --background 0.25"
    source = json.loads((tmp_path / "a" / "SOURCE.json").read_text())
    assert source == {"origin": origin, "license": "AGPL-3.0-or-later"}


def test_however_many_processes_share_the_scenes_the_tiles_are_the_same(tmp_path: Path) -> None:
    contents = dataset.Contents(background=0.5)
    alone = dataset.write_dataset(tmp_path / "a", 62, 4, 64, contents)
    shared = dataset.write_dataset(tmp_path / "b", 62, 4, 64, contents, jobs=2)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert (tmp_path / "a" / "contact_sheet.png").read_bytes() == (tmp_path / "b" / "contact_sheet.png").read_bytes()
    said = ("train", "val", "background", "labels")
    assert [alone[key] for key in said] == [shared[key] for key in said]


def test_yolo_line_is_centre_and_size() -> None:
    line = dataset.yolo_line(Label(DefectKind.LIGHTNING_BURN, 32, 64, 96, 224), 320)
    assert line == "2 0.200000 0.450000 0.200000 0.500000"


def test_existing_data_set_and_odd_tile_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("")
    with pytest.raises(InvalidInput, match="already holds"):
        dataset.write_dataset(tmp_path, 1, 1, 320)
    with pytest.raises(InvalidInput, match="odd"):
        dataset.write_dataset(tmp_path / "new", 1, 1, 321)


def test_tiles_without_a_defect_can_be_all_there_is_round_named_marks(tmp_path: Path) -> None:
    said = dataset.write_dataset(
        tmp_path / "d", 3, 5, 128, dataset.Contents(background=1.0, marks=("serial", "sticker"))
    )
    assert said["background"] == 3
    assert set(said["labels"].values()) == {0}  # type: ignore[attr-defined]


def test_named_marks_are_where_the_camera_looks() -> None:
    maker = TileMaker(500_000, 128, ("serial",))
    serials = {(p.blade, p.side, p.distance_to_root_m) for p in maker.marks}
    assert serials
    assert len(serials) < len(TileMaker(500_000, 128).marks)


def test_small_defects_are_the_same_ones_and_spread_over_small_sizes() -> None:
    scene = dense_scene(11)
    all_, small = dense_defects(scene), small_defects(scene)
    assert [(d.kind, d.place) for d in small] == [(d.kind, d.place) for d in all_]
    longest = sorted(max(d.length_mm, d.width_mm) for d in small)
    assert all(one.length_mm <= other.length_mm for one, other in zip(small, all_, strict=True))
    assert 22.0 <= longest[0] < 30.0
    assert 60.0 < longest[len(longest) // 2] < 95.0
    assert longest[-1] <= 260.0


def test_a_mark_nobody_draws_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No mark is called moss") as refused:
        dataset.write_dataset(tmp_path / "d", 1, 1, 128, dataset.Contents(marks=("moss", "serial")))
    assert refused.value.field == "marks"


def test_verb_prints_json_and_exits_2_on_bad_input(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["dataset", "--out", str(tmp_path / "d"), "--images", "2", "--tile", "128", "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["train"] == 2
    again = CliRunner().invoke(app, ["dataset", "--out", str(tmp_path / "d"), "--images", "2", "--json"])
    assert again.exit_code == 2
