"""A view: a camera pose, its intrinsics and the window of the frame to draw, as matrices."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from contracts.geo import Enu, LocalFrame, Pose
from contracts.optics import CameraIntrinsics, camera_axes
from contracts.turbine import Facet
from simulators.noise import Image

Window = tuple[int, int, int, int]
"""First column, first row, width, height in frame pixels."""
Box = tuple[int, int, int, int]
"""First column, first row, end column, end row in window pixels."""


class Standing(Protocol):
    """What is looked at: a turbine, a line."""

    def frame(self) -> LocalFrame:
        """Return east-north-up metres of its foot."""
        ...


class View:
    """Projects one asset's local frame (east-north-up of its foot) into a window of a frame.

    Pixel (0, 0) of the window is the frame's pixel (column, row) of the window; coordinates are those of
    ``contracts.optics.project`` less the window's corner.
    """

    def __init__(self, standing: Standing, pose: Pose, camera: CameraIntrinsics, window: Window | None = None) -> None:
        self.pose, self.camera = pose, camera
        self.window = window or (0, 0, camera.width_px, camera.height_px)
        self.eye = standing.frame().to_enu(pose.point)
        self.right, self.down, self.forward = camera_axes(pose)
        column, row, self.width_px, self.height_px = self.window
        focal = camera.focal_px
        inner = np.array([[focal, 0, camera.width_px / 2 - column], [0, focal, camera.height_px / 2 - row], [0, 0, 1]])
        self.rotation = np.array([self.right, self.down, self.forward], np.float64)
        self.matrix = inner @ self.rotation
        self._eye = np.array(self.eye)

    def project(self, points: Image) -> tuple[Image, Image]:
        """Return window pixels (n, 2) and depths (n,) of points (n, 3); pixels of depth <= 0 mean nothing."""
        seen = (points - self._eye) @ self.matrix.T
        depth = seen[:, 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        return seen[:, :2] / safe[:, None], depth

    def depth_of(self, point: Enu) -> float:
        """Return how far along the optical axis a point lies, metres."""
        return point.minus(self.eye).dot(self.forward)

    def surface_matrix(self, facet: Facet, length_m: float) -> Image:
        """Return the 3x3 matrix from (distance to root, offset, 1) on a side to homogeneous window pixels.

        Exact: the width's direction is the same all along a side, so a side's coordinates are affine in space.
        """
        along = facet.first_tip.minus(facet.first_root).times(1.0 / length_m)
        across = facet.second_root.minus(facet.first_root).unit()
        origin = facet.first_root.minus(self.eye)
        columns: Image = self.matrix @ np.array([along, across, origin], np.float64).T
        return columns

    def sees(self, pixels: Image) -> bool:
        """Say whether the bounding box of pixels (n, 2) touches the window."""
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        return bool(high[0] > 0 and high[1] > 0 and low[0] < self.width_px and low[1] < self.height_px)

    def clipped(self, low: Image, high: Image) -> Box:
        """Return the whole pixels from corner ``low`` to corner ``high``, cut to the window."""
        first = np.maximum(np.floor(low), 0).astype(int)
        last = np.minimum(np.ceil(high) + 1, (self.width_px, self.height_px)).astype(int)
        return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def union(one: Box | None, two: Box | None) -> Box | None:
    """Return the smallest box that holds both."""
    if one is None or two is None:
        return one or two
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])
