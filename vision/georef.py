"""From a box in a frame to a place, a size and an error on the asset."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from contracts.geo import Enu, GeoPoint, Pose
from contracts.optics import CameraIntrinsics, pixel_ray
from contracts.places import AnyPlace
from contracts.turbine import SurfacePlace
from vision.grid import Grid, Hit, Reals, Slack, project_points

CE90_PER_SIGMA = 2.1460
"""Radius that holds 90 % of a circular normal distribution, in sigmas: sqrt(-2 ln 0.1)."""
LE90_PER_SIGMA = 1.6449
"""Half-width that holds 90 % of a normal distribution, in sigmas."""
_BOX_SIGMA_SHARE = 0.05
"""1-sigma error of a box side, as a share of it."""
_BOX_SIGMA_PX = 2.0
_LEAST_SLANT = 0.2
"""A view more aslant than this (as a cosine) is not taken to be any worse."""
_WIDEST = 2.0
"""A box wider than so many times its side is of what stands behind that; erosion reaches 1.5 times round an edge."""
_SIGMAS = 2.0
"""Of its size's error, before a box counts as wider."""
_GRID = 5
_LEAST_SHARE = 0.15
"""A defect is taken to be at least this share of its box in each direction."""


class Accuracy(NamedTuple):
    """1-sigma errors of a pose, as the manifest states them."""

    position_m: float
    attitude_deg: float


class Placed(NamedTuple):
    """A box on the asset."""

    place: AnyPlace
    point: Enu
    """Metres in the asset's local frame."""
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    sigma_m: float
    """1-sigma error of the place along the surface, per axis."""
    gsd_mm_px: float
    incidence_deg: float
    height_sigma_m: float = 0.0
    """1-sigma error of the point's height."""


