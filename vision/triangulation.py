"""Places without a model of the asset: where bearings of one thing cross, or where one meets the ground."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, Pose
from contracts.optics import CameraIntrinsics, pixel_ray
from vision.georef import CE90_PER_SIGMA

LE90_PER_SIGMA = 1.6449
"""Half-width that holds 90 % of a normal distribution, in sigmas."""

_GATE_SIGMAS = 3.0
"""A bearing that passes a crossing farther off than this is of something else."""
_LEAST_ANGLE_DEG = 3.0
"""Bearings that run closer to parallel than this say nothing of the distance."""
_MOST_PAIRS = 400
_ROUNDS = 8

Reals = NDArray[np.float64]
Ground = Callable[[float, float], float]
"""Height of the ground (m, up) at (east, north) of the local frame."""


class Bearing(NamedTuple):
    """One look: from where, which way, and how well both are known."""

    eye: Enu
    ray: Enu
    """Unit vector."""
    position_sigma_m: float
    attitude_sigma_deg: float

    @classmethod
    def of_pixel(
        cls, eye: Enu, pose: Pose, camera: CameraIntrinsics, pixel: tuple[float, float], sigma: tuple[float, float]
    ) -> Bearing:
        """Return the bearing of a pixel; ``sigma`` is (position m, attitude deg), 1 sigma each."""
        return cls(eye, pixel_ray(pose, camera, *pixel), *sigma)


class Crossing(NamedTuple):
    """Where bearings cross."""

    point: Enu
    covariance_m2: Reals
    """(3, 3), east-north-up: of the bearings' stated errors, widened where they agree worse than stated."""
    agreeing: tuple[bool, ...]
    """For each bearing whether it passes the point, in front of its camera."""
    residual_m: tuple[float, ...]
    """How far each bearing passes the point."""

    @property
    def ce90_m(self) -> float:
        """Return the horizontal radius that holds the place in 90 % of cases, taken by the worse axis."""
        worst = float(np.linalg.eigvalsh(self.covariance_m2[:2, :2])[-1])
        return CE90_PER_SIGMA * math.sqrt(worst)

    @property
    def le90_m(self) -> float:
        """Return the vertical half-width that holds it in 90 % of cases."""
        return LE90_PER_SIGMA * math.sqrt(float(self.covariance_m2[2, 2]))


def cross(bearings: Sequence[Bearing], least: int = 2) -> Crossing | None:
    """Return where most bearings cross; None where fewer than ``least`` agree or all run side by side.

    Each pair proposes a point; the one that most bearings pass within their errors wins (ties: the closest), and those
    bearings are solved together, weighted by their error at their range, until the weights rest. A bearing that looks
    at something else, as photos of a tower's other circuit do, takes no part.
    """
    eyes, rays = np.array([b.eye for b in bearings]), np.array([b.ray for b in bearings])
    proposals = [p for i, j in _pairs(rays) if (p := _midpoint(eyes[[i, j]], rays[[i, j]])) is not None]
    if not proposals:
        return None
    ranked = (_agreement(bearings, eyes, rays, point) for point in proposals)
    best = max(ranked, key=lambda a: (int(a.agree.sum()), -float(np.minimum(a.in_sigmas, _GATE_SIGMAS).sum())))
    for _ in range(_ROUNDS):
        if best.agree.sum() < max(least, 2):
            return None
        solved = _solve(eyes[best.agree], rays[best.agree], best.sigma_m[best.agree])
        if solved is None:
            return None
        moved = float(np.linalg.norm(solved[0] - best.point))
        best = _agreement(bearings, eyes, rays, solved[0])
        if moved < 1e-4:
            break
    if best.agree.sum() < max(least, 2):
        return None
    return _told(best, eyes, rays)


class _Agreement(NamedTuple):
    point: Reals
    off_m: Reals
    sigma_m: Reals
    in_sigmas: Reals
    agree: NDArray[np.bool_]


