"""A wind turbine as arrays: a grid of points on its blades and its tower, and which of them a camera sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, Pose
from contracts.optics import CameraIntrinsics
from contracts.parts import parts_of
from contracts.places import AnyPlace
from contracts.shafts import shaft_of
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from vision.grid import EXACT, Grid, Hit, Reals, Side, Sight, Slack
from vision.shaft_grid import of_shaft, shaft_hit, tower_place

_STEP_M = 0.25
_ACROSS = 5
_EDGE_STEPS = 51
_TOUCH_M = 0.02
_NACELLE_GAP = 0.8
"""The nacelle begins this share of the root radius behind the hub's centre."""
_BLADE_SIDES = tuple((b, s) for b in Blade for s in BladeSide)


class Turbine(Grid):
    """Grid points on the four sides of the three blades of one turbine, and on its tower; metres about its foot.

    The tower stands in many pictures of blades, far behind: there it is neither looked for nor counted.
    """

    def __init__(self, geometry: TurbineGeometry) -> None:
        self.geometry = geometry
        self.shaft = shaft_of(geometry)
        self.local = geometry.frame()
        self.sides: tuple[Side, ...] = (*_BLADE_SIDES, *parts_of(geometry))
        self.facets = [geometry.facet(*side) for side in _BLADE_SIDES]
        along_m = np.arange(_STEP_M / 2, geometry.blade_length_m, _STEP_M)
        across = (np.arange(_ACROSS) + 0.5) / _ACROSS
        share, offset = (a.ravel() for a in np.meshgrid(along_m / geometry.blade_length_m, across, indexing="ij"))
        corners = np.array([[f.first_root, f.first_tip, f.second_root, f.second_tip] for f in self.facets])
        first = corners[:, None, 0] + (corners[:, None, 1] - corners[:, None, 0]) * share[None, :, None]
        second = corners[:, None, 2] + (corners[:, None, 3] - corners[:, None, 2]) * share[None, :, None]
        points = (first + (second - first) * offset[None, :, None]).reshape(-1, 3)
        tower = of_shaft(self.shaft)
        self.points: Reals = np.concatenate([points, tower.points])
        normals = np.repeat(np.array([f.normal for f in self.facets]), len(share), axis=0)
        self.normals: Reals = np.concatenate([normals, tower.normals])
        steps = np.linspace(0.0, 1.0, _EDGE_STEPS)[None, :, None, None]
        roots, tips = corners[:, None, 0::2], corners[:, None, 1::2]
        self.edges: Reals = np.concatenate([roots + (tips - roots) * steps, tower.edges])
        blades = len(self.facets)
        self.side: NDArray[np.int64] = np.concatenate([np.repeat(np.arange(blades), len(share)), blades + tower.face])
        metres = np.tile((share * geometry.blade_length_m).astype(np.int64), blades)
        self.cell: NDArray[np.int64] = np.concatenate([metres, tower.cell])
        self._is_tower: NDArray[np.bool_] = self.side >= blades

    def cast(self, origin: Enu, direction: Enu, slack: Slack = EXACT) -> Hit | None:
        """Return the first side of a blade or place of the tower that a ray meets."""
        del slack
        on_blade, on_tower = self._on_blade(origin, direction), shaft_hit(self.shaft, origin, direction)
        hits = [hit for hit in (on_blade, on_tower) if hit is not None]
        return min(hits, key=lambda hit: hit.distance_m, default=None)

    def point_of(self, place: AnyPlace) -> Enu:
        """Return where a place lies, metres east-north-up of the tower foot."""
        if isinstance(place, SurfacePlace):
            return self.geometry.surface_point(place)
        return self.shaft.point_of(tower_place(place))

    def side_of(self, place: AnyPlace) -> int:
        """Return which of ``sides`` a place is on."""
        if isinstance(place, SurfacePlace):
            return _BLADE_SIDES.index((place.blade, place.side))
        return len(_BLADE_SIDES) + tower_place(place).face

    def sight(self, pose: Pose, camera: CameraIntrinsics) -> Sight:
        """Return what a camera sees; a tower too far off to be searched is not in the frame."""
        seen = super().sight(pose, camera)
        far = seen.distance_m * 1000.0 > self.max_gsd_mm_px * camera.focal_px
        return seen._replace(in_frame=seen.in_frame & ~(far & self._is_tower))

    def _on_blade(self, origin: Enu, direction: Enu) -> Hit | None:
        hit = self.geometry.intersect(origin, direction)
        if hit is None:
            return None
        place, length_m = hit.place, self.geometry.blade_length_m
        facet = self.facets[self.side_of(place)]
        share = place.distance_to_root_m / length_m
        chord = facet.at(share, 1.0).minus(facet.at(share, 0.0))
        along = facet.first_tip.minus(facet.first_root).times(1.0 / length_m)
        return Hit(
            place,
            hit.point,
            hit.distance_m,
            hit.incidence_deg,
            facet.normal,
            along,
            across=chord.unit(),
            width_m=chord.norm(),
        )

    def _hidden(self, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        behind_tower = self._behind_tower(eye, index) & ~self._is_tower[index]
        return self._behind_blade(eye, index) | behind_tower | self._behind_nacelle(eye, index)

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
        span = np.array(self.geometry.blade_axes(_BLADE_SIDES[number][0])[0])
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
