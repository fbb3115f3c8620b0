"""What training learns from: allowed to, split by source photo, and no picture in two splits."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.errors import Conflict, InvalidInput
from contracts.training import Split
from vision.__main__ import app
from vision.datasets import Image
from vision.gathering import MANIFEST, DataManifest, Rules, gather, report
from vision.leaks import LIMIT_BITS, alike, fingerprint, grouped
from vision.train import DEFAULT_SPEC, Run, assemble, read_spec

RULES = Rules(validation_share=0.3)
BOX = "0 0.5 0.5 0.2 0.2\n"
FREE = {"repo": "a/b", "commit": "c0ffee", "license": "CC BY 4.0", "attribution": "Ann"}


def photo(seed: int, width: int = 120, height: int = 90) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write(root: Path, split: str, pictures: dict[str, Image], label: str = BOX) -> None:
    for folder in ("images", "labels"):
        (root / folder / split).mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        cv2.imwrite(str(root / "images" / split / f"{name}.png"), picture)
        (root / "labels" / split / f"{name}.txt").write_text(label)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with one set, its splits published: six, two and two different photos."""
    root = tmp_path / "source" / "quay"
    for split, seeds in (("train", range(6)), ("val", range(6, 8)), ("test", range(8, 10))):
        write(root, split, {f"p{seed}": photo(seed) for seed in seeds})
    (root / "data.yaml").write_text("names: {0: crack}\n")
    (root / "SOURCE.json").write_text(json.dumps(FREE))
    return tmp_path / "source"


def splits(made: DataManifest) -> dict[str, list[str]]:
    return {s.value: sorted(Path(p.file).stem for p in made.pictures if p.split is s) for s in Split}


def test_published_splits_are_kept_and_every_picture_is_in_the_manifest(source: Path, tmp_path: Path) -> None:
    (source / "telemetry").mkdir()
    made = gather(source, tmp_path / "out", RULES)
    assert splits(made) == {"train": [f"p{n}" for n in range(6)], "val": ["p6", "p7"], "test": ["p8", "p9"]}
    assert (made.not_gathered, made.sets[0].source["license"]) == (("telemetry",), "CC BY 4.0")
    assert DataManifest.model_validate_json((tmp_path / "out" / MANIFEST).read_text()) == made
    assert "| quay | train | 6 | 0 | 6 | 6 | 6 | crack 6 |" in report(made)
    assert (tmp_path / "out" / "report.md").read_text() == report(made)


def test_the_same_input_gives_the_same_manifest(source: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        gather(source, tmp_path / name, RULES)
    assert (tmp_path / "one" / MANIFEST).read_bytes() == (tmp_path / "two" / MANIFEST).read_bytes()


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param(lambda p: cv2.resize(p, None, fx=2.2, fy=2.2), id="scaled"),
        pytest.param(lambda p: p[:, ::-1], id="mirrored"),
        pytest.param(np.rot90, id="turned"),
        pytest.param(lambda p: cv2.convertScaleAbs(p, alpha=0.85, beta=5), id="darker"),
    ],
)
def test_a_test_picture_among_the_training_ones_is_refused_by_name_in_any_disguise(
    source: Path, tmp_path: Path, disguise: object
) -> None:
    assert callable(disguise)
    write(source / "quay", "train", {"again": np.ascontiguousarray(disguise(photo(9)))})
    with pytest.raises(InvalidInput, match=r"quay/train/again\.png is quay/test/p9\.png"):
        gather(source, tmp_path / "out", RULES)
    assert not (tmp_path / "out").exists()


def test_a_leak_is_left_out_of_the_less_strict_split_and_named(source: Path, tmp_path: Path) -> None:
    write(source / "quay", "train", {"again": photo(9)})
    write(source / "quay", "val", {"too": photo(9)})
    made = gather(source, tmp_path / "out", RULES._replace(leave_out=True))
    assert {(leak.left_out, leak.kept, leak.bits) for leak in made.leaks} == {
        ("quay/train/again.png", "quay/test/p9.png", 0),
        ("quay/val/too.png", "quay/test/p9.png", 0),
    }
    assert splits(made)["test"] == ["p8", "p9"]
    assert not (tmp_path / "out/quay/images/train/again.png").exists()


def test_copies_inside_one_split_are_no_leak(source: Path, tmp_path: Path) -> None:
    write(source / "quay", "train", {"again": photo(0)})
    made = gather(source, tmp_path / "out", RULES)
    assert len({p.group for p in made.pictures if p.file in {"again.png", "p0.png"}}) == 1