class Georeferencer:
    """Places boxes of one asset's frames."""

    def __init__(self, surface: Grid, camera: CameraIntrinsics, accuracy: Accuracy) -> None:
        self._surface = surface
        self._camera = camera
        self._accuracy = accuracy
        self._slack = Slack(accuracy.position_m, math.radians(accuracy.attitude_deg))

    def place(self, pose: Pose, xyxy: tuple[float, float, float, float]) -> Placed | None:
        """Return where a box (pixels) lies; None where it misses the asset, or is of more than the side it meets."""
        hit = self._hit(pose, xyxy)
        if hit is None:
            return None
        jacobian = self._pixels_per_metre(pose, hit)
        along_m, across_m = ellipse_axes(jacobian, (xyxy[2] - xyxy[0]) / 2, (xyxy[3] - xyxy[1]) / 2)
        gsd_mm = self._camera.gsd_mm_px(hit.distance_m)
        size_sigma_mm = math.hypot(_BOX_SIGMA_SHARE * 2000 * max(along_m, across_m), _BOX_SIGMA_PX * gsd_mm)
        if 2000 * across_m - _SIGMAS * size_sigma_mm > _WIDEST * 1000 * hit.width_m:
            return None
        return Placed(
            place=hit.place,
            point=hit.point,
            length_mm=2000 * along_m,
            width_mm=2000 * across_m,
            size_sigma_mm=size_sigma_mm,
            sigma_m=self._sigma_m(pose, hit, size_sigma_mm),
            gsd_mm_px=gsd_mm,
            incidence_deg=min(90.0, hit.incidence_deg),
            height_sigma_m=math.hypot(math.sqrt(max(0.0, self._covariance(pose, hit)[2, 2])), hit.unsure_m.up),
        )

    def to_geo(self, point: Enu) -> GeoPoint:
        """Return the WGS 84 point of a vector in the asset's local frame."""
        return self._surface.local.to_geo(point)

    def _hit(self, pose: Pose, xyxy: tuple[float, float, float, float]) -> Hit | None:
        """Return where the box's centre meets the asset; else where the middle of its part on one side of it does."""
        centre = self._ray_hit(pose, (xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2)
        if centre is not None:
            return centre
        xs, ys = np.linspace(xyxy[0], xyxy[2], _GRID + 2)[1:-1], np.linspace(xyxy[1], xyxy[3], _GRID + 2)[1:-1]
        hits = [h for x in xs for y in ys if (h := self._ray_hit(pose, float(x), float(y))) is not None]
        if not hits:
            return None
        surface, _ = Counter(h.place.surface for h in hits).most_common(1)[0]
        on_side = [h for h in hits if h.place.surface == surface]
        middle = np.mean([h.point for h in on_side], axis=0)
        return min(on_side, key=lambda h: float(np.linalg.norm(np.array(h.point) - middle)))

    def _ray_hit(self, pose: Pose, x_px: float, y_px: float) -> Hit | None:
        ray = pixel_ray(pose, self._camera, x_px, y_px)
        return self._surface.cast(self._surface.eye(pose), ray, self._slack)

    def _pixels_per_metre(self, pose: Pose, hit: Hit) -> Reals:
        """Return d(pixel)/d(along, across) at a hit, (2, 2): the two run askew on a tapering blade."""
        step_m = 0.01
        eye = self._surface.eye(pose)
        points = [hit.point, hit.point.plus(hit.along, step_m), hit.point.plus(hit.across, step_m)]
        pixels, _ = project_points(pose, self._camera, np.array([p.minus(eye) for p in points]))
        return np.stack([pixels[1] - pixels[0], pixels[2] - pixels[0]], axis=1) / step_m

    def _sigma_m(self, pose: Pose, hit: Hit, size_sigma_mm: float) -> float:
        """Return the 1-sigma error along the surface: position, pointing over the range, and the box itself."""
        box_m = size_sigma_mm / 2000
        if isinstance(hit.place, SurfacePlace):
            slant = max(_LEAST_SLANT, math.cos(math.radians(hit.incidence_deg)))
            pointing_m = hit.distance_m * math.radians(self._accuracy.attitude_deg) / slant
            return math.sqrt(self._accuracy.position_m**2 + pointing_m**2 + box_m**2)
        worst = float(np.linalg.eigvalsh(self._covariance(pose, hit))[-1])
        return math.sqrt(max(0.0, worst) + box_m**2)

    def _covariance(self, pose: Pose, hit: Hit) -> Reals:
        """Return the covariance (3, 3) of the point on its surface, m², from the errors of pose and shape.

        A camera moved by t and turned so that its ray leads s beside the point moves the point by
        ``(I - r n^T / r.n) (t + s)`` for a ray r and a plane's normal n. On a thin part along u it is where ray and
        part are nearest that moves: by ``u g.(t + s)`` with ``g = (u - (u.r) r) / (1 - (u.r)^2)``. A shape that is off
        by d moves it as a camera does that is off by -d.
        """
        ray = np.array(hit.point.minus(self._surface.eye(pose)).unit())
        beside_m = hit.distance_m * math.radians(self._accuracy.attitude_deg)
        moved = np.eye(3) * self._accuracy.position_m**2 + (np.eye(3) - np.outer(ray, ray)) * beside_m**2
        moved += np.diag(np.square(hit.unsure_m))
        slide = _along_plane(ray, np.array(hit.normal)) if hit.axis is None else _along_line(ray, np.array(hit.axis))
        return np.asarray(slide @ moved @ slide.T, np.float64)


def _along_plane(ray: Reals, normal: Reals) -> Reals:
    return np.asarray(np.eye(3) - np.outer(ray, normal) / min(-_LEAST_SLANT, float(ray @ normal)), np.float64)


def _along_line(ray: Reals, axis: Reals) -> Reals:
    with_it = float(axis @ ray)
    return np.outer(axis, axis - with_it * ray) / max(_LEAST_SLANT**2, 1.0 - with_it**2)


def ellipse_axes(jacobian: Reals, half_width_px: float, half_height_px: float) -> tuple[float, float]:
    """Return the half-axes (along, across), metres, of the surface ellipse whose picture fills a box.

    An ellipse with half-axes a, b maps to half-extents u, v with u^2 = (J00 a)^2 + (J01 b)^2 and
    v^2 = (J10 a)^2 + (J11 b)^2: two linear equations in a^2 and b^2. Where the view is so diagonal that they
    hardly differ, both axes are taken to be equal.
    """
    squared = jacobian**2
    measured = np.array([half_width_px**2, half_height_px**2])
    equal = math.sqrt(measured.sum() / squared.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        lone = np.sqrt(measured[:, None] / squared).min(axis=0)
    if abs(np.linalg.det(squared)) < 0.1 * np.linalg.norm(squared[:, 0]) * np.linalg.norm(squared[:, 1]):
        return float(min(equal, lone[0])), float(min(equal, lone[1]))
    along_sq, across_sq = np.linalg.solve(squared, measured)
    least = (_LEAST_SHARE * lone) ** 2
    along, across = (math.sqrt(v) for v in np.clip([along_sq, across_sq], least, lone**2))
    return along, across
