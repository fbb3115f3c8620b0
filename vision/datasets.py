"""Training images: rendered tiles as they are, real photos cut into tiles, one folder in YOLO layout."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field

from contracts.errors import InvalidInput
from contracts.geo import Frozen
from contracts.vocabulary import DefectKind

KINDS = tuple(DefectKind)
Image = NDArray[np.uint8]
Rows = NDArray[np.float64]
"""Label rows (class, centre x, centre y, width, height), normalised to 0..1."""

_KEPT_SHARE = 0.35
"""A box is kept in a tile when at least this share of it lies inside."""
_NOTICED_SHARE = 0.05
"""A tile that shows less of a box than is kept, yet more than this, would teach a miss: it is not used."""
_RED_STROKE_PX = 40


class RealSet(Frozen):
    """How one real set is cut."""

    set: str
    kinds: tuple[DefectKind, ...] = Field(description="our kind of the set's class 0, 1, ...")
    scales: tuple[float, ...]
    tiles_per_image: int = Field(ge=1)
    own_validation: bool = False
    drop_red_strokes: bool = False


class Sample(NamedTuple):
    """One labelled image on disk."""

    image: Path
    rows: Rows

    @property
    def source(self) -> str:
        """Return what the image was made from: tiles of one photo share it."""
        parts = self.image.stem.split("_")
        return "_".join(parts[:2]) if len(parts) > 1 and len(parts[1]) == 36 else self.image.stem


def read_yolo(root: Path, split: str) -> list[Sample]:
    """Return the labelled images of one split, by name; an image without a label file is background."""
    folder = root / "images" / split
    images = sorted(p for p in folder.glob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    return [Sample(p, _read_rows(root / "labels" / split / f"{p.stem}.txt")) for p in images]


def _read_rows(path: Path) -> Rows:
    try:
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        rows = [[float(v) for v in line.split()] for line in lines if line.strip()]
    except ValueError as error:
        raise InvalidInput(f"{path}: {str(error)[:120]}.", hint="A label file is numbers in UTF-8 text.") from error
    if any(len(row) != 5 for row in rows):
        raise InvalidInput(f"{path}: a label line needs 5 numbers.", hint="class cx cy w h, normalised to 0..1.")
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def share_of(text: str) -> float:
    """Return a stable number in [0, 1) for a name: splits by it never change between runs."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def has_red_stroke(image: Image) -> bool:
    """Tell whether a thin pure-red line is drawn into a photo (BGR)."""
    blue, green, red = (image[..., i].astype(np.int16) for i in range(3))
    mask = ((red > 150) & (red - green > 80) & (red - blue > 80)).astype(np.uint8)
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return int(mask.sum() - thick.sum()) > _RED_STROKE_PX and int(thick.sum()) < 2 * int(mask.sum() - thick.sum())


def cut(image: Image, rows: Rows, x0: int, y0: int, tile_px: int) -> tuple[Image, Rows] | None:
    """Return one tile (padded grey at the border) and the label rows inside; None when a box is cut to a stump."""
    height, width = image.shape[:2]
    tile = np.full((tile_px, tile_px, 3), 114, np.uint8)
    part = image[y0 : y0 + tile_px, x0 : x0 + tile_px]
    tile[: part.shape[0], : part.shape[1]] = part
    if not len(rows):
        return tile, rows
    centre, size = rows[:, 1:3] * (width, height), rows[:, 3:5] * (width, height)
    low, high = centre - size / 2 - (x0, y0), centre + size / 2 - (x0, y0)
    inside_low, inside_high = np.clip(low, 0, tile_px), np.clip(high, 0, tile_px)
    inside = np.clip(inside_high - inside_low, 0, None)
    shares = inside.prod(axis=1) / np.maximum(size.prod(axis=1), 1e-9)
    keep = shares >= _KEPT_SHARE
    if np.any(~keep & (shares > _NOTICED_SHARE)):
        return None
    boxes = np.hstack([(inside_low + inside_high) / 2, inside_high - inside_low]) / tile_px
    return tile, np.hstack([rows[:, :1], boxes])[keep]


