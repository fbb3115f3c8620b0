from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

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

SIZE = (6, 3, 320)
"""How many tiles, of which seed, how wide."""
CONTENTS = dataset.Contents(background=0.5)


def hashes(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.suffix in {".jpg", ".txt"})
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def few_tiles() -> Iterator[None]:
    """Make scenes small, so that a few tiles are several scenes and one of them is for validation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "TILES_PER_SCENE", 3)
        patch.setattr(dataset, "_VAL_EVERY", 2)
        yield


class Written(NamedTuple):
    """A data set that one process wrote: where, and what was said of it."""

    root: Path
    said: dict[str, Any]


@pytest.fixture(scope="module")
def alone(few_tiles: None, tmp_path_factory: pytest.TempPathFactory) -> Written:
    root = tmp_path_factory.mktemp("dataset") / "alone"
    return Written(root, dataset.write_dataset(root, *SIZE, CONTENTS))


def test_data_set_is_whole_labels_are_inside_and_scenes_are_split(alone: Written) -> None:
    listing = yaml.safe_load((alone.root / "data.yaml").read_text())
    assert list(listing["names"].values()) == [k.value for k in DefectKind]
    scenes: dict[str, set[str]] = {"train": set(), "val": set()}
    for split, found in scenes.items():
        for image in (alone.root / "images" / split).glob("*.jpg"):
            found.add(image.stem.split("_")[0])
            pixels = cv2.imread(str(image))
            assert pixels is not None
            assert pixels.shape == (320, 320, 3)
            for line in (alone.root / "labels" / split / f"{image.stem}.txt").read_text().splitlines():
                kind, x, y, w, h = map(float, line.split())
                assert 0 <= kind < len(DefectKind) - 1
                assert w > 0
                assert h > 0
                assert x - w / 2 + 1e-5 >= 0
                assert x + w / 2 <= 1 + 1e-5
                assert y - h / 2 + 1e-5 >= 0
                assert y + h / 2 <= 1 + 1e-5
    assert scenes["train"] & scenes["val"] == set()
    assert alone.said["train"] == alone.said["val"] == 3
    origin = "kestrel-sim dataset --images 6 --seed 3 --tile 320 --background 0.5"
    source = json.loads((alone.root / "SOURCE.json").read_text())
    assert source == {"origin": origin, "license": "AGPL-3.0-or-later"}


def test_written_again_and_by_several_processes_the_tiles_are_the_same(alone: Written, tmp_path: Path) -> None:
    shared = dataset.write_dataset(tmp_path, *SIZE, CONTENTS, jobs=2)
    assert hashes(alone.root) == hashes(tmp_path)
    assert (alone.root / "contact_sheet.png").read_bytes() == (tmp_path / "contact_sheet.png").read_bytes()
    said = ("train", "val", "background", "labels")
    assert [alone.said[key] for key in said] == [shared[key] for key in said]


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
