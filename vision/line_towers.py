"""The towers of a line as grid points: what a camera must show of each side of them, and of their insulator strings.

A line's geometry says how high a tower is, how far it reaches and where its conductors hang, and no more. So a face
is no surface: it is the upright plane through the tower's axis, as wide as the tower reaches, seen from one side. What
stands before it is nearer than that, and shown finer. Steel lattice is looked through: no face hides another, and a
far one counts only from its own side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import UP, Enu, LocalFrame
from contracts.parts import LINE_TOWER_FACES, Part, line_tower_bearing_deg, towers_of
from contracts.powerline import PowerLine
from contracts.shafts import level
from vision.grid import Reals
from vision.nearness import moved

ARM_M = 0.5
"""Of a cross-arm beyond the outermost conductor, and of towers below where conductors hang."""
_UP, _ACROSS = ((np.arange(count) + 0.5) / count for count in (3, 5))
_LEFT = 3
"""The face on the side to which conductors' offsets count."""
_FAR_DEG = 45.0
"""Where a line turns by more than twice this its outer conductors are not followed into the corner."""


class TowerPoints(NamedTuple):
    """Grid points of some towers, one entry each but for ``parts``."""

    parts: tuple[Part, ...]
    points: Reals
    normals: Reals
    """The level way towards the side that is meant."""
    part: NDArray[np.int64]
    """Index into ``parts``."""
    cell: NDArray[np.int64]
    axis: Reals
    """(n, 2) where the tower stands."""
    body_m: Reals
    """How wide the tower is taken to be about its axis where it may hide the point; 0 where nothing hides it."""


class _Point(NamedTuple):
    at: Enu
    normal: Enu
    cell: int
    body_m: float


def of_towers(line: PowerLine, numbers: Sequence[int], frame: LocalFrame) -> TowerPoints:
    """Return the grid points of some towers in a frame."""
    parts = towers_of(line, numbers)
    each = LINE_TOWER_FACES + len(line.phase_offsets_m)
    none = np.zeros((0, 3))
    made = [TowerPoints((), none, none, np.zeros(0, np.int64), np.zeros(0, np.int64), none[:, :2], np.zeros(0))]
    for n, number in enumerate(numbers):
        own = parts[n * each : (n + 1) * each]
        made.append(_placed(_laid(line, number, own), LocalFrame(line.towers[number].foot), frame, n * each))
    return TowerPoints(parts, *(np.concatenate(arrays) for arrays in zip(*(one[1:] for one in made), strict=True)))


def reach_m(line: PowerLine, tower: int, height_m: float) -> float:
    """Return how far across the line a tower may reach from its axis at a height."""
    of = line.towers[tower]
    return line.half_width_m + ARM_M if height_m >= of.attachment_height_m - ARM_M else of.base_radius_m


def behind(towers: TowerPoints, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which points (of those in ``index``) the body of their tower may hide from an eye."""
    from_eye = towers.axis[index] - eye[:2]
    ray = towers.points[index][:, :2] - eye[:2]
    share = np.clip((from_eye * ray).sum(axis=1) / np.maximum((ray * ray).sum(axis=1), 1e-12), 0.0, 1.0)
    return np.asarray(np.linalg.norm(from_eye - share[:, None] * ray, axis=1) < towers.body_m[index], np.bool_)


def _placed(points: Sequence[tuple[int, _Point]], own: LocalFrame, frame: LocalFrame, first: int) -> TowerPoints:
    """Return points of a tower, whose parts are numbered from ``first`` on, in a frame instead of its own."""
    foot = moved(own, frame, np.zeros((1, 3)))
    return TowerPoints(
        parts=(),
        points=moved(own, frame, np.array([point.at for _, point in points])),
        normals=moved(own, frame, np.array([point.normal for _, point in points])) - foot,
        part=np.array([first + part for part, _ in points], np.int64),
        cell=np.array([point.cell for _, point in points], np.int64),
        axis=np.tile(foot[:, :2], (len(points), 1)),
        body_m=np.array([point.body_m for _, point in points], np.float64),
    )


def _laid(line: PowerLine, number: int, parts: Sequence[Part]) -> list[tuple[int, _Point]]:
    """Return the points of a tower in the frame of its foot, each with the number of its part."""
    faces = [(n, point) for n in range(LINE_TOWER_FACES) for point in _face(line, number, n, parts[n])]
    strings = [
        (n, point)
        for n, offset_m in enumerate(line.phase_offsets_m, LINE_TOWER_FACES)
        for point in _string(line, number, offset_m, parts[n])
    ]
    return faces + strings


def _face(line: PowerLine, number: int, face: int, part: Part) -> Iterator[_Point]:
    outward = level(line_tower_bearing_deg(line, number, face))
    beside, looks_along = outward.cross(UP), face % 2 == 0
    for cell, height_m in _heights(part):
        half_m = reach_m(line, number, height_m) if looks_along else line.towers[number].base_radius_m
        for share in _ACROSS:
            yield _Point(UP.times(height_m).plus(beside, half_m * (2 * float(share) - 1)), outward, cell, 0.0)


def _string(line: PowerLine, number: int, offset_m: float, part: Part) -> Iterator[_Point]:
    """Yield points of a string, each as seen from four sides; its tower may hide it but where it hangs within that."""
    half_turn = math.radians(min(_FAR_DEG, abs(line.turn_deg(number)) / 2))
    outward = [level(line_tower_bearing_deg(line, number, face)) for face in range(LINE_TOWER_FACES)]
    out = outward[_LEFT].times(offset_m / math.cos(half_turn))
    body_m = line.towers[number].base_radius_m if out.norm() > line.towers[number].base_radius_m else 0.0
    for cell, height_m in _heights(part):
        yield from (_Point(out.plus(UP, height_m), normal, cell, body_m) for normal in outward)


def _heights(part: Part) -> Iterator[tuple[int, float]]:
    for cell in part.cells:
        low_m, high_m = part.stretch(cell, cell + 1)
        yield from ((cell, low_m + (high_m - low_m) * float(share)) for share in _UP)
