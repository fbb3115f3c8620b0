"""Where a line's planted defects lie in a frame: boxes from their geometry, and what stands before them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.geo import Pose
from contracts.optics import CameraIntrinsics
from simulators.line_defects import LineDefect
from simulators.line_model import LineModel
from simulators.noise import Image
from simulators.truthboxes import shown_part
from simulators.views import View, Window

_TOUCH_M = 0.3
"""What is as near as this before a point belongs to the thing itself."""
_LOOKED_AT = 48
_SEEN_FROM = 0.45
"""Largest hidden share of what still counts as seen."""
_GONE_FROM = 0.9


class LineBox(NamedTuple):
    """A defect as it appears in a frame (or a window of it), pixels."""

    defect: LineDefect
    x0: float
    y0: float
    x1: float
    y1: float
    shown: float
    """Share (0..1) of its outline's area inside the frame."""
    length_shown: float
    width_shown: float
    hidden: float
    """Share (0..1) of it that something nearer stands before."""

    @property
    def visible(self) -> bool:
        """Say whether enough of it is seen to be told."""
        return self.hidden <= _SEEN_FROM

    @property
    def gone(self) -> bool:
        """Say whether nothing of it is seen to speak of."""
        return self.hidden >= _GONE_FROM


class LineTruth:
    """The outlines of one line's defects, ready to be projected."""

    def __init__(self, model: LineModel) -> None:
        self._model = model
        self._capsules = model.parts.capsules()

    def boxes(self, pose: Pose, camera: CameraIntrinsics, window: Window | None = None) -> list[LineBox]:
        """Return every defect with some part in the window, seen or hidden (``visible`` tells)."""
        view = View(self._model.world, pose, camera, window)
        found = (self._box(view, defect) for defect in self._model.defects)
        return [box for box in found if box is not None]

    def _box(self, view: View, defect: LineDefect) -> LineBox | None:
        points = self._model.outlines[defect.defect_id]
        if len(points) < 3:
            return None
        pixels, depth = view.project(points)
        if depth.min() <= 0.3 or not view.sees(pixels):
            return None
        part = shown_part(pixels, view)
        return None if part is None else LineBox(defect, *part, self.hidden(np.array(view.eye), points))

    def hidden(self, eye: Image, points: Image) -> float:
        """Return the share of points that some body stands before, as seen from ``eye``."""
        picked = points[:: max(1, len(points) // _LOOKED_AT)]
        first, second, radius = self._capsules
        reach = float(np.linalg.norm(picked - eye, axis=1).max())
        lines = np.linalg.norm((first + second) / 2 - eye, axis=1) - np.linalg.norm(second - first, axis=1) / 2 < reach
        apart, share = _apart(eye, picked, first[lines], second[lines])
        before = share * np.linalg.norm(picked - eye, axis=1)[:, None] < (
            np.linalg.norm(picked - eye, axis=1)[:, None] - radius[lines] - _TOUCH_M
        )
        return float(((apart < radius[lines]) & before).any(axis=1).mean())

    def clearance_m(self, eye: Image) -> float:
        """Return how far a camera is from the nearest body."""
        first, second, radius = self._capsules
        way = second - first
        share = np.einsum("ij,ij->i", eye - first, way) / np.maximum(np.einsum("ij,ij->i", way, way), 1e-9)
        near = first + np.clip(share, 0, 1)[:, None] * way
        return float((np.linalg.norm(near - eye, axis=1) - radius).min())


def _apart(eye: Image, points: Image, first: Image, second: Image) -> tuple[Image, Image]:
    """Return how near each sight line (to points (k, 3)) passes each segment (n), and at which share of its way."""
    u, v = points - eye, second - first
    w = eye - first
    a, c = np.einsum("ij,ij->i", u, u)[:, None], np.maximum(np.einsum("ij,ij->i", v, v), 1e-12)
    b, d, e = u @ v.T, u @ w.T, np.einsum("ij,ij->i", v, w)
    apart = np.maximum(a * c - b * b, 1e-9)
    share = np.clip((b * e - c * d) / apart, 0, 1)
    along = np.clip((b * share + e) / c, 0, 1)
    share = np.clip((b * along - d) / a, 0, 1)
    gap = w + share[..., None] * u[:, None] - along[..., None] * v
    return np.linalg.norm(gap, axis=2), share
