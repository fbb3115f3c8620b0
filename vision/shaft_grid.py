"""Towers and masts as arrays: grid points on their faces, and rays that meet them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu
from contracts.parts import parts_of
from contracts.places import AnyPlace, TowerPlace
from contracts.shafts import Shaft, shaft_of
from contracts.tower import TelecomTower
from vision.grid import EXACT, Grid, Hit, Reals, Side, Slack

_STEP_M = 0.25
_ACROSS = 5
_EDGE_STEPS = 51


class ShaftPoints(NamedTuple):
    """Grid points on every face of a shaft, and the edges of its faces."""

    points: Reals
    """(n, 3)"""
    normals: Reals
    face: NDArray[np.int64]
    cell: NDArray[np.int64]
    """Whole metres up."""
    edges: Reals
    """(faces, steps, 2, 3)"""


def of_shaft(shaft: Shaft) -> ShaftPoints:
    """Return a shaft's grid, face by face, from its foot up."""
    step = 360.0 / shaft.faces
    heights = np.arange(_STEP_M / 2, shaft.height_m, _STEP_M)
    shares = (np.arange(_ACROSS) + 0.5) / _ACROSS - 0.5
    points, normals, edges = [], [], []
    for face in range(shaft.faces):
        middle = shaft.bearing_of(face)
        columns = [_column(shaft, middle + step * share, heights) for share in shares]
        points.append(np.stack(columns, axis=1).reshape(-1, 3))
        normals.append(np.tile([shaft.normal_at(middle + step * share) for share in shares], (len(heights), 1)))
        up = np.linspace(0.0, shaft.height_m, _EDGE_STEPS)
        # A hair short of the edge: at the very edge rounding may name the next face.
        edges.append(np.stack([_column(shaft, middle + side * step * 0.4999, up) for side in (-1, 1)], axis=1))
    per_face = len(heights) * _ACROSS
    return ShaftPoints(
        np.concatenate(points),
        np.concatenate(normals),
        np.repeat(np.arange(shaft.faces), per_face),
        np.tile(np.repeat(heights.astype(np.int64), _ACROSS), shaft.faces),
        np.array(edges),
    )


def _column(shaft: Shaft, bearing_deg: float, heights_m: Reals) -> Reals:
    """Return points up a shaft at one bearing: a straight line, since it tapers evenly."""
    foot, top = (np.array(shaft.point_of(shaft.place(h, bearing_deg))) for h in (0.0, shaft.height_m))
    return np.asarray(foot + (top - foot) * (heights_m / shaft.height_m)[:, None], np.float64)


def shaft_hit(shaft: Shaft, origin: Enu, direction: Enu) -> Hit | None:
    """Return where a ray meets a shaft, as vision has it."""
    met = shaft.intersect(origin, direction)
    if met is None:
        return None
    # A metre of height is a little more than a metre of surface.
    along = met.up.times(1.0 / met.up.up)
    return Hit(met.place, met.point, met.distance_m, met.incidence_deg(direction), met.normal, along, met.across)


class Mast(Grid):
    """Grid points on a mast's faces, in metres about its foot."""

    def __init__(self, geometry: TelecomTower) -> None:
        self.shaft = shaft_of(geometry)
        self.local = geometry.frame()
        self.sides: tuple[Side, ...] = parts_of(geometry)
        self.points, self.normals, self.side, self.cell, self.edges = of_shaft(self.shaft)

    def cast(self, origin: Enu, direction: Enu, slack: Slack = EXACT) -> Hit | None:
        """Return where a ray meets the mast."""
        del slack
        return shaft_hit(self.shaft, origin, direction)

    def point_of(self, place: AnyPlace) -> Enu:
        """Return where a place on the mast lies."""
        return self.shaft.point_of(tower_place(place))

    def side_of(self, place: AnyPlace) -> int:
        """Return the face a place is on."""
        return tower_place(place).face


def tower_place(place: AnyPlace) -> TowerPlace:
    """Return a place that is on a tower; TypeError for any other."""
    if not isinstance(place, TowerPlace):
        raise TypeError(f"{place!r} is not on a tower.")
    return place
