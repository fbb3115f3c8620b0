"""Sky with clouds above the horizon, fields below it: drawn at an eighth of the size, as out-of-focus things are."""

from __future__ import annotations

import math

import cv2
import numpy as np

from simulators.noise import Image, blend, rng_of, smoothstep, tile
from simulators.views import View
from simulators.world import Weather

_COARSE = 8
_FIELD_M_PX = 2.0
_CLOUD_BASE_M = 900.0


class Backdrop:
    """What lies behind the turbine."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._weather = weather
        rng = rng_of("backdrop", seed)
        self._clouds = tile(seed % 5).astype(np.float32)
        self._fields = _fields(seed)
        self._drift = rng.uniform(0, 512, 2)
        self._zenith = np.array(rng.uniform((150, 105, 60), (205, 150, 105)), np.float32)
        self._horizon = np.array(rng.uniform((214, 206, 196), (238, 230, 222)), np.float32)

    def draw(self, view: View, exposure: float) -> Image:
        """Return the window's background, uint8 BGR."""
        east, north, up = _directions(view)
        colour = np.empty((*up.shape, 3), np.float32)
        low, high = up.min(axis=1), up.max(axis=1)
        for rows, paint in ((_span(high >= 0), self._sky), (_span(low < 0), self._ground)):
            if rows.stop > rows.start:
                painted = paint(east[rows], north[rows], up[rows], view)
                mine = (up[rows] >= 0) if paint == self._sky else (up[rows] < 0)
                np.copyto(colour[rows], painted, where=mine[..., None])
        small = np.clip(colour * exposure, 0, 255).astype(np.uint8)
        shift = (0.5 - _COARSE / 2) / _COARSE
        move = np.array([[1 / _COARSE, 0, shift], [0, 1 / _COARSE, shift]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (view.width_px, view.height_px)
        if not (view.width_px % _COARSE or view.height_px % _COARSE):
            return cv2.resize(small[:-1, :-1], size, interpolation=cv2.INTER_LINEAR)
        return cv2.warpAffine(small, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def _sky(self, east: Image, north: Image, up: Image, _view: View) -> Image:
        height = np.clip(up, 0, 1) ** 0.55
        clear = self._horizon * (1 - height[..., None]) + self._zenith * height[..., None]
        far = _CLOUD_BASE_M / np.clip(up + 0.06, 0.05, None) / 12.0
        u = (east * far + self._drift[0]).astype(np.float32) % 512
        v = (north * far + self._drift[1]).astype(np.float32) % 512
        cloud = cv2.remap(self._clouds, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        edge = 1.6 - 3.0 * self._weather.cloud_cover
        thick = smoothstep(edge - 0.7, edge + 1.0, cloud) * np.clip(up * 5, 0, 1) * 0.85
        grey = 238 - 34 * np.clip(cloud - edge, 0, 2)
        return blend(clear, grey[..., None], thick)

    def _ground(self, east: Image, north: Image, up: Image, view: View) -> Image:
        below = np.clip(-up, 1e-4, None)
        reach = np.clip(max(view.eye.up, 1.5) / below, 0, 20000)
        x_m, y_m, _ = view.eye
        u = ((east * reach + x_m) / _FIELD_M_PX).astype(np.float32) % 1024
        v = ((north * reach + y_m) / _FIELD_M_PX).astype(np.float32) % 1024
        ground = cv2.remap(self._fields, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.float32)
        u, v = ((axis * reach * 3 + at * 3).astype(np.float32) % 512 for axis, at in ((east, x_m), (north, y_m)))
        rough = cv2.remap(self._clouds, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        ground *= (1 + 0.11 * rough * np.clip(1 - reach / 500, 0, 1))[..., None]
        air = 1 - np.exp(-reach / (3500 - 2400 * self._weather.haze))
        return blend(ground, self._horizon * 0.92, air)


def _span(rows: Image) -> slice:
    """Return the slice from the first to the last true row."""
    found = np.flatnonzero(rows)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _directions(view: View) -> tuple[Image, Image, Image]:
    """Return the unit direction (east, north, up) in which the middle of every coarse pixel looks."""
    columns, rows = (-(-n // _COARSE) + 1 for n in (view.width_px, view.height_px))
    column, row = view.window[:2]
    x = (np.arange(columns, dtype=np.float32) + 0.5) * _COARSE + column - view.camera.width_px / 2
    y = (np.arange(rows, dtype=np.float32) + 0.5) * _COARSE + row - view.camera.height_px / 2
    r, focal = view.rotation.astype(np.float32), np.float32(view.camera.focal_px)
    rays = [(r[0, i] * x[None, :] + r[1, i] * y[:, None]) / focal + r[2, i] for i in range(3)]
    scale = 1 / np.sqrt(rays[0] ** 2 + rays[1] ** 2 + rays[2] ** 2)
    return rays[0] * scale, rays[1] * scale, rays[2] * scale


def _fields(seed: int) -> Image:
    """Return a periodic map of fields, hedges and roads, 2 m per pixel."""
    rng = rng_of("fields", seed)
    size = 1024
    count = 90
    sites = rng.uniform(0, size, (count, 2)).astype(np.float32)
    palette = np.array([(62, 116, 104), (70, 136, 126), (88, 150, 160), (66, 104, 88), (112, 158, 172), (80, 120, 140)])
    colours = palette[rng.integers(len(palette), size=count)] + rng.uniform(-12, 12, (count, 3))
    coarse = np.stack(np.meshgrid(np.arange(0, size, 4), np.arange(0, size, 4)), axis=-1).astype(np.float32)
    nearest = np.full(coarse.shape[:2], np.inf, np.float32)
    owner = np.zeros(coarse.shape[:2], np.int32)
    for index, (sx, sy) in enumerate(sites):
        dx = np.abs(coarse[..., 0] - sx)
        dy = np.abs(coarse[..., 1] - sy)
        apart = np.maximum(np.minimum(dx, size - dx), np.minimum(dy, size - dy) * 1.4)
        closer = apart < nearest
        nearest[closer], owner[closer] = apart[closer], index
    land = cv2.resize(colours[owner].astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    rough = tile(seed % 5 + 10, 1024, 7)
    land += rough[..., None] * 6
    for position in range(64, size, 256):
        cv2.line(land, (position, 0), (position + 40, size), (150, 156, 158), 2)
        cv2.line(land, (0, position), (size, position + math.floor(rng.uniform(-30, 30))), (40, 72, 56), 3)
    return np.clip(land, 0, 255).astype(np.uint8)
