"""The blades as arrays: a grid of surface points, and which of them a camera sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, Pose
from contracts.optics import CameraIntrinsics, camera_axes
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

Reals = NDArray[np.float64]

_STEP_M = 0.25
_ACROSS = 5
_EDGE_STEPS = 51
_TOUCH_M = 0.02
_NEAR_M = 0.1
_NACELLE_GAP = 0.8
"""The nacelle begins this share of the root radius behind the hub's centre."""


class Sight(NamedTuple):
    """What a camera sees of the grid, one entry per grid point."""

    pixel: Reals
    """(n, 2); meaningless behind the camera."""
    distance_m: Reals
    incidence_deg: Reals
    in_frame: NDArray[np.bool_]
    """Faces the camera, lies inside the frame, and nothing stands before it."""


class Surface:
    """Grid points on the four sides of the three blades of one turbine.

    Attributes:
        points: (n, 3) metres east-north-up of the tower foot.
        normals: (n, 3) outward unit normals.
        side: (n,) index into ``sides``.
        cell: (n,) whole metres from the root.
        edges: (sides, steps, 2, 3) points along both edges of each side from root to tip, metres as ``points``.

    """

    sides: tuple[tuple[Blade, BladeSide], ...] = tuple((b, s) for b in Blade for s in BladeSide)

    def __init__(self, geometry: TurbineGeometry) -> None:
        self.geometry = geometry
        self.local = geometry.frame()
        self.facets = [geometry.facet(*side) for side in self.sides]
        along_m = np.arange(_STEP_M / 2, geometry.blade_length_m, _STEP_M)
        across = (np.arange(_ACROSS) + 0.5) / _ACROSS
        share, offset = (a.ravel() for a in np.meshgrid(along_m / geometry.blade_length_m, across, indexing="ij"))
        corners = np.array([[f.first_root, f.first_tip, f.second_root, f.second_tip] for f in self.facets])
        first = corners[:, None, 0] + (corners[:, None, 1] - corners[:, None, 0]) * share[None, :, None]
        second = corners[:, None, 2] + (corners[:, None, 3] - corners[:, None, 2]) * share[None, :, None]
        self.points: Reals = (first + (second - first) * offset[None, :, None]).reshape(-1, 3)
        self.normals: Reals = np.repeat(np.array([f.normal for f in self.facets]), len(share), axis=0)
        steps = np.linspace(0.0, 1.0, _EDGE_STEPS)[None, :, None, None]
        roots, tips = corners[:, None, 0::2], corners[:, None, 1::2]
        self.edges: Reals = roots + (tips - roots) * steps
        self.side: NDArray[np.int64] = np.repeat(np.arange(len(self.sides)), len(share))
        self.cell: NDArray[np.int64] = np.tile((share * geometry.blade_length_m).astype(np.int64), len(self.sides))

    def eye(self, pose: Pose) -> Enu:
        """Return the camera's place, metres east-north-up of the tower foot."""
        return self.local.to_enu(pose.point)

    def sight(self, pose: Pose, camera: CameraIntrinsics) -> Sight:
        """Return what a camera at ``pose`` sees of the grid."""
        eye = np.array(self.eye(pose))
        pixel, depth = project_points(pose, camera, self.points - eye)
        ray = self.points - eye
        distance = np.maximum(np.linalg.norm(ray, axis=1), 1e-9)
        facing = -(ray * self.normals).sum(axis=1) / distance
        inside = (pixel >= 0).all(axis=1) & (pixel[:, 0] < camera.width_px) & (pixel[:, 1] < camera.height_px)
        seen = inside & (depth > _NEAR_M) & (facing > 1e-6)
        index = np.nonzero(seen)[0]
        if len(index):
            hidden = self._behind_blade(eye, index) | self._behind_tower(eye, index) | self._behind_nacelle(eye, index)
            seen[index] = ~hidden
        incidence = np.degrees(np.arccos(np.clip(facing, -1.0, 1.0)))
        return Sight(pixel, distance, incidence, seen)

    def _behind_blade(self, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which points have another blade side before them."""
        ray = self.points[index] - eye
        hidden = np.zeros(len(index), np.bool_)
        for number, facet in enumerate(self.facets):
            normal, root = np.array(facet.normal), np.array(facet.first_root)
            closing = ray @ normal
            with np.errstate(divide="ignore", invalid="ignore"):
                share = ((root - eye) @ normal) / closing
            met = eye + ray * share[:, None]
            gap_m = (1.0 - share) * np.linalg.norm(ray, axis=1)
            front = (closing < -1e-9) & (share > 0) & (gap_m > _TOUCH_M) & (self.side[index] != number)
            hidden |= front & self._within(number, np.where(front[:, None], met, root))
        return hidden

    def _within(self, number: int, points: Reals) -> NDArray[np.bool_]:
        """Tell which points of a side's plane lie within its trapezoid."""
        facet, length = self.facets[number], self.geometry.blade_length_m
        first_root, first_tip = np.array(facet.first_root), np.array(facet.first_tip)
        second_root, second_tip = np.array(facet.second_root), np.array(facet.second_tip)
        span = np.array(self.geometry.blade_axes(self.sides[number][0])[0])
        share = (points - first_root) @ span / length
        first = first_root + (first_tip - first_root) * share[:, None]
        across = second_root + (second_tip - second_root) * share[:, None] - first
        offset = ((points - first) * across).sum(axis=1) / np.maximum((across * across).sum(axis=1), 1e-12)
        return np.asarray((share >= 0) & (share <= 1) & (offset >= 0) & (offset <= 1), np.bool_)

    def _behind_tower(self, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which points have the tower (a cone about the vertical through the foot) before them."""
        geometry = self.geometry
        ray = self.points[index] - eye
        flat = np.maximum((ray[:, :2] ** 2).sum(axis=1), 1e-9)
        share = np.clip(-(ray[:, :2] @ eye[:2]) / flat, 0.0, 1.0)
        near = eye + ray * share[:, None]
        height = near[:, 2] / geometry.hub_height_m
        radius = geometry.tower_base_radius_m + (geometry.tower_top_radius_m - geometry.tower_base_radius_m) * height
        close = np.hypot(near[:, 0], near[:, 1]) < radius
        return np.asarray(close & (height >= 0) & (height <= 1), np.bool_)

    def _behind_nacelle(self, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which points have the nacelle (a box along the rotor axis, behind the hub) before them."""
        geometry, axis = self.geometry, self.geometry.axis()
        half_m, radius_m = geometry.nacelle_length_m / 2, geometry.nacelle_radius_m
        centre = geometry.hub().plus(axis, -half_m - _NACELLE_GAP * geometry.root_radius_m)
        arms = np.array([axis, (-axis.north, axis.east, 0.0), (0.0, 0.0, 1.0)])
        reach = np.array([half_m, radius_m, radius_m])
        start, step = arms @ (eye - np.array(centre)), (self.points[index] - eye) @ arms.T
        with np.errstate(divide="ignore", invalid="ignore"):
            met = np.stack([(-reach - start) / step, (reach - start) / step])
        near, far = np.fmin(*met).max(axis=1), np.fmax(*met).min(axis=1)
        beside = ((step == 0) & (np.abs(start) > reach)).any(axis=1)
        return np.asarray((np.maximum(near, 0.0) < np.minimum(far, 1.0)) & ~beside, np.bool_)


def project_points(pose: Pose, camera: CameraIntrinsics, offsets: Reals) -> tuple[Reals, Reals]:
    """Return pixels (n, 2) and depths (n,) of points ``offsets`` (n, 3) metres east-north-up from the camera.

    The same pinhole as ``contracts.optics.project``; pixels of points behind the camera mean nothing.
    """
    right, down, forward = (np.array(axis) for axis in camera_axes(pose))
    depth = offsets @ forward
    safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    x = camera.width_px / 2 + camera.focal_px * (offsets @ right) / safe
    y = camera.height_px / 2 + camera.focal_px * (offsets @ down) / safe
    return np.stack([x, y], axis=1), depth
