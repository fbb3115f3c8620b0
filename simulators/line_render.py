"""The line's renderer: what a camera at a pose sees of a power line, uint8 BGR, numpy and OpenCV only.

Faces are painted from back to front as numbers, at twice the size; each number is then shaded once for each pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from contracts.geo import Pose
from contracts.optics import CameraIntrinsics
from simulators.backdrop import Backdrop
from simulators.light import Light
from simulators.line_bodies import Facets, Rods, Shape
from simulators.line_ground import Ground
from simulators.line_model import LineModel
from simulators.line_shading import Eye, Surfaces, shade
from simulators.line_world import CAMERA, LineWorld
from simulators.noise import Image, blend
from simulators.sensor import Grain, Shot, blur
from simulators.views import View, Window

_FINE = 2
_NEAR_M = 0.3
_THIN_PX = 1.6
_FOCUS_M = 10.0
_PLAIN = Shot()


class LineRenderer:
    """Draws one line."""

    def __init__(self, model: LineModel) -> None:
        self._world, self._rusts = model.world, model.rusts
        self._facets, self._rods = model.parts.facets(), model.parts.rods()
        self._middles = self._facets.corners.mean(axis=1)
        corners = self._facets.corners
        normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
        self._normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        self._sizes = np.linalg.norm(corners - self._middles[:, None], axis=2).max(axis=1)
        self._backdrop = Backdrop(self._world.seed, self._world.weather)
        self._ground = Ground(self._world)
        self._grain = Grain()

    def frame(
        self, pose: Pose, camera: CameraIntrinsics = CAMERA, shot: Shot = _PLAIN, window: Window | None = None,
        shrink: int = 1,
    ) -> Image:  # fmt: skip
        """Return the frame a camera at ``pose`` takes, or a window of it, ``shrink`` times smaller."""
        view = _scaled(self._world, pose, camera, window or (0, 0, camera.width_px, camera.height_px), shrink)
        light = Light(shot.weather or self._world.weather, shot.exposure)
        image = self._backdrop.draw(view, shot.exposure)
        self._ground.paint(image, view, shot.exposure)
        self._draw(image, view, light)
        size = (view.width_px // _FINE, view.height_px // _FINE)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        reach = camera.focal_px / shrink * shot.shutter_s / _FOCUS_M
        smear = (-shot.velocity.dot(view.right) * reach, -shot.velocity.dot(view.down) * reach)
        blur(small, (0, 0, *size), smear)
        return self._grain.laid(small, shot) if shot.noise > 0 else small

    def _draw(self, image: Image, view: View, light: Light) -> None:
        surfaces = _joined(self._seen_facets(view), _seen_rods(self._rods, view))
        if not len(surfaces.near_m):
            return
        solid, thin = _painted(surfaces, image.shape[:2])
        air_m = 3500 - 2400 * self._world.weather.haze
        eye = Eye(np.array(view.eye, np.float32), view.camera.focal_px, air_m)
        for layer in (solid, thin):
            rows, columns = np.nonzero(layer)
            if not len(rows):
                continue
            mine = Surfaces(*(column[layer[rows, columns] - 1] for column in surfaces))
            colours, through = shade(mine, _rays(view, rows, columns), eye, light, self._rusts)
            alpha = (mine.cover if layer is thin else 1.0) * (1 - through)
            mixed = blend(image[rows, columns].astype(np.float32), colours, np.broadcast_to(alpha, (len(rows),)))
            image[rows, columns] = np.clip(mixed, 0, 255).astype(np.uint8)

    def _seen_facets(self, view: View) -> Surfaces:
        """Return the faces that may touch the window and do not turn their backs."""
        rows = _in_window(view, self._middles, self._sizes)
        f = Facets(*(column[rows] for column in self._facets))
        middle, normal = self._middles[rows], self._normals[rows]
        away = np.array(view.eye) - middle
        out = middle - f.origin
        radial = out - np.einsum("ij,ij->i", out, f.axis)[:, None] * f.axis
        radial /= np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-9)
        faces = np.einsum("ij,ij->i", radial * f.lean[:, :1] + f.axis * f.lean[:, 1:], away) > 0
        normal = np.where(np.einsum("ij,ij->i", normal, away)[:, None] < 0, -normal, normal)
        pixels, depth = view.project(f.corners.reshape(-1, 3))
        keep = (~f.closed | faces) & (depth.reshape(-1, 4).min(axis=1) > _NEAR_M)
        near = np.linalg.norm(away, axis=1) - f.bias_m
        count = len(near)
        made = Surfaces(
            pixels.reshape(-1, 4, 2), near, np.ones(count), normal, f.origin, f.axis, f.lean, np.ones(count), f.colour,
            f.finish, f.seed, f.shape, middle,
        )  # fmt: skip
        return Surfaces(*(column[keep] for column in made))


def _scaled(world: LineWorld, pose: Pose, camera: CameraIntrinsics, window: Window, shrink: int) -> View:
    """Return the view of a window, drawn ``shrink`` times smaller and ``_FINE`` times finer."""
    scale = _FINE / shrink
    fine = CameraIntrinsics(
        width_px=round(camera.width_px * scale),
        height_px=round(camera.height_px * scale),
        focal_px=camera.focal_px * scale,
    )
    column, row, width, height = (round(value * scale) for value in window)
    return View(world, pose, fine, (column, row, width, height))


def _rays(view: View, rows: Image, columns: Image) -> Image:
    """Return the directions of pixels, of length 1 along the optical axis."""
    x = (columns + 0.5 + view.window[0] - view.camera.width_px / 2) / view.camera.focal_px
    y = (rows + 0.5 + view.window[1] - view.camera.height_px / 2) / view.camera.focal_px
    rays: Image = np.stack([x, y, np.ones(len(x))], axis=1) @ view.rotation
    return rays.astype(np.float32)


def _in_window(view: View, middles: Image, sizes: Image) -> Image:
    pixels, depth = view.project(middles)
    reach = (sizes * view.camera.focal_px / np.maximum(depth, _NEAR_M) * 1.2 + 2)[:, None]
    inside = (pixels + reach > 0).all(axis=1) & (pixels - reach < (view.width_px, view.height_px)).all(axis=1)
    return np.flatnonzero(inside & (depth > _NEAR_M))


def _seen_rods(rods: Rods, view: View) -> Surfaces:
    """Return rods as faces turned to the camera, none drawn thinner than a pixel."""
    half = np.linalg.norm(rods.ends[:, 1] - rods.ends[:, 0], axis=1) / 2
    rows = _in_window(view, rods.ends.mean(axis=1), half + rods.radius)
    r = Rods(*(column[rows] for column in rods))
    middle = r.ends.mean(axis=1)
    axis = r.ends[:, 1] - r.ends[:, 0]
    axis = axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)
    away = np.array(view.eye) - middle
    near = np.linalg.norm(away, axis=1)
    normal = away - np.einsum("ij,ij->i", away, axis)[:, None] * axis
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    side = np.cross(axis, normal)
    pixel_m = near / view.camera.focal_px
    # A filled polygon also covers the pixels of its border: half a pixel too much all round.
    wide = side * np.maximum(r.radius - 0.4 * pixel_m, 0.1 * pixel_m)[:, None]
    first, second = r.ends[:, 0], r.ends[:, 1]
    corners = np.stack([first - wide, second - wide, second + wide, first + wide], axis=1)
    pixels, depth = view.project(corners.reshape(-1, 3))
    cover = np.where(2 * r.radius / pixel_m < _THIN_PX, np.clip(2 * r.radius / pixel_m, 0.04, 0.999), 1.0)
    shape = np.full(len(rows), Shape.ROD)
    radius = np.maximum(r.radius, 0.5 * pixel_m)
    lean = np.zeros((len(rows), 2))
    made = Surfaces(
        pixels.reshape(-1, 4, 2),
        near,
        cover,
        normal,
        first,
        axis,
        lean,
        radius,
        r.colour,
        r.finish,
        r.seed,
        shape,
        middle,
    )
    keep = depth.reshape(-1, 4).min(axis=1) > _NEAR_M
    return Surfaces(*(column[keep] for column in made))


def _joined(one: Surfaces, other: Surfaces) -> Surfaces:
    return Surfaces(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))


def _painted(surfaces: Surfaces, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Return for each pixel the number (from 1) of the nearest face, and of the nearest thin rod before it."""
    solid, thin = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    points = np.clip((surfaces.quads - 0.5) * 16, -(2**24), 2**24).round().astype(np.int32)
    order = np.argsort(-surfaces.near_m, kind="stable")
    slender = surfaces.cover < 1
    for index in order:
        quad = points[index]
        if slender[index]:
            first, second = (quad[0] + quad[3]) // 2, (quad[1] + quad[2]) // 2
            cv2.line(thin, first.tolist(), second.tolist(), int(index) + 1, 1, cv2.LINE_8, 4)
            continue
        cv2.fillConvexPoly(solid, quad, int(index) + 1, cv2.LINE_8, 4)
        cv2.fillConvexPoly(thin, quad, 0, cv2.LINE_8, 4)
    return solid, thin
