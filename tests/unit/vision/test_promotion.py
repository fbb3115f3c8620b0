"""Into force or not: measured on a frozen exam beside the one in force, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.errors import Conflict, InvalidInput, ModelRefused
from contracts.training import Current
from tests.vision_views import CARD, RedFinder
from vision import promotion
from vision.__main__ import app
from vision.boxes import Boxes, Image
from vision.card import sha256_of
from vision.detector import load_card, verifier_file
from vision.gathering import MANIFEST, Rules, gather
from vision.promotion import Exam, Record, promote

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SOURCE = {"license": "CC BY 4.0", "attribution": "Ann"}


class Blue(RedFinder):
    """Finds nothing where the picture's grain is even numbered; so it misses every other patch."""

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        return [b if i[0, 0, 0] % 2 else Boxes.none() for i, b in zip(images, super().find(images), strict=True)]


class Blind(RedFinder):
    def find(self, images: Sequence[Image]) -> list[Boxes]:
        return [Boxes.none() for _ in images]


FINDERS = {b"red": RedFinder, b"blue": Blue, b"blind": Blind}


def opened(weights: Path, **_: object) -> RedFinder:
    """Open a detector whose weights are the name of a finder, its card checked as any."""
    finder = Blind if not weights.is_file() else FINDERS[weights.read_bytes()]
    return finder(card=load_card(weights) if weights.is_file() else CARD)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with gathered data; a blind detector is the one that ships."""
    monkeypatch.setattr(promotion, "open_detector", opened)
    monkeypatch.setattr(promotion, "SHIPPED", tmp_path / "none.onnx")
    root = tmp_path / "source" / "quay"
    for split, seeds in (("train", range(3)), ("val", range(10, 20)), ("test", range(30, 34))):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for seed in seeds:
            cv2.imwrite(str(root / f"images/{split}/p{seed}.png"), picture(seed))
            (root / f"labels/{split}/p{seed}.txt").write_text("0 0.35 0.3 0.2 0.1\n")
    (root / "data.yaml").write_text("names: [crack]\n")
    (root / "SOURCE.json").write_text(json.dumps(SOURCE))
    gather(tmp_path / "source", tmp_path / "data", Rules(0.2))
    return tmp_path


def picture(seed: int) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 80, (8, 8, 3), np.uint8)
    made = cv2.resize(coarse, (200, 200), interpolation=cv2.INTER_CUBIC)
    made[0, 0, 0] = seed
    cv2.rectangle(made, (50, 50), (89, 69), (0, 0, 255), -1)
    return np.asarray(made, np.uint8)


def candidate(world: Path, weights: bytes, **card: Any) -> Path:
    path = world / f"cand-{weights.decode()}.onnx"
    path.write_bytes(weights)
    learnt = {"data_manifest_sha256": sha256_of(world / "data" / MANIFEST)}
    about = {"name": path.stem, "sha256": hashlib.sha256(weights).hexdigest(), "licence": "AGPL", "training": learnt}
    path.with_suffix(".json").write_text(json.dumps(CARD.model_dump(mode="json") | about | card))
    return path


def exam(world: Path) -> Exam:
    return Exam((world / "data/quay",), (world / "data/quay",), world / "data" / MANIFEST)


def put(world: Path, weights: bytes, **card: Any) -> Record:
    return promote(candidate(world, weights, **card), world / "registry", exam(world), "ada", NOW)


def in_force(world: Path) -> str | None:
    path = world / "registry/current.json"
    return Current.model_validate_json(path.read_text()).version if path.exists() else None


def test_a_better_detector_comes_into_force_with_all_that_it_rests_on(world: Path) -> None:
    record = put(world, b"red")
    folder = world / "registry" / record.version
    assert in_force(world) == record.version
    assert Record.model_validate_json((folder / "record.json").read_text()) == record
    assert load_card(folder / "detector.onnx").sha256 == record.sha256
    assert (record.licences, record.licence, record.promoted_by) == ({"quay": "CC BY 4.0"}, "AGPL", "ada")
    assert record.data_manifest_sha256 == sha256_of(world / "data" / MANIFEST)
    assert (record.validation.candidate.map50, record.test["quay"].candidate.recall, record.openings) == (1.0, 1.0, 1)


def test_again_is_the_same_and_opens_nothing(world: Path) -> None:
    assert put(world, b"red") == put(world, b"red")
    assert len((world / "registry/openings.jsonl").read_text().splitlines()) == 1


def test_a_second_look_goes_with_its_detector(world: Path) -> None:
    path = candidate(world, b"red", verifier_sha256=hashlib.sha256(b"second").hexdigest())
    verifier_file(path).write_bytes(b"second")
    record = promote(path, world / "registry", exam(world), "ada", NOW)
    assert (world / "registry" / record.version / "detector-second.onnx").read_bytes() == b"second"


def test_a_worse_one_is_refused_with_its_figures_before_the_test_sets_are_opened(world: Path) -> None:
    put(world, b"blue")
    before = in_force(world)
    with pytest.raises(
        ModelRefused, match=r"on the validation sets: It finds 0\.0% of the defects, the one in force 50"
    ):
        put(world, b"blind")
    assert in_force(world) == before
    assert len((world / "registry/openings.jsonl").read_text().splitlines()) == 1


def test_a_kind_that_drops_on_the_locked_test_is_refused_and_the_opening_is_kept(world: Path) -> None:
    """It is better on validation, where the one in force misses half, and loses what only the test set shows."""
    put(world, b"blue")
    for number, path in enumerate(sorted((world / "data/quay/images/test").iterdir())):
        cv2.imwrite(str(path), picture(2 * number + 31))  # all odd: blue finds them all
    shutil.rmtree(world / "registry")
    put(world, b"blue")
    blinded = [cv2.imread(str(p)) for p in sorted((world / "data/quay/images/test").iterdir())]
    assert all(b is not None for b in blinded)

    class Half(RedFinder):
        def find(self, images: Sequence[Image]) -> list[Boxes]:
            known = [b.tobytes() for b in blinded if b is not None]
            return [
                Boxes.none() if i.tobytes() in known else b for i, b in zip(images, super().find(images), strict=True)
            ]

    FINDERS[b"half"] = Half
    try:
        with pytest.raises(
            ModelRefused, match=r"on the test sets: quay: It finds 0\.0%, the one in force 100\.0% of 4 crack"
        ):
            put(world, b"half")
    finally:
        del FINDERS[b"half"]
    (_, last) = (world / "registry/openings.jsonl").read_text().splitlines()
    assert "It finds 0.0%" in json.loads(last)["objections"][0]


def test_the_exam_is_frozen(world: Path) -> None:
    put(world, b"blue")
    (world / "data/quay/labels/val/p10.txt").write_text("")
    with pytest.raises(Conflict, match="quay/val is not what it was"):
        put(world, b"red")
    with pytest.raises(InvalidInput, match="needs a validation and a test set"):
        promote(candidate(world, b"red"), world / "new", exam(world)._replace(test=()), "ada", NOW)


def test_what_was_learnt_does_not_examine(world: Path) -> None:
    cv2.imwrite(str(world / "data/quay/images/test/p30.png"), np.ascontiguousarray(picture(1)[:, ::-1]))
    with pytest.raises(ModelRefused, match=r"quay/test/p30\.png is quay/train/p1\.png"):
        put(world, b"red")
    assert in_force(world) is None


@pytest.mark.parametrize(
    ("card", "field"),
    [
        ({"training": {"data_manifest_sha256": "0" * 64}}, "manifest"),
        ({"training": {}}, "manifest"),
        ({"licence": ""}, "licence"),
        ({"name": "../up"}, "name"),
        ({"sha256": "0" * 64}, "model"),
    ],
)
def test_a_card_that_does_not_belong_is_refused_with_its_field(world: Path, card: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        put(world, b"red", **card)
    assert refused.value.field == field
    assert in_force(world) is None


def killed_at(call: int, whole: Callable[..., None]) -> Callable[..., None]:
    calls = iter(range(1, call + 1))

    def step(*arguments: Any) -> None:
        if next(calls) == call:
            raise KeyboardInterrupt
        whole(*arguments)

    return step


@pytest.mark.parametrize(("step", "every"), [("_write_whole", 1), ("_sync", 3)])
def test_killed_anywhere_the_old_one_stays_and_the_next_try_succeeds(
    world: Path, monkeypatch: pytest.MonkeyPatch, step: str, every: int
) -> None:
    put(world, b"blue")
    before, whole = in_force(world), getattr(promotion, step)
    for at in range(1, 30, every):
        monkeypatch.setattr(promotion, step, killed_at(at, whole))
        try:
            put(world, b"red")
        except KeyboardInterrupt:
            loaded = in_force(world)
            assert loaded is not None
            load_card(world / "registry" / loaded / "detector.onnx")
            if loaded != before:
                break
        else:
            break
    monkeypatch.setattr(promotion, step, whole)
    assert in_force(world) == put(world, b"red").version != before
    assert not list((world / "registry").glob(".cand-*"))


def test_two_at_once_are_one_after_the_other(world: Path) -> None:
    (world / "registry").mkdir()
    with promotion._alone(world / "registry"), pytest.raises(Conflict, match="Another promotion"):
        put(world, b"red")


def test_the_verb_promotes_and_refuses_in_json(world: Path) -> None:
    data = world / "data"
    arguments = ["--registry", world / "registry", "--val", data / "quay", "--test", data / "quay"]
    arguments += ["--manifest", data / MANIFEST, "--by", "ada", "--json"]
    done = CliRunner().invoke(app, ["promote", str(candidate(world, b"red")), *map(str, arguments)])
    assert json.loads(done.stdout)["version"] == in_force(world)
    refused = CliRunner().invoke(app, ["promote", str(candidate(world, b"blue")), *map(str, arguments)])
    assert (refused.exit_code, json.loads(refused.stderr)["error"]) == (1, "model_refused")
