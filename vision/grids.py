"""The grid of an asset of any class."""

from __future__ import annotations

from contracts.media import SegmentManifest
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from vision.grid import Grid
from vision.line_grid import Line
from vision.pipe_grid import Pipe
from vision.shaft_grid import Mast
from vision.turbine_grid import Turbine

_EYES = 64
"""So many of a segment's poses tell which stretch of a line or a pipe it looks at."""


def grid_of(geometry: AnyShape, manifest: SegmentManifest) -> Grid:
    """Return an asset's grid; of a line or a pipe the stretch that the segment may show."""
    step = max(1, len(manifest.poses) // _EYES)
    eyes = [sample.pose.point for sample in (*manifest.poses[::step], *manifest.poses[-1:])]
    match geometry:
        case TurbineGeometry():
            return Turbine(geometry)
        case TelecomTower():
            return Mast(geometry)
        case PowerLine():
            return Line(geometry, eyes, manifest.camera)
        case Pipeline():
            return Pipe(geometry, eyes, manifest.camera)