def _pairs(rays: Reals) -> list[tuple[int, int]]:
    """Return pairs of bearings that cross at an angle, evenly thinned where there are very many."""
    least = math.sin(math.radians(_LEAST_ANGLE_DEG))
    apart = [
        (i, j)
        for i, j in combinations(range(len(rays)), 2)
        if float(np.linalg.norm(np.cross(rays[i], rays[j]))) > least
    ]
    return apart[:: max(1, math.ceil(len(apart) / _MOST_PAIRS))]


def _midpoint(eyes: Reals, rays: Reals) -> Reals | None:
    solved = _solve(eyes, rays, np.ones(2))
    return None if solved is None else solved[0]


def _agreement(bearings: Sequence[Bearing], eyes: Reals, rays: Reals, point: Reals) -> _Agreement:
    ahead = ((point - eyes) * rays).sum(axis=1)
    off = np.linalg.norm(np.cross(point - eyes, rays), axis=1)
    turn = np.radians([b.attitude_sigma_deg for b in bearings]) * np.maximum(ahead, 0.0)
    sigma = np.hypot([b.position_sigma_m for b in bearings], turn)
    in_sigmas = off / sigma
    return _Agreement(point, off, sigma, in_sigmas, (ahead > 0) & (in_sigmas <= _GATE_SIGMAS))


def _solve(eyes: Reals, rays: Reals, sigma_m: Reals) -> tuple[Reals, Reals] | None:
    """Return the point with the least weighted squared distance to the lines, and its covariance; None: no crossing."""
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    normal = (across / sigma_m[:, None, None] ** 2).sum(axis=0)
    if np.linalg.cond(normal) > 1e8:
        return None
    right = np.einsum("nij,nj->i", across / sigma_m[:, None, None] ** 2, eyes)
    return np.linalg.solve(normal, right), np.linalg.inv(normal)


def _told(best: _Agreement, eyes: Reals, rays: Reals) -> Crossing | None:
    solved = _solve(eyes[best.agree], rays[best.agree], best.sigma_m[best.agree])
    if solved is None:
        return None
    freedom = 2 * int(best.agree.sum()) - 3
    excess = max(1.0, float((best.in_sigmas[best.agree] ** 2).sum()) / freedom)
    return Crossing(
        Enu(*map(float, best.point)),
        solved[1] * excess,
        tuple(map(bool, best.agree)),
        tuple(map(float, best.off_m)),
    )


def meet_ground(bearing: Bearing, ground: Ground, farthest_m: float = 2000.0, step_m: float = 2.0) -> Crossing | None:
    """Return where one bearing first meets the ground; None where it does not within ``farthest_m``.

    The error is the camera's own, spread by the slant: a bearing that grazes the ground says little of how far.
    """

    def above(along_m: float) -> float:
        at = bearing.eye.plus(bearing.ray, along_m)
        return at.up - ground(at.east, at.north)

    if above(0.0) <= 0:
        return None
    far = next((d for d in np.arange(step_m, farthest_m + step_m, step_m) if above(float(d)) <= 0), None)
    if far is None:
        return None
    near, far = float(far) - step_m, float(far)
    while far - near > 1e-4:
        middle = (near + far) / 2
        near, far = (middle, far) if above(middle) > 0 else (near, middle)
    point = bearing.eye.plus(bearing.ray, far)
    down = max(-bearing.ray.up, 1e-3)
    sideways = math.hypot(bearing.position_sigma_m, far * math.radians(bearing.attitude_sigma_deg))
    flat = np.array([bearing.ray.east, bearing.ray.north])
    length = float(np.linalg.norm(flat))
    forward = flat / length if length > 1e-9 else np.array([1.0, 0.0])
    spread = np.outer(forward, forward) * ((sideways / down) ** 2 - sideways**2) + np.eye(2) * sideways**2
    covariance = np.zeros((3, 3))
    covariance[:2, :2] = spread
    covariance[2, 2] = bearing.position_sigma_m**2
    return Crossing(point, covariance, (True,), (0.0,))
