"""The faces of a tower or mast, metre by metre from its foot: what coverage counts beside the sides of blades."""

from __future__ import annotations

import math
from typing import NamedTuple

from contracts.places import compass
from contracts.shafts import shaft_of
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry


class Face(NamedTuple):
    """A face; ``part`` names it in coverage, ``name`` is how people say it. Its last cell may be short of a metre."""

    part: str
    name: str
    height_m: float

    @property
    def cells(self) -> int:
        """Return how many metres it is counted in."""
        return math.ceil(self.height_m)


def faces_of(geometry: TurbineGeometry | TelecomTower) -> tuple[Face, ...]:
    """Return the faces of a turbine's tower or of a mast."""
    shaft = shaft_of(geometry)
    return tuple(
        Face(f"face-{face}", f"tower, {compass(shaft.bearing_of(face))} face", shaft.height_m)
        for face in range(shaft.faces)
    )
