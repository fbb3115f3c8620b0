"""Tower, nacelle and hub as shaded convex polygons; whole turbines far away, too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from contracts.geo import UP, Enu
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from simulators.light import Light
from simulators.noise import Image
from simulators.views import View

_PAINT = (203.0, 206.0, 206.0)
_NEAR_M = 0.3


class Face(NamedTuple):
    """A convex polygon and its outward normal."""

    corners: tuple[Enu, ...]
    normal: Enu


def tower(geometry: TurbineGeometry, strips: int = 64) -> Iterator[Face]:
    """Yield the tower's mantle."""
    top = geometry.hub_height_m - geometry.nacelle_radius_m
    for index in range(strips):
        a, b = (2 * math.pi * (index + k) / strips for k in (0, 1))
        m = (a + b) / 2
        low = [Enu(math.cos(t), math.sin(t), 0).times(geometry.tower_base_radius_m) for t in (a, b)]
        high = [Enu(math.cos(t), math.sin(t), 0).times(geometry.tower_top_radius_m).plus(UP, top) for t in (b, a)]
        yield Face((*low, *high), Enu(math.cos(m), math.sin(m), 0))


def nacelle(geometry: TurbineGeometry) -> Iterator[Face]:
    """Yield the six faces of the nacelle's box."""
    axis = geometry.axis()
    side = UP.cross(axis)
    half = geometry.nacelle_length_m / 2
    radius = geometry.nacelle_radius_m
    centre = geometry.hub().plus(axis, -half - geometry.root_radius_m * 0.8)
    arms = ((axis, half), (side, radius), (UP, radius))
    for turn in range(3):
        (n, dn), (u, du), (v, dv) = arms[turn], arms[(turn + 1) % 3], arms[(turn + 2) % 3]
        for sign in (1.0, -1.0):
            middle = centre.plus(n, sign * dn)
            signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
            yield Face(tuple(middle.plus(u, a * du).plus(v, b * dv) for a, b in signs), n.times(sign))


def hub(geometry: TurbineGeometry, rings: int = 8, strips: int = 24) -> Iterator[Face]:
    """Yield the spinner's sphere."""
    centre, axis = geometry.hub(), geometry.axis()
    side = UP.cross(axis)
    radius = geometry.root_radius_m * 1.12

    def out(ring: float, strip: float) -> Enu:
        a, b = math.pi * ring / rings, 2 * math.pi * strip / strips
        across = side.times(math.cos(b)).plus(UP, math.sin(b))
        return axis.times(math.cos(a)).plus(across, math.sin(a))

    for ring in range(rings):
        for strip in range(strips):
            steps = ((ring, strip), (ring, strip + 1), (ring + 1, strip + 1), (ring + 1, strip))
            corners = tuple(centre.plus(out(*s), radius) for s in steps)
            yield Face(corners, out(ring + 0.5, strip + 0.5))


def rotor(geometry: TurbineGeometry) -> Iterator[Face]:
    """Yield the sides of all blades as plain faces (for a turbine seen from afar)."""
    for blade in Blade:
        for side in BladeSide:
            facet = geometry.facet(blade, side)
            yield Face((facet.first_root, facet.first_tip, facet.second_tip, facet.second_root), facet.normal)


def draw_faces(frame: Image, view: View, faces: Iterator[Face], light: Light) -> None:
    """Draw the faces that look at the camera; each body given must be convex."""
    for face in faces:
        if view.eye.minus(face.corners[0]).dot(face.normal) <= 0:
            continue
        pixels, depth = view.project(np.array(face.corners))
        if depth.min() < _NEAR_M:
            continue
        if view.sees(pixels):
            level = light.brightness(face.normal)
            colour = tuple(min(255.0, c * level) for c in _PAINT)
            points = np.clip(pixels * 16, -(2**27), 2**27).astype(np.int32)
            cv2.fillConvexPoly(frame, points, colour, cv2.LINE_8, shift=4)
