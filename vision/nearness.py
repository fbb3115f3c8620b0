"""Straight pieces in space: which of them lie near, and where a ray passes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.optics import CameraIntrinsics
from vision.grid import Reals

_BEYOND_M = 30.0
"""Kept beyond what can be judged, so that cells at the rim are whole and a wire may hang below its chord."""


def reach_of(camera: CameraIntrinsics, max_gsd_mm_px: float) -> float:
    """Return how far from the camera something can still be searched, metres, and a little more."""
    return 1.25 * max_gsd_mm_px / 1000.0 * camera.focal_px + _BEYOND_M


def points_in(frame: LocalFrame, points: Sequence[GeoPoint]) -> Reals:
    """Return points in a frame, (n, 3) metres."""
    return np.array([frame.to_enu(point) for point in points], np.float64).reshape(-1, 3)


def moved(source: LocalFrame, target: LocalFrame, points: Reals) -> Reals:
    """Return points (n, 3) of one frame in another one."""
    there = np.array(source.ecef) + points @ np.array([source.east, source.north, source.up])
    return np.asarray((there - np.array(target.ecef)) @ np.array([target.east, target.north, target.up]).T, np.float64)


def nearest_m(starts: Reals, ends: Reals, eyes: Reals) -> Reals:
    """Return how near each piece (n, 3 from, n, 3 to) comes to any of some points, metres."""
    way = ends - starts
    squared = np.maximum((way * way).sum(axis=1), 1e-12)
    least = np.full(len(starts), np.inf)
    for eye in eyes:
        share = np.clip(((eye - starts) * way).sum(axis=1) / squared, 0.0, 1.0)
        least = np.minimum(least, np.linalg.norm(starts + way * share[:, None] - eye, axis=1))
    return least


class Passes(NamedTuple):
    """Where a ray passes each of n straight pieces."""

    share: Reals
    """Of the piece, from its start; beyond 0 to 1 where its straight line goes on."""
    range_m: Reals
    """Along the ray; negative behind the camera."""
    miss: Reals
    """(n, 3) metres from the ray to the piece."""


def passes(starts: Reals, ways: Reals, ray: tuple[Enu, Enu], *, within: bool) -> Passes:
    """Return where a ray (from, unit direction) and pieces come nearest; ``within``: between a piece's two ends."""
    origin, direction = np.array(ray[0]), np.array(ray[1])
    away = starts - origin
    away_along, way_along = away @ direction, ways @ direction
    aside, way_aside = away - np.outer(away_along, direction), ways - np.outer(way_along, direction)
    share = -(aside * way_aside).sum(axis=1) / np.maximum((way_aside * way_aside).sum(axis=1), 1e-12)
    if within:
        share = np.clip(share, 0.0, 1.0)
    return Passes(share, away_along + way_along * share, aside + way_aside * share[:, None])


def units(vectors: Reals) -> Reals:
    """Return vectors (n, 3) one metre long."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None], np.float64)
