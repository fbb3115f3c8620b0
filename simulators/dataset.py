"""A YOLO data set of rendered tiles: scenes are split, never tiles, so that validation sees new worlds."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import cv2
import typer
import yaml

from contracts.errors import InvalidInput
from contracts.vocabulary import DefectKind
from simulators.decals import DECAL_NAMES
from simulators.tiles import CLASS_OF, Label, TileMaker, contact_sheet

TILES_PER_SCENE = 60
_VAL_EVERY = 7
_SHEET_TILES = 40


class Contents(NamedTuple):
    """What a set shows."""

    background: float = 0.25
    """Share of tiles without a defect."""
    marks: tuple[str, ...] = ()
    """What those show; none named: anything."""
    small: bool = False
    """Whether all defects are small: some 11 to 130 pixels at 10 m."""


def write_dataset(
    out: Path, images: int, seed: int, tile_px: int, contents: Contents = Contents()
) -> dict[str, object]:
    """Write ``images`` tiles and their labels under ``out``; return what was written.

    Raises:
        InvalidInput: ``out`` already holds a data set, the tile width is odd, or no mark has such a name.

    """
    _check(out, tile_px, contents.marks)
    began = time.monotonic()
    counts: dict[str, int] = dict.fromkeys((k.value for k in DefectKind), 0)
    totals = {"train": 0, "val": 0, "background": 0}
    shown = []
    rng = random.Random(f"dataset/{seed}")
    maker: TileMaker | None = None
    with typer.progressbar(range(images), label="tiles", file=sys.stderr) as bar:
        for index in bar:
            scene = index // TILES_PER_SCENE
            if maker is None or index % TILES_PER_SCENE == 0:
                maker = TileMaker(seed * 100_000 + scene, tile_px, contents.marks, small=contents.small)
            split = "val" if scene % _VAL_EVERY == _VAL_EVERY - 1 else "train"
            made = maker.make(background=rng.random() < contents.background)
            _write(out, split, f"s{scene:04d}_{index:06d}", made.image, made.labels, tile_px)
            totals[split] += 1
            totals["background"] += not made.labels
            for label in made.labels:
                counts[label.kind.value] += 1
            if index % max(1, images // _SHEET_TILES) == 0:
                shown.append(made)
    cv2.imwrite(str(out / "contact_sheet.png"), contact_sheet(shown, 8))
    (out / "SOURCE.json").write_text(json.dumps(source(images, seed, tile_px, contents), indent=1), encoding="utf-8")
    names = {index: kind.value for kind, index in CLASS_OF.items()}
    listing = {"path": str(out.resolve()), "train": "images/train", "val": "images/val", "names": names}
    (out / "data.yaml").write_text(yaml.safe_dump(listing, sort_keys=False), encoding="utf-8")
    seconds = time.monotonic() - began
    return {
        "data": str(out / "data.yaml"),
        **totals,
        "labels": counts,
        "seconds": round(seconds, 1),
        "images_per_s": round(images / seconds, 1),
    }


def source(images: int, seed: int, tile_px: int, contents: Contents) -> dict[str, str]:
    """Return where a set comes from: the command that makes it again, and its licence, as other sets' SOURCE.json."""
    said = [f"--images {images} --seed {seed} --tile {tile_px} --background {contents.background:g}"]
    said += ["--small"] if contents.small else []
    said += [f"--marks {','.join(contents.marks)}"] if contents.marks else []
    return {"origin": f"kestrel-sim dataset {' '.join(said)}", "license": "AGPL-3.0-or-later"}


def _check(out: Path, tile_px: int, marks: Collection[str]) -> None:
    if (out / "data.yaml").exists():
        raise InvalidInput(f"{out} already holds a data set.", hint="Name an empty folder.", field="out")
    if tile_px % 2:
        raise InvalidInput(f"A tile of {tile_px} px is odd.", hint="Use an even width.", field="tile")
    if unknown := set(marks) - DECAL_NAMES:
        hint = f"Choose from {', '.join(sorted(DECAL_NAMES))}."
        raise InvalidInput(f"No mark is called {', '.join(sorted(unknown))}.", hint=hint, field="marks")


def _write(out: Path, split: str, name: str, image: object, labels: list[Label], tile_px: int) -> None:
    for folder in ("images", "labels"):
        (out / folder / split).mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
    cv2.imwrite(str(out / "images" / split / f"{name}.jpg"), image, quality)  # type: ignore[call-overload]
    lines = "".join(yolo_line(label, tile_px) + "\n" for label in labels)
    (out / "labels" / split / f"{name}.txt").write_text(lines, encoding="utf-8")


def yolo_line(label: Label, tile_px: int) -> str:
    """Return ``class x y w h`` with centre and size as shares of the tile."""
    x, y = (label.x0 + label.x1) / 2 / tile_px, (label.y0 + label.y1) / 2 / tile_px
    w, h = (label.x1 - label.x0) / tile_px, (label.y1 - label.y0) / tile_px
    return f"{CLASS_OF[label.kind]} {x:.6f} {y:.6f} {w:.6f} {h:.6f}"


def dataset_verb(out: Path, images: int, seed: int, tile_px: int, contents: Contents, *, as_json: bool) -> None:
    """Write a data set and say what is in it."""
    try:
        said = write_dataset(out, images, seed, tile_px, contents)
    except InvalidInput as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(json.dumps(said) if as_json else "\n".join(f"{k}: {v}" for k, v in said.items()))
