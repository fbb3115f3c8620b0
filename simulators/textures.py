"""Blade surfaces at 1.56 mm per pixel, made lazily in one-metre chunks and kept while they are in use.

A chunk is an image with columns along the blade (root to tip) and rows across the side (first edge to second).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

import cv2
import numpy as np

from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from simulators.blemishes import paint
from simulators.decals import Decal, decals_of, draw
from simulators.defects import PlantedDefect
from simulators.noise import Image, Rng, blend, rng_of, sample, smoothstep, tile

PX_PER_M = 640.0
CHUNK_M = 1.0
_CACHE_BYTES = 192 << 20
_DRAW_ALPHA = 0.25
"""Opacity from which a change counts as part of a defect's outline."""
_CANVAS = 1.12


class Stamp(NamedTuple):
    """A patch ready to lay on a side: its first corner in texture pixels of the whole side, colour, opacity."""

    column: int
    row: int
    bgr: Image
    alpha: Image


class _Look(NamedTuple):
    tint: tuple[float, float, float]
    dirt: float
    phase: tuple[float, float]
    seam: float


class BladeTextures:
    """The unlit surfaces of one turbine with its defects."""

    def __init__(
        self, seed: int, asset_id: str, geometry: TurbineGeometry, defects: list[PlantedDefect], *, clutter: bool = True
    ) -> None:
        self._geometry, self._seed, self._asset_id = geometry, seed, asset_id
        self._defects = defects
        self._stamps: dict[tuple[Blade, BladeSide], list[Stamp]] = {}
        self._chunks: OrderedDict[tuple[Blade, BladeSide, int, int], Image] = OrderedDict()
        self._bytes = 0
        self._clutter = clutter
        self._noise = tile(seed % 5)

    def chunk(self, blade: Blade, side: BladeSide, index: int, level: int) -> Image:
        """Return the chunk from ``index`` metres on, uint8 BGR, halved ``level`` times."""
        key = (blade, side, index, level)
        found = self._chunks.get(key)
        if found is not None:
            self._chunks.move_to_end(key)
            return found
        made = self._make(blade, side, index) if level == 0 else _halved(self.chunk(blade, side, index, level - 1))
        self._chunks[key] = made
        self._bytes += made.nbytes
        while self._bytes > _CACHE_BYTES:
            self._bytes -= self._chunks.popitem(last=False)[1].nbytes
        return made

    def rows_of(self, side: BladeSide, index: int) -> int:
        """Return the height of a chunk in pixels at level 0 (the side's width at its rootward end)."""
        return max(2, int(np.ceil(self._geometry.side_width_m(side, index * CHUNK_M) * PX_PER_M)))

    def decal_places(self, names: Collection[str]) -> list[SurfacePlace]:
        """Return the centres of things on the blades that are not defects, by the names of ``decals``."""
        places = []
        for blade in Blade:
            for side in BladeSide:
                for decal in (d for d in self._side_decals(blade, side) if d.name in names):
                    distance, offset = decal.distance_m + decal.length_m / 2, decal.offset_m + decal.width_m / 2
                    places.append(SurfacePlace(blade=blade, side=side, distance_to_root_m=distance, offset_m=offset))
        return places

    def _make(self, blade: Blade, side: BladeSide, index: int) -> Image:
        rng = rng_of(self._seed, self._asset_id, blade.value, side.value)
        shape = (self.rows_of(side, index), int(CHUNK_M * PX_PER_M))
        surface = self._gelcoat(_look(rng), side, index, shape)
        for stamp in self._side_stamps(blade, side):
            _lay(surface, stamp, stamp.column - index * shape[1], stamp.row)
        return np.clip(surface, 0, 255).astype(np.uint8)

    def _gelcoat(self, look: _Look, side: BladeSide, index: int, shape: tuple[int, int]) -> Image:
        start = index * CHUNK_M

        def layer(step_s: float, step_o: float, shift: float) -> Image:
            origin = (look.phase[0] + shift + start * PX_PER_M * step_s, look.phase[1] + shift)
            return sample(self._noise, origin, (step_s, step_o), shape)

        level = 1 + 0.014 * layer(0.04, 0.04, 0) + 0.012 * layer(0.7, 0.7, 91)
        surface: Image = level[..., None] * np.array(look.tint, np.float32)
        streaks = smoothstep(0.4, 2.4, layer(0.16, 0.012, 37)) * look.dirt
        grime = smoothstep(0.5, 2.2, layer(0.02, 0.03, 200) + 0.4 * layer(0.3, 0.3, 10)) * look.dirt
        surface = blend(surface, (118, 128, 134), np.clip(0.5 * streaks + 0.35 * grime, 0, 0.6))
        width = self._geometry.side_width_m(side, start)
        if side in (BladeSide.PS, BladeSide.SS):
            seam = int(look.seam * width * PX_PER_M)
            end = int(look.seam * self._geometry.side_width_m(side, start + CHUNK_M) * PX_PER_M)
            cv2.line(surface, (0, seam), (shape[1], end), (172, 176, 176), 2, cv2.LINE_AA)
        return surface

    def _side_stamps(self, blade: Blade, side: BladeSide) -> list[Stamp]:
        key = (blade, side)
        if key not in self._stamps:
            flip = self._mirrored(blade, side)
            drawn = [_decal_stamp(t, flip=flip) for t in self._side_decals(blade, side)]
            self._stamps[key] = drawn + [defect_stamp(d) for d in self._on(blade, side)]
        return self._stamps[key]

    def _side_decals(self, blade: Blade, side: BladeSide) -> list[Decal]:
        """Return the decals of a side that no defect touches."""
        if not self._clutter:
            return []
        rng = rng_of("decals", self._seed, self._asset_id, blade.value, side.value)
        defects = self._on(blade, side)
        return [t for t in decals_of(rng, self._geometry, side) if not any(_overlaps(t, d) for d in defects)]

    def _on(self, blade: Blade, side: BladeSide) -> list[PlantedDefect]:
        return [d for d in self._defects if d.place.blade is blade and d.place.side is side]

    def _mirrored(self, blade: Blade, side: BladeSide) -> bool:
        """Say whether a chunk appears mirrored to who looks at the side from outside."""
        facet = self._geometry.facet(blade, side)
        along, across = facet.first_tip.minus(facet.first_root), facet.second_root.minus(facet.first_root)
        return along.cross(across).dot(facet.normal) > 0


