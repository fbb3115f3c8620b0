"""A YOLO data set of rendered tiles: scenes are split, never tiles, so that validation sees new worlds."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import typer
import yaml

from contracts.errors import InvalidInput
from contracts.vocabulary import AssetKind, DefectKind
from simulators.decals import DECAL_NAMES
from simulators.line_tiles import LineTileMaker
from simulators.tiles import CLASS_OF, Label, Tile, TileMaker, contact_sheet

TILES_PER_SCENE = 60
_VAL_EVERY = 7
_SHEET_TILES = 40
DRAWN = (AssetKind.WIND_TURBINE, AssetKind.POWER_LINE)


class Contents(NamedTuple):
    """What a set shows."""

    background: float = 0.25
    """Share of tiles without a defect."""
    marks: tuple[str, ...] = ()
    """What those show; none named: anything."""
    small: bool = False
    """Whether all defects are small: some 11 to 130 pixels at 10 m."""
    asset: AssetKind = AssetKind.WIND_TURBINE


class Maker(Protocol):
    """Cuts tiles from one random scene."""

    def make(self, *, background: bool) -> Tile:
        """Return a tile with at least one labelled defect, or one with none at all."""
        ...


class _Scene(NamedTuple):
    """The tiles of one scene, which one process writes."""

    out: Path
    seed: int
    tile_px: int
    contents: Contents
    split: str
    number: int
    first: int
    """Number of its first tile."""
    background: tuple[bool, ...]
    """Of each of its tiles, whether it shows no defect."""
    sheet_every: int
    """One of so many tiles goes on the contact sheet."""


class _Written(NamedTuple):
    """What a scene came to: the kinds on each tile, and the tiles for the contact sheet."""

    split: str
    kinds: list[list[DefectKind]]
    shown: list[Tile]


def write_dataset(
    out: Path, images: int, seed: int, tile_px: int, contents: Contents = Contents(), jobs: int = 1
) -> dict[str, object]:
    """Write ``images`` tiles and their labels under ``out``; return what was written.

    The same tiles come out however many processes (``jobs``) share the scenes.

    Raises:
        InvalidInput: ``out`` already holds a data set, the tile width is odd, no mark has such a name, or nothing
            draws what is asked of such an asset.

    """
    _check(out, tile_px, contents)
    began = time.monotonic()
    written = list(_all_written(_scenes(out, images, seed, tile_px, contents), jobs))
    sheet = contact_sheet([tile for scene in written for tile in scene.shown], 8)
    cv2.imwrite(str(out / "contact_sheet.png"), sheet)
    (out / "SOURCE.json").write_text(json.dumps(source(images, seed, tile_px, contents), indent=1), encoding="utf-8")
    names = {index: kind.value for kind, index in CLASS_OF.items()}
    listing = {"path": str(out.resolve()), "train": "images/train", "val": "images/val", "names": names}
    (out / "data.yaml").write_text(yaml.safe_dump(listing, sort_keys=False), encoding="utf-8")
    seconds = time.monotonic() - began
    return {
        "data": str(out / "data.yaml"),
        **_totals(written),
        "seconds": round(seconds, 1),
        "images_per_s": round(images / seconds, 1),
    }


def _totals(written: Sequence[_Written]) -> dict[str, object]:
    tiles = [(scene.split, kinds) for scene in written for kinds in scene.kinds]
    labels = Counter(kind.value for _, kinds in tiles for kind in kinds)
    return {
        "train": sum(split == "train" for split, _ in tiles),
        "val": sum(split == "val" for split, _ in tiles),
        "background": sum(not kinds for _, kinds in tiles),
        "labels": {kind.value: labels[kind.value] for kind in DefectKind},
    }


def _scenes(out: Path, images: int, seed: int, tile_px: int, contents: Contents) -> list[_Scene]:
    """Deal the tiles to scenes; every seventh scene is for validation."""
    rng = random.Random(f"dataset/{seed}")
    background = tuple(rng.random() < contents.background for _ in range(images))
    sheet_every = max(1, images // _SHEET_TILES)
    scenes = []
    for number, first in enumerate(range(0, images, TILES_PER_SCENE)):
        split = "val" if number % _VAL_EVERY == _VAL_EVERY - 1 else "train"
        mine = background[first : first + TILES_PER_SCENE]
        scenes.append(_Scene(out, seed, tile_px, contents, split, number, first, mine, sheet_every))
    return scenes


def _all_written(scenes: Sequence[_Scene], jobs: int) -> Iterator[_Written]:
    """Write the scenes, in processes of their own where several share the work; yield in their order."""
    with (
        typer.progressbar(length=len(scenes), label="scenes", file=sys.stderr) as bar,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) if jobs > 1 else nullcontext() as pool,
    ):
        for written in (pool.map if pool else map)(_write_scene, scenes):
            bar.update(1)
            yield written


def _write_scene(scene: _Scene) -> _Written:
    seed, contents = scene.seed * 100_000 + scene.number, scene.contents
    maker = _maker(seed, scene.tile_px, contents)
    kinds, shown = [], []
    for index, background in enumerate(scene.background, scene.first):
        made = maker.make(background=background)
        name = f"s{scene.number:04d}_{index:06d}"
        _write(scene.out, scene.split, name, made.image, made.labels, scene.tile_px)
        kinds.append([label.kind for label in made.labels])
        if index % scene.sheet_every == 0:
            shown.append(made)
    return _Written(scene.split, kinds, shown)


def _maker(seed: int, tile_px: int, contents: Contents) -> Maker:
    if contents.asset is AssetKind.POWER_LINE:
        return LineTileMaker(seed, tile_px)
    return TileMaker(seed, tile_px, contents.marks, small=contents.small)


def source(images: int, seed: int, tile_px: int, contents: Contents) -> dict[str, str]:
    """Return where a set comes from: the command that makes it again, and its licence, as other sets' SOURCE.json."""
    said = [f"--images {images} --seed {seed} --tile {tile_px} --background {contents.background:g}"]
    said += [f"--asset {contents.asset.value}"] if contents.asset is not AssetKind.WIND_TURBINE else []
    said += ["--small"] if contents.small else []
    said += [f"--marks {','.join(contents.marks)}"] if contents.marks else []
    return {"origin": f"kestrel-sim dataset {' '.join(said)}", "license": "AGPL-3.0-or-later"}


def _check(out: Path, tile_px: int, contents: Contents) -> None:
    if (out / "data.yaml").exists():
        raise InvalidInput(f"{out} already holds a data set.", hint="Name an empty folder.", field="out")
    if tile_px % 2:
        raise InvalidInput(f"A tile of {tile_px} px is odd.", hint="Use an even width.", field="tile")
    if contents.asset not in DRAWN:
        hint = f"Choose from {', '.join(kind.value for kind in DRAWN)}."
        raise InvalidInput(f"No simulator draws a {contents.asset.value}.", hint=hint, field="asset")
    if contents.asset is not AssetKind.WIND_TURBINE and (contents.marks or contents.small):
        raise InvalidInput("Marks and small defects are chosen on blades only.", hint="Leave them out.", field="asset")
    if unknown := set(contents.marks) - DECAL_NAMES:
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


def dataset_verb(  # noqa: PLR0913 - the verb's options
    out: Path, images: int, seed: int, tile_px: int, contents: Contents, *, jobs: int, as_json: bool
) -> None:
    """Write a data set and say what is in it."""
    try:
        said = write_dataset(out, images, seed, tile_px, contents, jobs)
    except InvalidInput as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(json.dumps(said) if as_json else "\n".join(f"{k}: {v}" for k, v in said.items()))
