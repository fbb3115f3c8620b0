"""Tower, nacelle and hub as shaded convex polygons; whole turbines far away, too."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from contracts.geo import UP, Enu
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from simulators.light import Light
from simulators.noise import Image
from simulators.views import Box, View

_PAINT = (203.0, 206.0, 206.0)
_NEAR_M = 0.3


class Body(NamedTuple):
    """A convex body: the corners of its four-sided faces, shape (n, 4, 3), and their outward normals, shape (n, 3)."""

    corners: Image
    normals: Image


def _body(faces: Iterable[tuple[tuple[Enu, ...], Enu]]) -> Body:
    listed = list(faces)
    return Body(np.array([c for c, _ in listed], np.float64), np.array([n for _, n in listed], np.float64))


@lru_cache(maxsize=32)
def tower(geometry: TurbineGeometry, strips: int = 64) -> Body:
    """Return the tower's mantle."""
    top = geometry.hub_height_m - geometry.nacelle_radius_m

    def face(index: int) -> tuple[tuple[Enu, ...], Enu]:
        a, b = (2 * math.pi * (index + k) / strips for k in (0, 1))
        m = (a + b) / 2
        low = [Enu(math.cos(t), math.sin(t), 0).times(geometry.tower_base_radius_m) for t in (a, b)]
        high = [Enu(math.cos(t), math.sin(t), 0).times(geometry.tower_top_radius_m).plus(UP, top) for t in (b, a)]
        return (*low, *high), Enu(math.cos(m), math.sin(m), 0)

    return _body(face(i) for i in range(strips))


@lru_cache(maxsize=32)
def nacelle(geometry: TurbineGeometry) -> Body:
    """Return the six faces of the nacelle's box."""
    axis = geometry.axis()
    half = geometry.nacelle_length_m / 2
    radius = geometry.nacelle_radius_m
    centre = geometry.hub().plus(axis, -half - geometry.root_radius_m * 0.8)
    arms = ((axis, half), (UP.cross(axis), radius), (UP, radius))

    def face(turn: int, sign: float) -> tuple[tuple[Enu, ...], Enu]:
        (n, dn), (u, du), (v, dv) = arms[turn], arms[(turn + 1) % 3], arms[(turn + 2) % 3]
        middle = centre.plus(n, sign * dn)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return tuple(middle.plus(u, a * du).plus(v, b * dv) for a, b in signs), n.times(sign)

    return _body(face(turn, sign) for turn in range(3) for sign in (1.0, -1.0))


@lru_cache(maxsize=32)
def hub(geometry: TurbineGeometry, rings: int = 10, strips: int = 28) -> Body:
    """Return the spinner's sphere."""
    centre, axis = geometry.hub(), geometry.axis()
    side = UP.cross(axis)
    radius = geometry.root_radius_m * 1.12

    def out(ring: float, strip: float) -> Enu:
        a, b = math.pi * ring / rings, 2 * math.pi * strip / strips
        across = side.times(math.cos(b)).plus(UP, math.sin(b))
        return axis.times(math.cos(a)).plus(across, math.sin(a))

    def face(ring: int, strip: int) -> tuple[tuple[Enu, ...], Enu]:
        steps = ((ring, strip), (ring, strip + 1), (ring + 1, strip + 1), (ring + 1, strip))
        return tuple(centre.plus(out(*s), radius) for s in steps), out(ring + 0.5, strip + 0.5)

    return _body(face(ring, strip) for ring in range(rings) for strip in range(strips))


@lru_cache(maxsize=32)
def rotor(geometry: TurbineGeometry) -> Body:
    """Return the sides of all blades as plain faces (for a turbine seen from afar)."""
    facets = [geometry.facet(blade, side) for blade in Blade for side in BladeSide]
    return _body(((f.first_root, f.first_tip, f.second_tip, f.second_root), f.normal) for f in facets)


def draw_body(frame: Image, view: View, body: Body, light: Light) -> Box | None:
    """Draw the faces that look at the camera; return the box of pixels touched."""
    towards = ((np.array(view.eye) - body.corners[:, 0]) * body.normals).sum(axis=1) > 0
    pixels, depth = view.project(body.corners[towards].reshape(-1, 3))
    quads = pixels.reshape(-1, 4, 2)
    low, high = quads.min(axis=1), quads.max(axis=1)
    seen = (depth.reshape(-1, 4).min(axis=1) > _NEAR_M) & (high > 0).all(axis=1)
    seen &= (low < (view.width_px, view.height_px)).all(axis=1)
    if not seen.any():
        return None
    for quad, normal in zip(quads[seen], body.normals[towards][seen], strict=True):
        level = light.brightness(Enu(*normal))
        points = np.clip((quad - 0.5) * 16, -(2**27), 2**27).astype(np.int32)
        cv2.fillConvexPoly(frame, points, tuple(min(255.0, c * level) for c in _PAINT), cv2.LINE_8, shift=4)
    return view.clipped(low[seen].min(axis=0), high[seen].max(axis=0))
