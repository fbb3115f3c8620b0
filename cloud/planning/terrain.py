"""The ground below a route, from local elevation files (GeoTIFF, SRTM HGT), as heights above the ellipsoid.

A file must say what its heights are measured from: by a vertical or three-dimensional reference system, or by being
an SRTM tile (EGM96 by its specification), or by the operator's word (``datum``). Without that it is refused: the
difference is up to 100 m.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from cloud.planning.datums import bilinear, separations_m
from contracts.errors import InvalidInput

if TYPE_CHECKING:
    import rasterio
    from rasterio.windows import Window

Heights = NDArray[np.float64]
SUFFIXES = (".tif", ".tiff", ".hgt")
_MAX_CELLS = 16_000_000


class Datum(StrEnum):
    """What heights are measured from."""

    EGM96 = "egm96"
    ELLIPSOID = "ellipsoid"


_EPSG_DATUMS = {5773: Datum.EGM96, 4979: Datum.ELLIPSOID}


@dataclass(frozen=True)
class _Tile:
    path: Path
    datum: Datum
    to_grid: Transformer
    cell_m: float


class Terrain:
    """Elevation files together. Places outside all of them are not a number."""

    def __init__(self, paths: Iterable[Path], datum: Datum | None = None) -> None:
        """Open the files' headers.

        Raises:
            InvalidInput: A file cannot be read, or does not say what its heights are measured from.

        """
        self._tiles = [_open(path, datum) for path in sorted(paths)]

    @property
    def step_m(self) -> float:
        """Return how far samples may be apart: a sharp ridge is then missed by 0.25 m times its slope."""
        return min(0.5, max(0.1, min((tile.cell_m for tile in self._tiles), default=20.0) / 10))

    def heights_m(self, lat_deg: Heights, lon_deg: Heights) -> Heights:
        """Return the ground's height above the WGS 84 ellipsoid at places; NaN where no file knows it.

        Raises:
            InvalidInput: The places spread over more cells than can be read at once.

        """
        heights = np.full(lat_deg.shape, math.nan)
        for tile in self._tiles:
            missing = np.isnan(heights)
            if not missing.any():
                break
            heights[missing] = _read(tile, lat_deg[missing], lon_deg[missing])
        return heights


def open_folder(folder: Path, datum: Datum | None = None) -> Terrain | None:
    """Return the terrain of every elevation file in a folder; None when there is none."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES] if folder.is_dir() else []
    return Terrain(paths, datum) if paths else None


def _open(path: Path, said: Datum | None) -> _Tile:
    import rasterio  # noqa: PLC0415 - slow to load, and only terrain needs it

    with _readable(path), rasterio.open(path) as file:
        if file.crs is None or file.transform.is_degenerate or file.transform == rasterio.Affine.identity():
            raise InvalidInput(f"{path.name} has no reference system.", hint="Georeference it.", field="terrain")
        crs = CRS.from_wkt(file.crs.to_wkt())
        datum = said or (Datum.EGM96 if file.driver == "SRTMHGT" else _datum_of(crs))
        cell_m = abs(file.res[1]) * (111_320.0 if crs.is_geographic else 1.0)
        level = crs.to_2d() if len(crs.axis_info) == 3 or crs.is_compound else crs
        to_grid = Transformer.from_crs("EPSG:4326", level, always_xy=True)
    if datum is None:
        raise InvalidInput(
            f"{path.name} does not say what its heights are measured from ({crs.name}).",
            hint="Give it a vertical reference system (EPSG:5773, EPSG:4979), or state the datum: egm96 or ellipsoid.",
            field="terrain",
        )
    return _Tile(path, datum, to_grid, cell_m)


def _damage() -> tuple[type[Exception], ...]:
    from rasterio import errors  # noqa: PLC0415 - see above

    # Warned of, and an error where warnings are: a file without a place on the ground.
    return errors.RasterioError, errors.CRSError, errors.NotGeoreferencedWarning, ProjError, UnicodeDecodeError


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse a file that GDAL or PROJ fall over, in words; what is damaged may say any text about itself."""
    try:
        yield
    except _damage() as error:
        said = " ".join(str(error).split())[:200]
        hint = "Export it again."
        raise InvalidInput(
            f"{path.name} is no elevation file that can be read: {said}", hint=hint, field="terrain"
        ) from error


def _datum_of(crs: CRS) -> Datum | None:
    """Return the datum of a reference system we can convert; metres only."""
    vertical = crs.sub_crs_list[1] if crs.is_compound else crs
    known = _EPSG_DATUMS.get(vertical.to_epsg() or 0)
    if known is None and crs.is_geographic and len(crs.axis_info) == 3 and crs.datum is not None:
        known = Datum.ELLIPSOID if "World Geodetic System 1984" in crs.datum.name else None
    return known if all(math.isclose(axis.unit_conversion_factor, 1.0) for axis in vertical.axis_info[2:]) else None


def _read(tile: _Tile, lat_deg: Heights, lon_deg: Heights) -> Heights:
    x, y = tile.to_grid.transform(lon_deg, lat_deg)
    import rasterio  # noqa: PLC0415 - see above

    with _readable(tile.path), rasterio.open(tile.path) as file:
        column, row = _cells(file, x, y)
        inside = (row >= 0) & (row <= file.height - 1) & (column >= 0) & (column <= file.width - 1)
        heights = np.full(row.shape, math.nan)
        if not inside.any():
            return heights
        window = _window(file, row[inside], column[inside])
        if window.width * window.height > _MAX_CELLS:
            raise InvalidInput(
                f"The route spreads over {window.width * window.height:.0f} cells of {tile.path.name}.",
                hint="Split the plan, or use a coarser elevation file.",
                field="terrain",
            )
        band = file.read(1, window=window, masked=True).astype(np.float64).filled(math.nan)
        band = band * file.scales[0] + file.offsets[0]
        heights[inside] = bilinear(band, row[inside] - window.row_off, column[inside] - window.col_off)
    if tile.datum is Datum.EGM96:
        heights += separations_m(lat_deg, lon_deg)
    return heights


def _cells(file: rasterio.DatasetReader, x: Heights, y: Heights) -> tuple[Heights, Heights]:
    """Return fractional (columns, rows) of places, counted from the centre of the first cell."""
    inverse = ~file.transform
    return inverse.a * x + inverse.b * y + inverse.c - 0.5, inverse.d * x + inverse.e * y + inverse.f - 0.5


def _window(file: rasterio.DatasetReader, row: Heights, column: Heights) -> Window:
    top, left = max(0, math.floor(row.min()) - 1), max(0, math.floor(column.min()) - 1)
    bottom, right = min(file.height, math.ceil(row.max()) + 2), min(file.width, math.ceil(column.max()) + 2)
    from rasterio.windows import Window  # noqa: PLC0415 - see above

    return Window(left, top, right - left, bottom - top)
