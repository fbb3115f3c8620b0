"""What of an asset a camera can see: grid points on its parts, how a frame shows them, and where a ray meets it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, LocalFrame, Pose
from contracts.optics import CameraIntrinsics, camera_axes
from contracts.parts import Part
from contracts.places import AnyPlace
from contracts.vocabulary import Blade, BladeSide

Reals = NDArray[np.float64]
Side = tuple[Blade, BladeSide] | Part
"""A side of a blade, or a part that is no blade."""

_NEAR_M = 0.1


class Slack(NamedTuple):
    """How far beside a thin part a ray may pass that means it: 1-sigma, and so much more per metre of range."""

    sigma_m: float
    sigma_rad: float

    def at(self, range_m: Reals) -> Reals:
        """Return the 1-sigma errors of a ray at some ranges, metres, to each side."""
        return np.asarray(np.hypot(self.sigma_m, range_m * self.sigma_rad), np.float64)


EXACT = Slack(0.0, 0.0)


class Hit(NamedTuple):
    """Where a ray meets the asset.

    ``along`` and ``across`` are how the point moves, metres, per metre of the place's two coordinates.
    """

    place: AnyPlace
    point: Enu
    distance_m: float
    incidence_deg: float
    """Angle between the ray and the surface normal; 0 is square on."""
    normal: Enu
    along: Enu
    across: Enu
    axis: Enu | None = None
    """Of a thin part: the place is where the ray passes it most closely, and can only be wrong along this."""
    unsure_m: Enu = Enu(0.0, 0.0, 0.0)
    """1-sigma errors of the asset's own shape there: a wire's sag, ground beside a pipe."""
    width_m: float = math.inf
    """Of a side with edges: how far it reaches across there."""


class Sight(NamedTuple):
    """What a camera sees of the grid, one entry per grid point."""

    pixel: Reals
    """(n, 2); meaningless behind the camera."""
    distance_m: Reals
    incidence_deg: Reals
    in_frame: NDArray[np.bool_]
    """Faces the camera, lies inside the frame, and nothing stands before it."""


class Grid(ABC):
    """Grid points on the parts of one asset, in a local frame.

    Attributes:
        local: The frame: metres east-north-up.
        sides: The parts.
        points: (n, 3) metres in the frame.
        normals: (n, 3) outward unit normals.
        side: (n,) index into ``sides``.
        cell: (n,) cell of its part.
        edges: (k, steps, 2, 3) two edges of k strips that hold all there is to search, metres as ``points``.
        max_gsd_mm_px: What is shown coarser than this cannot be judged, whatever it is.

    """

    max_gsd_mm_px: ClassVar[float] = 4.0

    local: LocalFrame
    sides: tuple[Side, ...]
    points: Reals
    normals: Reals
    side: NDArray[np.int64]
    cell: NDArray[np.int64]
    edges: Reals

    @abstractmethod
    def cast(self, origin: Enu, direction: Enu, slack: Slack = EXACT) -> Hit | None:
        """Return the first place a ray (unit ``direction``, frame metres) meets, or None.

        Thin parts are met where the ray passes them as near as its errors allow.
        """

    @abstractmethod
    def point_of(self, place: AnyPlace) -> Enu:
        """Return where a place lies, metres in the frame."""

    @abstractmethod
    def side_of(self, place: AnyPlace) -> int:
        """Return which of ``sides`` a place is on; -1 where what it is on is not counted."""

    @property
    def judged_mm_px(self) -> Reals | float:
        """Return how fine each grid point must be shown to be judged, or one figure for all of them."""
        return self.max_gsd_mm_px

    def _facing(self, rays: Reals) -> Reals:
        """Return the cosine of the angle at which each grid point is seen along its ray (n, 3, unit)."""
        return np.asarray(-(rays * self.normals).sum(axis=1), np.float64)

    def _hidden(self, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which points (of those in ``index``) have something before them."""
        del eye
        return np.zeros(len(index), np.bool_)

    def eye(self, pose: Pose) -> Enu:
        """Return the camera's place, metres in the frame."""
        return self.local.to_enu(pose.point)

    def sight(self, pose: Pose, camera: CameraIntrinsics) -> Sight:
        """Return what a camera at ``pose`` sees of the grid."""
        eye = np.array(self.eye(pose))
        ray = self.points - eye
        pixel, depth = project_points(pose, camera, ray)
        distance = np.maximum(np.linalg.norm(ray, axis=1), 1e-9)
        facing = self._facing(ray / distance[:, None])
        inside = (pixel >= 0).all(axis=1) & (pixel[:, 0] < camera.width_px) & (pixel[:, 1] < camera.height_px)
        seen = inside & (depth > _NEAR_M) & (facing > 1e-6)
        index = np.nonzero(seen)[0]
        if len(index):
            seen[index] = ~self._hidden(eye, index)
        incidence = np.degrees(np.arccos(np.clip(facing, -1.0, 1.0)))
        return Sight(pixel, distance, incidence, seen)


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