def test_a_set_without_splits_gets_them_by_source_photo(source: Path, tmp_path: Path) -> None:
    root = source / "blade"
    sources = [f"mosaic_{i:08d}-0000-0000-0000-000000000000" for i in range(24)]
    tiles = [f"{source}_{part}" for source in sources for part in "ab"]
    write(root, "train", {name: photo(100 + number) for number, name in enumerate(tiles)})
    (root / "data.yaml").write_text("names: [damage]\n")
    (root / "SOURCE.json").write_text(json.dumps(FREE))
    made = gather(source, tmp_path / "out", RULES)
    by_split = {s: {p.group for p in made.pictures if (p.set, p.split) == ("blade", s)} for s in Split}
    assert all(by_split.values())
    assert len(set.union(*by_split.values())) == sum(map(len, by_split.values())) == 24


def test_an_own_validation_split_replaces_a_published_one(source: Path, tmp_path: Path) -> None:
    made = splits(gather(source, tmp_path / "out", Rules(0.99, frozenset({"quay"}))))
    assert made["test"] == ["p8", "p9"]
    assert "p0" in made["val"]


@pytest.mark.parametrize(
    ("file", "content", "field"),
    [
        ("SOURCE.json", json.dumps(FREE | {"license": "none stated"}), "license"),
        ("SOURCE.json", json.dumps(FREE | {"license": "CC BY-NC 4.0"}), "license"),
        ("SOURCE.json", json.dumps(FREE | {"license": ""}), "license"),
        ("SOURCE.json", "{", "license"),
        ("SOURCE.json", None, "license"),
        ("data.yaml", "classes: 3", "names"),
        ("labels/train/p1.txt", "1 0.5 0.5 0.1 0.1\n", "labels"),
        ("labels/train/p1.txt", "0 0.5 1.5 0.1 0.1\n", "labels"),
        ("labels/train/p1.txt", "0 0.5 0.5 0 0.1\n", "labels"),
        ("labels/train/p1.txt", "0 nan 0.5 0.1 0.1\n", "labels"),
        ("images/train/p1.png", "no picture", "image"),
    ],
)
def test_what_must_not_be_learnt_is_refused_with_its_field(
    source: Path, tmp_path: Path, file: str, content: str | None, field: str
) -> None:
    path = source / "quay" / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InvalidInput) as refused:
        gather(source, tmp_path / "out", RULES)
    assert refused.value.field == field
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_written_over(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        gather(source, tmp_path, RULES)
    with pytest.raises(InvalidInput, match="no labelled set"):
        gather(tmp_path / "nowhere", tmp_path / "out", RULES)


def test_the_verb_gathers_and_refuses_in_json(source: Path, tmp_path: Path) -> None:
    arguments = ["data", str(source), "--out", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert json.loads(done.stdout)["pictures"] == {"quay/train": 6, "quay/val": 2, "quay/test": 2}
    again = CliRunner().invoke(app, arguments)
    assert (again.exit_code, json.loads(again.stderr)["field"]) == (1, "out")


def test_training_takes_what_was_gathered_with_its_validation_split(source: Path, tmp_path: Path) -> None:
    (source / "quay").rename(source / "iliad_blade")
    (source / "iliad_blade" / "data.yaml").write_text("names: [damage]\n")
    spec = read_spec(DEFAULT_SPEC)
    spec = spec.model_copy(update={"real": spec.real[:1], "tile_px": 64, "validation_share": 0.4})
    gather(source, tmp_path / "real", Rules(spec.validation_share, frozenset({"iliad_blade"})))
    held_out = {p.name for p in (tmp_path / "real/iliad_blade/images/val").iterdir()}
    assemble(spec, Run((), tmp_path / "real", tmp_path / "run", 1, 0))
    learnt = {p.name.split("-")[1] for p in (tmp_path / "run/data/images/val").iterdir()}
    assert {f"{name}.png" for name in learnt} == held_out


def test_chains_of_pairs_are_one_group() -> None:
    assert grouped(6, [(0, 1), (3, 4), (1, 3)]) == [0, 0, 2, 0, 0, 5]


def test_different_photos_are_not_alike(tmp_path: Path) -> None:
    for seed in range(20):
        cv2.imwrite(str(tmp_path / f"{seed:02}.png"), photo(seed))
    prints = [fingerprint(p) for p in sorted(tmp_path.iterdir())]
    assert list(alike(prints)) == []
    assert all(pair.bits > LIMIT_BITS for pair in alike(prints, 64))
    assert list(alike([])) == []
