"""The renderer: what a camera at a pose sees of the wind farm, uint8 BGR, numpy and OpenCV only."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

import cv2
import numpy as np

from contracts.geo import Pose
from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from simulators import structure
from simulators.backdrop import Backdrop
from simulators.decals import DECAL_NAMES
from simulators.defects import PlantedDefect
from simulators.light import Light
from simulators.noise import Image
from simulators.sensor import Grain, Shot, blur
from simulators.textures import CHUNK_M, PX_PER_M, BladeTextures
from simulators.views import Box, View, Window, union
from simulators.world import Asset, Scene, Weather

_FAR_M = 160.0
_NEAR_M = 0.3
_LIT_BYTES = 256 << 20
_LEVELS = 5


_PLAIN = Shot()


class _Chunk(NamedTuple):
    blade: Blade
    side: BladeSide
    metre: int


class Renderer:
    """Draws one asset of a scene close up and the farm's other turbines behind it."""

    def __init__(self, scene: Scene, asset: Asset, defects: list[PlantedDefect], *, clutter: bool = True) -> None:
        self._scene, self._asset, self._geometry = scene, asset, asset.geometry
        mine = [d for d in defects if d.asset_id == asset.asset_id]
        self._textures = BladeTextures(scene.seed, asset.asset_id, asset.geometry, mine, clutter=clutter)
        self._facets = {(b, s): asset.geometry.facet(b, s) for b in Blade for s in BladeSide}
        self._backdrop = Backdrop(scene.seed, scene.weather)
        self._lit: OrderedDict[tuple[Light, _Chunk, int], Image] = OrderedDict()
        self._chunk_places = {s: _chunk_places(asset.geometry, s) for s in BladeSide}
        self._lights: dict[tuple[Weather, float], Light] = {}
        self._lit_bytes = 0
        self._grain = Grain()

    def decal_places(self, names: Collection[str] = DECAL_NAMES) -> list[SurfacePlace]:
        """Return where things that are no defects sit on the blades, those of some names or all."""
        return self._textures.decal_places(names)

    def frame(
        self, pose: Pose, camera: CameraIntrinsics | None = None, shot: Shot = _PLAIN, window: Window | None = None
    ) -> Image:
        """Return the frame a camera at ``pose`` takes, or only a window of it."""
        view = View(self._geometry, pose, camera or self._scene.camera, window)
        light = self._light(shot)
        image = self._backdrop.draw(view, shot.exposure)
        drawn = union(self._draw_farm(image, view, light), self._draw_turbine(image, view, light))
        if drawn is not None:
            blur(image, drawn, self._smear_px(view, shot))
        return self._grain.laid(image, shot) if shot.noise > 0 else image

    def _light(self, shot: Shot) -> Light:
        key = (shot.weather or self._scene.weather, round(shot.exposure * 32) / 32)
        if key not in self._lights:
            self._lights[key] = Light(*key)
        return self._lights[key]

    def _draw_farm(self, image: Image, view: View, light: Light) -> Box | None:
        """Draw the farm's other turbines; return the box of pixels touched."""
        drawn: Box | None = None
        for other in self._scene.assets:
            far = View(other.geometry, view.pose, view.camera, view.window)
            if other.asset_id == self._asset.asset_id or far.depth_of(other.geometry.hub()) < _FAR_M:
                continue
            geometry = other.geometry
            for body in (structure.tower(geometry, 16), structure.nacelle(geometry), structure.rotor(geometry)):
                drawn = union(drawn, structure.draw_body(image, far, body, light))
        return drawn

    def _draw_turbine(self, image: Image, view: View, light: Light) -> Box | None:
        """Paint from back to front: each body is convex, the order of bodies is that of their depth."""
        geometry = self._geometry
        bodies = [structure.tower(geometry), structure.nacelle(geometry), structure.hub(geometry)]
        drawn: Box | None = None
        upwind = view.eye.dot(geometry.axis()) > geometry.overhang_m
        if upwind:
            for body in bodies:
                drawn = union(drawn, structure.draw_body(image, view, body, light))
        for blade in sorted(Blade, key=lambda b: -self._blade_distance(view, b)):
            for side in BladeSide:
                drawn = union(drawn, self._draw_side(image, view, light, blade, side))
        if not upwind:
            for body in reversed(bodies):
                drawn = union(drawn, structure.draw_body(image, view, body, light))
        return drawn

    def _smear_px(self, view: View, shot: Shot) -> tuple[float, float]:
        """Return how far the nearest blade moves over the shutter time, pixels right and down."""
        depth = max(3.0, min(self._blade_distance(view, b) for b in Blade))
        reach = view.camera.focal_px * shot.shutter_s / depth
        return -shot.velocity.dot(view.right) * reach, -shot.velocity.dot(view.down) * reach

    def _blade_distance(self, view: View, blade: Blade) -> float:
        facet = self._facets[blade, BladeSide.PS]
        along = facet.first_tip.minus(facet.first_root)
        share = view.eye.minus(facet.first_root).dot(along) / along.dot(along)
        nearest = facet.first_root.plus(along, min(1.0, max(0.0, share)))
        return nearest.minus(view.eye).norm()

    def _draw_side(self, image: Image, view: View, light: Light, blade: Blade, side: BladeSide) -> Box | None:
        facet = self._facets[blade, side]
        if view.eye.minus(facet.first_root).dot(facet.normal) <= 0:
            return None
        matrix = view.surface_matrix(facet, self._geometry.blade_length_m)
        seen = self._chunk_places[side] @ matrix.T
        near = seen[..., 2].min(axis=1) < _NEAR_M
        quads = seen[..., :2] / np.where(near[:, None], 1.0, seen[..., 2])[..., None]
        drawn: Box | None = None
        for index in np.flatnonzero(~near):
            if view.sees(quads[index]):
                box = self._draw_chunk(image, view, light, _Chunk(blade, side, int(index)), quads[index], matrix)
                drawn = union(drawn, box)
        return drawn

    def _draw_chunk(self, image: Image, view: View, light: Light, key: _Chunk, quad: Image, matrix: Image) -> Box:
        box = view.clipped(quad.min(axis=0), quad.max(axis=0))
        low = np.array(box[:2])
        start = key.metre * CHUNK_M
        width = self._geometry.side_width_m(key.side, start)
        level = _level_for(quad, width, min(CHUNK_M, self._geometry.blade_length_m - start))
        chunk = self._lit_chunk(light, key, level)
        scale = (2**level) / PX_PER_M
        to_place = np.array([[scale, 0, start + 0.5 * scale], [0, scale, 0.5 * scale], [0, 0, 1]])
        to_region = np.array([[1, 0, -low[0] - 0.5], [0, 1, -low[1] - 0.5], [0, 0, 1]])
        size = (box[2] - box[0], box[3] - box[1])
        warped = cv2.warpPerspective(
            chunk, to_region @ matrix @ to_place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((size[1], size[0]), np.uint8)
        shifted = ((quad - low - 0.5) * 16).round().astype(np.int32)
        cv2.fillConvexPoly(mask, shifted, 255, cv2.LINE_8, shift=4)
        cv2.copyTo(warped, mask, image[box[1] : box[3], box[0] : box[2]])
        return box

    def _lit_chunk(self, light: Light, chunk: _Chunk, level: int) -> Image:
        key = (light, chunk, level)
        found = self._lit.get(key)
        if found is not None:
            self._lit.move_to_end(key)
            return found
        plain = self._textures.chunk(chunk.blade, chunk.side, chunk.metre, level)
        profile = light.profile(self._facets[chunk.blade, chunk.side], chunk.side)
        made = self._shade(plain, profile, chunk.side, chunk.metre)
        self._lit[key] = made
        self._lit_bytes += made.nbytes
        while self._lit_bytes > _LIT_BYTES:
            self._lit_bytes -= self._lit.popitem(last=False)[1].nbytes
        return made

    def _shade(self, chunk: Image, profile: Image, side: BladeSide, index: int) -> Image:
        rows, columns = chunk.shape[:2]
        widths = [self._geometry.side_width_m(side, index * CHUNK_M + k) for k in (0, CHUNK_M)]
        share = np.linspace(0, 1, 65)[:, None] * widths[0] / np.linspace(widths[0], widths[1], 9)[None, :]
        factor = np.interp(share, np.linspace(0, 1, len(profile)), profile).astype(np.float32)
        wide = cv2.resize(factor, (columns, rows), interpolation=cv2.INTER_LINEAR)
        return cv2.multiply(chunk, cv2.merge([wide, wide, wide]), dtype=cv2.CV_8U)


def _level_for(quad: Image, width_m: float, length_m: float) -> int:
    """Return how often to halve a texture so that it has about one pixel per drawn pixel."""
    area = 0.5 * abs(
        (quad[2, 0] - quad[0, 0]) * (quad[3, 1] - quad[1, 1]) - (quad[3, 0] - quad[1, 0]) * (quad[2, 1] - quad[0, 1])
    )
    long_px = max(np.hypot(*(quad[1] - quad[0])), np.hypot(*(quad[2] - quad[1])) * length_m / max(width_m, 1e-3))
    px_per_m = max(float(long_px) / length_m, math.sqrt(float(area) / (width_m * length_m)), 1e-3)
    return int(min(_LEVELS, max(0, math.floor(math.log2(PX_PER_M / px_per_m) + 0.4))))


def _chunk_places(geometry: TurbineGeometry, side: BladeSide) -> Image:
    """Return the corners (distance to root, offset, 1) of a side's chunks, shape (chunks, 4, 3)."""
    length = geometry.blade_length_m
    starts = [i * CHUNK_M for i in range(math.ceil(length / CHUNK_M))]

    def corners(start: float, end: float) -> list[tuple[float, float, float]]:
        low, high = (geometry.side_width_m(side, s) for s in (start, end))
        return [(start, 0.0, 1.0), (end, 0.0, 1.0), (end, high, 1.0), (start, low, 1.0)]

    return np.array([corners(s, min(length, s + CHUNK_M)) for s in starts])
