"""Heights above the sea and above the ellipsoid: the EGM96 geoid on its published 15-minute grid.

The grid (``egm96_15.tif``, centimetres) is NIMA's and NASA's, in the public domain. Bilinear interpolation is within
1.2 m of the full model everywhere and within 4 cm (root mean square) of it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GRID = Path(__file__).with_name("egm96_15.tif")
_STEP_DEG = 0.25


@cache
def _grid() -> NDArray[np.float64]:
    """Return rows from 90 N to 90 S, columns from 180 W to 180 E (the last repeats the first), metres."""
    import rasterio  # noqa: PLC0415 - slow to load, and only heights need it

    with rasterio.open(_GRID) as file:
        heights = file.read(1).astype(np.float64) * file.scales[0]
    return np.hstack([heights, heights[:, :1]])


def separations_m(lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.float64]:
    """Return how high mean sea level (EGM96) lies above the WGS 84 ellipsoid at places."""
    grid = _grid()
    row = np.clip((90.0 - np.asarray(lat_deg, dtype=np.float64)) / _STEP_DEG, 0.0, grid.shape[0] - 1.0)
    column = np.mod(np.asarray(lon_deg, dtype=np.float64) + 180.0, 360.0) / _STEP_DEG
    return bilinear(grid, row, column)


def separation_m(lat_deg: float, lon_deg: float) -> float:
    """Return how high mean sea level lies above the ellipsoid at one place."""
    return float(separations_m(lat_deg, lon_deg))


def bilinear(grid: NDArray[np.float64], row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values between a grid's points; ``row`` and ``column`` must lie within it."""
    top = np.minimum(np.floor(row).astype(int), grid.shape[0] - 2)
    left = np.minimum(np.floor(column).astype(int), grid.shape[1] - 2)
    down, right = row - top, column - left
    above = grid[top, left] * (1 - right) + grid[top, left + 1] * right
    below = grid[top + 1, left] * (1 - right) + grid[top + 1, left + 1] * right
    return np.asarray(above * (1 - down) + below * down)
