"""What a segment saw of the asset, and what it did not: per cell of each of its parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.findings import CoverageCell, PartCell
from contracts.optics import CameraIntrinsics
from contracts.parts import Part
from contracts.places import AnyPlace
from vision.grid import Grid, Reals, Side, Sight

MAX_INCIDENCE_DEG = 60.0


def well_seen(sight: Sight, camera: CameraIntrinsics, max_gsd_mm_px: Reals | float) -> NDArray[np.bool_]:
    """Tell which grid points a frame shows finely and squarely enough to be judged."""
    gsd = 1000.0 * sight.distance_m / camera.focal_px
    return np.asarray(sight.in_frame & (sight.incidence_deg < MAX_INCIDENCE_DEG) & (gsd <= max_gsd_mm_px), np.bool_)


class Coverage:
    """Gathers the sights of key frames that passed the sharpness check."""

    def __init__(self, surface: Grid, camera: CameraIntrinsics) -> None:
        self._surface = surface
        self._camera = camera
        count = len(surface.points)
        self._gsd = np.full(count, np.inf)
        self._incidence = np.full(count, np.inf)
        self._sharpness = np.zeros(count)
        self._seen: list[NDArray[np.bool_]] = []

    def add(self, sight: Sight, sharpness: float) -> None:
        """Count one key frame."""
        gsd = 1000.0 * sight.distance_m / self._camera.focal_px
        good = well_seen(sight, self._camera, self._surface.judged_mm_px)
        self._seen.append(good)
        self._gsd[good] = np.minimum(self._gsd, gsd)[good]
        self._incidence[good] = np.minimum(self._incidence, sight.incidence_deg)[good]
        self._sharpness[good] = np.maximum(self._sharpness, sharpness)[good]

    def looks_at(self, place: AnyPlace) -> int:
        """Return how many key frames show a place well; 0 where what it is on is not counted."""
        on_side = np.nonzero(self._surface.side == self._surface.side_of(place))[0]
        if not len(on_side):
            return 0
        target = np.array(self._surface.point_of(place))
        nearest = on_side[np.linalg.norm(self._surface.points[on_side] - target, axis=1).argmin()]
        return sum(bool(seen[nearest]) for seen in self._seen)

    def cells(self) -> tuple[CoverageCell, ...]:
        """Return every cell of a blade of which some part was seen well."""
        seen = self._seen_cells()
        return tuple(
            CoverageCell(blade=side[0], side=side[1], cell=cell, **best)
            for side, cell, best in seen
            if not isinstance(side, Part)
        )

    def parts(self) -> tuple[PartCell, ...]:
        """Return every cell of another part of which some part was seen well."""
        seen = self._seen_cells()
        return tuple(PartCell(part=side.part, cell=n, **best) for side, n, best in seen if isinstance(side, Part))

    def _seen_cells(self) -> list[tuple[Side, int, dict[str, float]]]:
        seen = np.isfinite(self._gsd)
        per_side = int(self._surface.cell.max(initial=0)) + 1
        key = self._surface.side * per_side + self._surface.cell
        made = []
        for number in np.unique(key[seen]):
            of_cell = key == number
            mine = of_cell & seen
            best = {
                "seen_share": round(float(mine.sum() / of_cell.sum()), 4),
                "best_gsd_mm_px": round(float(self._gsd[mine].min()), 4),
                "best_incidence_deg": round(float(self._incidence[mine].min()), 3),
                "best_sharpness": round(float(self._sharpness[mine].max()), 3),
            }
            made.append((self._surface.sides[int(number) // per_side], int(number) % per_side, best))
        return made
