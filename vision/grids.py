"""The grid of an asset of any class."""

from __future__ import annotations

from contracts.errors import InvalidInput
from contracts.shapes import AnyShape, kind_of
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from vision.grid import Grid
from vision.shaft_grid import Mast
from vision.turbine_grid import Turbine


def grid_of(geometry: AnyShape) -> Grid:
    """Return an asset's grid.

    Raises:
        InvalidInput: Nothing can be placed on this class of asset.

    """
    match geometry:
        case TurbineGeometry():
            return Turbine(geometry)
        case TelecomTower():
            return Mast(geometry)
        case _:
            raise InvalidInput(
                f"Nothing can be placed on a {kind_of(geometry).replace('_', ' ')} yet.",
                hint="Look through its video with `kestrel-vision detect`, which places findings in WGS 84.",
                field="geometry",
            )
