"""Procedural noise: periodic tiles sampled at any scale, and one-off fields for patches."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]
Rng = np.random.Generator


def rng_of(*parts: object) -> Rng:
    """Return a random generator that depends on every part and nothing else."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, parts)).encode()))


@lru_cache(maxsize=8)
def tile(seed: int, size: int = 512, octaves: int = 5) -> Image:
    """Return a periodic fractal noise tile, float32, mean 0, standard deviation 1."""
    rng = rng_of("tile", seed)
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = 8 << octave
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        wide = cv2.copyMakeBorder(grid, 4, 4, 4, 4, cv2.BORDER_WRAP)
        step = size / cells
        shift = np.array([[1 / step, 0, 4 - 0.5 + 0.5 / step], [0, 1 / step, 4 - 0.5 + 0.5 / step]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        total += cv2.warpAffine(wide, shift, (size, size), flags=flags) * 0.6**octave
    even: Image = (total - total.mean()) / total.std()
    return even


def sample(noise: Image, origin: tuple[float, float], step: tuple[float, float], shape: tuple[int, int]) -> Image:
    """Return ``shape`` (rows, columns) samples of a periodic tile from ``origin`` at ``step`` (x, y tile pixels)."""
    size = noise.shape[0]
    matrix = np.array([[step[0], 0, origin[0] % size], [0, step[1], origin[1] % size]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(noise, matrix, (shape[1], shape[0]), flags=flags, borderMode=cv2.BORDER_WRAP)


def field(rng: Rng, shape: tuple[int, int], cell_px: float, octaves: int = 4, stretch: float = 1.0) -> Image:
    """Return a fractal field of ``shape``, about -1..1; ``stretch`` lengthens its grain along x."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cell = max(1.0, cell_px / 2**octave)
        rows = max(2, int(shape[0] / cell) + 2)
        columns = max(2, int(shape[1] / (cell * stretch)) + 2)
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        total += cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) * 0.55**octave
    return total


def smoothstep(low: float, high: float, value: Image) -> Image:
    """Return 0 below ``low``, 1 above ``high``, smooth between."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    smooth: Image = share * share * (3 - 2 * share)
    return smooth


def blend(base: Image, colour: Image | tuple[float, float, float], alpha: Image) -> Image:
    """Return ``base`` covered with ``colour`` (BGR) at ``alpha`` (0..1)."""
    cover = alpha[..., None]
    mixed: Image = base * (1 - cover) + np.asarray(colour, np.float32) * cover
    return mixed
