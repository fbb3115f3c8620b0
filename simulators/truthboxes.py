"""Where planted defects lie in a frame: exact boxes of those a camera can see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from contracts.geo import Enu, Pose
from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace, TurbineGeometry
from simulators.defects import PlantedDefect
from simulators.noise import Image
from simulators.textures import outline
from simulators.views import View, Window

MAX_INCIDENCE_DEG = 75.0
_TOUCH_M = 0.02


class TruthBox(NamedTuple):
    """A defect as it appears in a frame (or a window of it), pixels."""

    defect: PlantedDefect
    x0: float
    y0: float
    x1: float
    y1: float
    shown: float
    """Share (0..1) of its outline's area inside the frame."""
    length_shown: float
    """Share (0..1) of its longer box side inside the frame."""
    width_shown: float
    """Share (0..1) of its shorter box side inside the frame."""
    incidence_deg: float
    visible: bool
    """Faces the camera, is not hidden and is not seen at more than 75 degrees."""


class Part(NamedTuple):
    """What of an outline is in a window: its box, pixels, and the shares that a ``TruthBox`` has."""

    x0: float
    y0: float
    x1: float
    y1: float
    shown: float
    length_shown: float
    width_shown: float


def shown_part(pixels: Image, view: View) -> Part | None:
    """Return what of the outline round window pixels (n, 2) is in the window; None where nothing is."""
    whole = pixels.astype(np.float32)
    frame = np.array([(0, 0), (view.width_px, 0), (view.width_px, view.height_px), (0, view.height_px)], np.float32)
    area = cv2.contourArea(cv2.convexHull(whole))
    inside, part = cv2.intersectConvexConvex(cv2.convexHull(whole), frame)
    if inside <= 0 or area <= 0:
        return None
    (x0, y0), (x1, y1) = part[:, 0, :].min(axis=0), part[:, 0, :].max(axis=0)
    size = whole.max(axis=0) - whole.min(axis=0)
    shares = (float((x1 - x0) / size[0]), float((y1 - y0) / size[1]))
    length_shown, width_shown = shares if size[0] >= size[1] else shares[::-1]
    return Part(float(x0), float(y0), float(x1), float(y1), inside / area, length_shown, width_shown)


class Truth:
    """The outlines of one turbine's defects, ready to be projected."""

    def __init__(self, geometry: TurbineGeometry, defects: Sequence[PlantedDefect]) -> None:
        self._geometry = geometry
        self._defects = list(defects)
        self._points: dict[str, Image] = {}

    def boxes(self, pose: Pose, camera: CameraIntrinsics, window: Window | None = None) -> list[TruthBox]:
        """Return every defect with some part in the window, seen or hidden (``visible`` tells)."""
        view = View(self._geometry, pose, camera, window)
        found = (self._box(view, d) for d in self._defects)
        return [box for box in found if box is not None]

    def visible(self, pose: Pose, camera: CameraIntrinsics, least_shown: float = 0.5) -> list[TruthBox]:
        """Return the boxes of defects a person would expect to be found in this frame."""
        return [b for b in self.boxes(pose, camera) if b.visible and b.shown >= least_shown]

    def _outline(self, defect: PlantedDefect) -> Image:
        if defect.defect_id not in self._points:
            points = [self._geometry.surface_point(place) for place in outline(defect)]
            self._points[defect.defect_id] = np.array(points)
        return self._points[defect.defect_id]

    def _box(self, view: View, defect: PlantedDefect) -> TruthBox | None:
        centre = self._geometry.surface_point(defect.place)
        normal = self._geometry.facet(defect.place.blade, defect.place.side).normal
        facing = view.eye.minus(centre).unit().dot(normal)
        if facing <= 0 or view.depth_of(centre) <= 0:
            return None
        pixels, depth = view.project(self._outline(defect))
        if depth.min() <= 0.1 or not view.sees(pixels):
            return None
        part = shown_part(pixels, view)
        if part is None:
            return None
        incidence = math.degrees(math.acos(min(1.0, facing)))
        seen = incidence <= MAX_INCIDENCE_DEG and not hidden(self._geometry, view.eye, centre, defect.place)
        return TruthBox(defect, *part, incidence, seen)


def hidden(geometry: TurbineGeometry, eye: Enu, point: Enu, place: SurfacePlace) -> bool:
    """Say whether a blade, the tower or the nacelle stands between the eye and a place on a blade."""
    ray = point.minus(eye)
    distance = ray.norm()
    hit = geometry.intersect(eye, ray.unit())
    if hit is not None and hit.distance_m < distance - _TOUCH_M and hit.place.blade is not place.blade:
        return True
    return _behind_tower(geometry, eye, point) or _behind_nacelle(geometry, eye, point)


def _behind_tower(geometry: TurbineGeometry, eye: Enu, point: Enu) -> bool:
    ray = point.minus(eye)
    flat = ray.east**2 + ray.north**2
    if flat < 1e-9:
        return False
    share = min(1.0, max(0.0, -(eye.east * ray.east + eye.north * ray.north) / flat))
    near = eye.plus(ray, share)
    height = near.up / geometry.hub_height_m
    radius = geometry.tower_base_radius_m + (geometry.tower_top_radius_m - geometry.tower_base_radius_m) * height
    return 0 <= height <= 1 and math.hypot(near.east, near.north) < radius


def _behind_nacelle(geometry: TurbineGeometry, eye: Enu, point: Enu) -> bool:
    """Clip the sight line against the nacelle's box."""
    axis = geometry.axis()
    half = geometry.nacelle_length_m / 2
    centre = geometry.hub().plus(axis, -half - geometry.root_radius_m * 0.8)
    start, ray = eye.minus(centre), point.minus(eye)
    low, high = 0.0, 1.0
    arms = (axis, half), (Enu(-axis.north, axis.east, 0.0), geometry.nacelle_radius_m)
    for arm, reach in (*arms, (Enu(0.0, 0.0, 1.0), geometry.nacelle_radius_m)):
        at, step = start.dot(arm), ray.dot(arm)
        if abs(step) < 1e-12:
            if abs(at) > reach:
                return False
            continue
        near, far = sorted(((-reach - at) / step, (reach - at) / step))
        low, high = max(low, near), min(high, far)
    return low < high