def _look(rng: Rng) -> _Look:
    level = rng.uniform(192, 220)
    tint = (level + rng.uniform(-5, 3), level + rng.uniform(-1, 2), level + rng.uniform(-4, 4))
    return _Look(tint, rng.uniform(0.1, 0.9), (rng.uniform(0, 512), rng.uniform(0, 512)), rng.uniform(0.3, 0.8))


def _halved(image: Image) -> Image:
    size = (max(1, image.shape[1] // 2), max(1, image.shape[0] // 2))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _overlaps(decal: Decal, defect: PlantedDefect) -> bool:
    first_s, last_s, first_o, last_o = defect.corners()
    return (
        decal.distance_m < last_s + 0.05
        and decal.distance_m + decal.length_m > first_s - 0.05
        and decal.offset_m < last_o + 0.02
        and decal.offset_m + decal.width_m > first_o - 0.02
    )


def _decal_stamp(decal: Decal, *, flip: bool) -> Stamp:
    bgr, alpha = draw(decal, rng_of("decal", decal.seed), PX_PER_M)
    if flip:
        bgr, alpha = bgr[::-1], alpha[::-1]
    return Stamp(round(decal.distance_m * PX_PER_M), round(decal.offset_m * PX_PER_M), bgr, alpha)


def defect_stamp(defect: PlantedDefect) -> Stamp:
    """Return a defect's patch; what is visibly changed fills its length and width to the pixel."""
    rng = rng_of("defect", defect.paint_seed)
    size = (defect.length_mm / 1000 * PX_PER_M, defect.width_mm / 1000 * PX_PER_M)
    canvas = np.full((max(8, round(size[1] * _CANVAS)), max(8, round(size[0] * _CANVAS)), 3), 206.0, np.float32)
    painted, alpha = paint(defect.kind, canvas, rng, PX_PER_M)
    rows, columns = np.where(alpha > _DRAW_ALPHA)
    left, top = int(columns.min()), int(rows.min())
    scale = (size[0] / (columns.max() + 1 - left), size[1] / (rows.max() + 1 - top))
    whole = (max(2, round(alpha.shape[1] * scale[0])), max(2, round(alpha.shape[0] * scale[1])))
    bgr = cv2.resize(painted, whole, interpolation=cv2.INTER_LINEAR)
    cover = np.clip(cv2.resize(alpha, whole, interpolation=cv2.INTER_LINEAR) * 3, 0, 1)
    first_s, _, first_o, _ = defect.corners()
    return Stamp(round(first_s * PX_PER_M - left * scale[0]), round(first_o * PX_PER_M - top * scale[1]), bgr, cover)


def outline(defect: PlantedDefect) -> list[SurfacePlace]:
    """Return the convex outline of what is visibly changed, as places on the defect's side."""
    stamp = defect_stamp(defect)
    rows, columns = np.where(stamp.alpha > 3 * _DRAW_ALPHA)
    points = np.stack([columns, rows], axis=1).astype(np.int32)
    hull = cv2.convexHull(points)[:, 0, :].astype(float)
    places = []
    for column, row in hull:
        distance, offset = (column + 0.5 + stamp.column) / PX_PER_M, (row + 0.5 + stamp.row) / PX_PER_M
        update = {"distance_to_root_m": float(distance), "offset_m": float(offset)}
        places.append(defect.place.model_copy(update=update))
    return places


def _lay(surface: Image, stamp: Stamp, column: int, row: int) -> None:
    """Cover ``surface`` in place with the part of a stamp that falls on it."""
    x0, y0 = max(0, column), max(0, row)
    x1 = min(surface.shape[1], column + stamp.alpha.shape[1])
    y1 = min(surface.shape[0], row + stamp.alpha.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = (slice(y0 - row, y1 - row), slice(x0 - column, x1 - column))
    surface[y0:y1, x0:x1] = blend(surface[y0:y1, x0:x1], stamp.bgr[part], stamp.alpha[part])
