"""What a segment saw of the asset, and what it did not: per metre of each blade side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.findings import CoverageCell
from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace
from vision.surface import Sight, Surface

MAX_INCIDENCE_DEG = 60.0
MAX_GSD_MM_PX = 4.0


def well_seen(sight: Sight, camera: CameraIntrinsics) -> NDArray[np.bool_]:
    """Tell which grid points a frame shows finely and squarely enough to be judged."""
    gsd = 1000.0 * sight.distance_m / camera.focal_px
    return np.asarray(sight.in_frame & (sight.incidence_deg < MAX_INCIDENCE_DEG) & (gsd <= MAX_GSD_MM_PX), np.bool_)


class Coverage:
    """Gathers the sights of key frames that passed the sharpness check."""

    def __init__(self, surface: Surface, camera: CameraIntrinsics) -> None:
        self._surface = surface
        self._camera = camera
        count = len(surface.points)
        self._gsd = np.full(count, np.inf)
        self._incidence = np.full(count, np.inf)
        self._sharpness = np.zeros(count)
        self._seen: list[NDArray[np.bool_]] = []

    def add(self, sight: Sight, sharpness: float) -> None:
        """Count one key frame."""
        gsd, good = 1000.0 * sight.distance_m / self._camera.focal_px, well_seen(sight, self._camera)
        self._seen.append(good)
        self._gsd[good] = np.minimum(self._gsd, gsd)[good]
        self._incidence[good] = np.minimum(self._incidence, sight.incidence_deg)[good]
        self._sharpness[good] = np.maximum(self._sharpness, sharpness)[good]

    def looks_at(self, place: SurfacePlace) -> int:
        """Return how many key frames show a place well."""
        side = self._surface.sides.index((place.blade, place.side))
        on_side = np.nonzero(self._surface.side == side)[0]
        target = np.array(self._surface.geometry.surface_point(place))
        nearest = on_side[np.linalg.norm(self._surface.points[on_side] - target, axis=1).argmin()]
        return sum(bool(seen[nearest]) for seen in self._seen)

    def cells(self) -> tuple[CoverageCell, ...]:
        """Return every cell of which some part was seen well."""
        seen = np.isfinite(self._gsd)
        per_side = int(self._surface.cell.max()) + 1
        key = self._surface.side * per_side + self._surface.cell
        made = []
        for number in np.unique(key[seen]):
            of_cell = key == number
            mine = of_cell & seen
            blade, side = self._surface.sides[int(number) // per_side]
            made.append(
                CoverageCell(
                    blade=blade,
                    side=side,
                    cell=int(number) % per_side,
                    seen_share=round(float(mine.sum() / of_cell.sum()), 4),
                    best_gsd_mm_px=round(float(self._gsd[mine].min()), 4),
                    best_incidence_deg=round(float(self._incidence[mine].min()), 3),
                    best_sharpness=round(float(self._sharpness[mine].max()), 3),
                )
            )
        return tuple(made)