def cut_photo(sample: Sample, spec: RealSet, tile_px: int, seed: int) -> Iterator[tuple[Image, Rows]]:
    """Yield tiles of one photo: around its boxes first, then anywhere; drawn strokes are skipped."""
    photo = cv2.imread(str(sample.image), cv2.IMREAD_COLOR)
    if photo is None:
        raise InvalidInput(f"{sample.image} is not a readable image.", field="data")
    name_hash = hashlib.sha256(sample.image.name.encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(name_hash[:4], "big")])
    for scale in spec.scales:
        image = np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = image.shape[:2]
        for index in range(spec.tiles_per_image):
            at = rng.uniform(0.2, 0.8, 2)
            if index < len(sample.rows):
                at = rng.permutation(sample.rows)[0, 1:3] + rng.uniform(-0.3, 0.3, 2) * tile_px / (width, height)
            x0, y0 = np.clip(at * (width, height) - tile_px / 2, 0, np.maximum((width - tile_px, height - tile_px), 0))
            made = cut(image, sample.rows, int(x0), int(y0), tile_px)
            if made is not None and not (spec.drop_red_strokes and has_red_stroke(made[0])):
                yield made


class Assembled(NamedTuple):
    """A training folder and how many images of each origin it holds: (origin, split) -> images."""

    data_yaml: Path
    counts: dict[str, int]


class Assembly:
    """Writes one training folder in YOLO layout."""

    def __init__(self, out: Path, *, tile_px: int, validation_share: float, seed: int) -> None:
        self._out = out
        self._tile_px = tile_px
        self._validation_share = validation_share
        self._seed = seed
        self._counts: dict[str, int] = {}
        for split in ("train", "val"):
            for kind in ("images", "labels"):
                (out / kind / split).mkdir(parents=True, exist_ok=True)

    def add_rendered(self, root: Path) -> None:
        """Add rendered tiles; their own val split is kept, else one is cut by name."""
        train, val = read_yolo(root, "train"), read_yolo(root, "val")
        if not train:
            raise InvalidInput(f"{root} holds no images/train.", hint="kestrel-sim writes it.", field="data")
        for sample in train + val:
            known_val = sample in val if not val else sample.image.parent.name == "val"
            split = "val" if known_val or (not val and self._held_out(sample.source)) else "train"
            name = f"{root.name}-{sample.image.stem}"
            shutil.copyfile(sample.image, self._out / "images" / split / f"{name}{sample.image.suffix}")
            self._write_rows(split, name, sample.rows, root.name)

    def add_real(self, root: Path, spec: RealSet) -> None:
        """Add cuttings of a real set's train split; val comes from its val split or from train by source photo."""
        for folder in ("train",) if spec.own_validation else ("train", "val"):
            for sample in read_yolo(root / spec.set, folder):
                held_out = self._held_out(sample.source) if spec.own_validation else folder == "val"
                split = "val" if held_out else "train"
                for index, (tile, rows) in enumerate(cut_photo(sample, spec, self._tile_px, self._seed)):
                    name = f"{spec.set}-{sample.image.stem}-{index}"
                    cv2.imwrite(str(self._out / "images" / split / f"{name}.png"), tile)
                    ours = rows.copy()
                    ours[:, 0] = [KINDS.index(spec.kinds[int(c)]) for c in rows[:, 0]]
                    self._write_rows(split, name, ours, spec.set)

    def finish(self) -> Assembled:
        """Write data.yaml and return what was assembled."""
        path = self._out / "data.yaml"
        names = {i: kind.value for i, kind in enumerate(KINDS)}
        layout = {"path": str(self._out.resolve()), "train": "images/train", "val": "images/val", "names": names}
        path.write_text(yaml.safe_dump(layout))
        return Assembled(path, dict(self._counts))

    def _held_out(self, source: str) -> bool:
        return share_of(source) < self._validation_share

    def _write_rows(self, split: str, name: str, rows: Rows, origin: str) -> None:
        text = "".join(f"{int(r[0])} {r[1]:.6f} {r[2]:.6f} {r[3]:.6f} {r[4]:.6f}\n" for r in rows)
        (self._out / "labels" / split / f"{name}.txt").write_text(text)
        key = f"{origin}/{split}"
        self._counts[key] = self._counts.get(key, 0) + 1
