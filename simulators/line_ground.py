"""The land below a line as a drone sees it from above: grass, crops, tracks, and forest beside the corridor."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from contracts.geo import Enu
from simulators.line_world import LineWorld
from simulators.noise import Image, blend, rng_of, smoothstep, tile
from simulators.views import View

_NEAR_M, _FAR_M = 120.0, 420.0
_CANOPY_PX = 1024
_CANOPY_M_PX = 0.11


class Ground:
    """Paints the land within some hundred metres over what lies behind everything."""

    def __init__(self, world: LineWorld) -> None:
        self._world = world
        rng = rng_of("ground", world.seed)
        stand = world.stand(0)
        self._left = stand.left[:2].astype(np.float32)
        palette = ((66, 122, 112), (58, 108, 92), (96, 150, 158), (72, 128, 104), (104, 128, 142))
        self._grass = np.array(palette[rng.integers(0, 5)], np.float32) * rng.uniform(0.85, 1.1)
        self._second = np.array(palette[rng.integers(0, 5)], np.float32) * rng.uniform(0.8, 1.1)
        self._rows_m, self._turn = rng.uniform(0.5, 1.6), rng.uniform(0, np.pi)
        self._track_m = rng.uniform(-8, 8)

    def paint(self, image: Image, view: View, exposure: float) -> None:
        """Paint in place what of the window looks down; ``image`` is uint8 BGR of the window's size."""
        half = (view.width_px // 2, view.height_px // 2)
        east, north, reach = _hits(view, half)
        fade = 1 - smoothstep(_NEAR_M, _FAR_M, reach)
        rows = np.flatnonzero((fade > 0.01).any(axis=1))
        if not len(rows):
            return
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        px_per_m = view.camera.focal_px / 2 / np.maximum(reach[part], 1.0)
        colour = self._colour(east[part], north[part], px_per_m, view.forward) * exposure
        size = (view.width_px, 2 * (part.stop - part.start))
        target = image[2 * part.start : 2 * part.start + size[1], : 2 * half[0]]
        wide = cv2.resize(np.clip(colour, 0, 255), (target.shape[1], size[1]), interpolation=cv2.INTER_LINEAR)
        cover = cv2.resize(fade[part], (target.shape[1], size[1]), interpolation=cv2.INTER_LINEAR)
        target[...] = blend(target.astype(np.float32), wide, cover).astype(np.uint8)

    def _raised(self, east: Image, north: Image, forward: Enu) -> tuple[Image, Image]:
        """Return where to look crowns up: seen aslant they are as high as wide, so their picture is stretched away."""
        steep = min(1.0, max(0.12, -forward.up) / 0.7)
        level = math.hypot(forward.east, forward.north) or 1.0
        ahead, right = (forward.east / level, forward.north / level), (forward.north / level, -forward.east / level)
        away, aside = (east * way[0] + north * way[1] for way in (ahead, right))
        return aside, away * steep

    def _colour(self, east: Image, north: Image, px_per_m: Image, forward: Enu) -> Image:
        noise = tile(self._world.seed % 5)

        def layer(cell_m: float) -> Image:
            """Return noise whose finest grain is an eighth of a cell; faded where that is below a pixel."""
            scale = 64 / cell_m
            u, v = (east * scale % 512).astype(np.float32), (north * scale % 512).astype(np.float32)
            got = cv2.remap(noise, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            return got * np.clip(px_per_m * cell_m / 10, 0, 1)

        broad, tufts, blades = layer(40.0), layer(1.6), 0.7 * layer(0.3) + 0.7 * layer(0.07)
        field = smoothstep(-0.2, 0.2, broad + layer(90.0))
        ground = blend(np.broadcast_to(self._grass, (*east.shape, 3)), self._second, field)
        along = east * np.cos(self._turn) + north * np.sin(self._turn)
        rows = np.sin(along * 2 * np.pi / self._rows_m) * np.clip(px_per_m * self._rows_m / 8, 0, 1) * field
        ground *= (1 + 0.10 * broad + 0.11 * tufts + 0.15 * blades + 0.1 * rows)[..., None]
        soil = smoothstep(1.2, 1.9, tufts + 0.5 * layer(6.0))
        ground = blend(ground, (84, 106, 124), soil * 0.7)
        off = east * self._left[0] + north * self._left[1]
        ruts = np.maximum(
            *(1 - np.abs(off - self._track_m - side + 0.4 * layer(14.0)) / 0.42 for side in (-0.85, 0.85))
        )
        ground = blend(
            ground,
            np.array((112, 134, 148), np.float32) * (1 + 0.1 * blades)[..., None],
            smoothstep(0, 0.5, ruts) * 0.8,
        )
        if not self._world.forest:
            return ground
        edge = smoothstep(-0.6, 0.6, np.abs(off) - self._world.corridor_m + 2.5 * layer(12.0))
        u, v = (axis / _CANOPY_M_PX % _CANOPY_PX for axis in self._raised(east, north, forward))
        crowns = cv2.remap(
            _canopy(self._world.seed % 3),
            u.astype(np.float32),
            v.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        return blend(ground, crowns.astype(np.float32) * (1 + 0.3 * blades + 0.22 * layer(0.9))[..., None], edge)


def _hits(view: View, size: tuple[int, int]) -> tuple[Image, Image, Image]:
    """Return where each pixel of the half-sized window meets level ground (east, north), and how far away."""
    column, row = view.window[:2]
    x = (np.arange(size[0], dtype=np.float32) * 2 + 1 + column - view.camera.width_px / 2) / view.camera.focal_px
    y = (np.arange(size[1], dtype=np.float32) * 2 + 1 + row - view.camera.height_px / 2) / view.camera.focal_px
    r = view.rotation.astype(np.float32)
    east, north, up = (r[0, i] * x[None, :] + r[1, i] * y[:, None] + r[2, i] for i in range(3))
    times = np.where(up < -1e-4, view.eye.up / np.maximum(-up, 1e-4), 1e6).astype(np.float32)
    reach = times * np.sqrt(east**2 + north**2 + up**2)
    return east * times + view.eye.east, north * times + view.eye.north, reach


@lru_cache(maxsize=3)
def _canopy(seed: int) -> Image:
    """Return a periodic picture of crowns from above."""
    rng = rng_of("canopy", seed)
    canopy = np.full((_CANOPY_PX, _CANOPY_PX, 3), (18, 30, 26), np.float32)
    leaf = tile(seed + 7, 512, 6)
    y, x = np.mgrid[-40:41, -40:41].astype(np.float32)
    for _ in range(1500):
        radius = rng.uniform(10, 30)
        at = rng.integers(0, _CANOPY_PX, 2)
        wobble = 1 + 0.24 * leaf[at[0] % 400 : at[0] % 400 + 81, at[1] % 400 : at[1] % 400 + 81]
        lobes = 0.09 * np.sin(np.arctan2(y, x) * rng.integers(4, 9) + rng.uniform(0, 6.3))
        gone = np.hypot(x, y) / radius * (wobble + lobes)
        dome = np.sqrt(np.clip(1 - gone**2, 0, 1))
        lit = 0.45 + 0.4 * dome + 0.25 * np.clip((-x - y) / radius, -1, 1) * (gone < 1)
        base = np.array(((44, 88, 72), (38, 74, 54), (52, 104, 92), (34, 62, 52))[rng.integers(0, 4)], np.float32)
        grain = 1 + 0.34 * leaf[(at[0] * 3) % 400 : (at[0] * 3) % 400 + 81, (at[1] * 5) % 400 : (at[1] * 5) % 400 + 81]
        rows, columns = ((at[0] + np.arange(-40, 41)) % _CANOPY_PX)[:, None], (at[1] + np.arange(-40, 41)) % _CANOPY_PX
        canopy[rows, columns] = blend(
            canopy[rows, columns], base * (lit * grain)[..., None], smoothstep(1.0, 0.93, gone)
        )
    return np.clip(canopy, 0, 255).astype(np.uint8)
