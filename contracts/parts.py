"""What coverage counts beside the sides of blades.

Faces of towers metre by metre, spans and pipes by ten metres, a line's towers by three metres of each side.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from contracts.pipeline import Pipeline
from contracts.places import compass
from contracts.powerline import PowerLine
from contracts.shafts import shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

ALONG_M = 10.0
"""Length of a cell along a line or a pipe: short enough to fly to, and a line of 20 km has 2,000."""
BAND_M = 3.0
"""Height of a cell of a line's tower: what a camera near enough shows at once is two to three of them."""
LINE_TOWER_FACES = 4
LINE_TOWER_MM_PX = 4.0
"""The coarsest that counts as seen of a line's tower: steel, fittings and insulators are judged as masts are."""
LINE_TOWER_BEGINS = "tower-"
"""How the names of the parts of a line's towers begin in coverage."""
_FACE = "-face-"
_HAIR_M = 1e-6


class Part(NamedTuple):
    """A part in cells; ``part`` names it in coverage, ``name`` is how people say it.

    Cell n is from ``n * step_m`` on; what lies before ``start_m`` and after ``end_m`` is no part of it, so the first
    and the last cell may be short. ``at_m`` is where its nought lies along its surface: the chainage of a span's tower.
    """

    part: str
    name: str
    start_m: float
    end_m: float
    step_m: float = 1.0
    at_m: float = 0.0

    @property
    def cells(self) -> range:
        """Return the numbers of its cells."""
        first = math.floor((self.start_m + _HAIR_M) / self.step_m)
        return range(first, max(first + 1, math.ceil((self.end_m - _HAIR_M) / self.step_m)))

    def stretch(self, first: int, end: int) -> tuple[float, float]:
        """Return the metres from a cell up to another one, which is not counted, as far as the part goes."""
        return max(first * self.step_m, self.start_m), min(end * self.step_m, self.end_m)

    def between(self, first_m: float, last_m: float) -> range:
        """Return its cells that lie between two places along its surface."""
        cells = self.cells
        first, last = (math.floor((metres - self.at_m) / self.step_m) for metres in (first_m, last_m))
        return range(max(first, cells.start), min(last + 1, cells.stop))


def parts_of(geometry: AnyShape) -> tuple[Part, ...]:
    """Return the parts of an asset but for its blades, in the order in which people go through them.

    Of a line they are its spans: its towers are counted apart (`towers_of`), as most flights are along the conductors.
    """
    match geometry:
        case TurbineGeometry() | TelecomTower():
            shaft = shaft_of(geometry)
            return tuple(
                Part(f"face-{face}", f"tower, {compass(shaft.bearing_of(face))} face", 0.0, shaft.height_m)
                for face in range(shaft.faces)
            )
        case PowerLine():
            return spans_of(geometry, range(len(geometry.towers) - 1))
        case Pipeline():
            chainages = geometry.chainages_m()
            return (Part("pipe", "pipe", chainages[0], chainages[-1], ALONG_M),)


def spans_of(line: PowerLine, numbers: Container[int]) -> tuple[Part, ...]:
    """Return some spans of a line; the places along it count from its first tower."""
    names, chainages = [tower.name for tower in line.towers], line.chainages_m()
    return tuple(
        Part(span_part(n), f"span {one}–{other}", 0.0, chainages[n + 1] - chainages[n], ALONG_M, chainages[n])
        for n, (one, other) in enumerate(pairwise(names))
        if n in numbers
    )


def towers_of(line: PowerLine, numbers: Iterable[int]) -> tuple[Part, ...]:
    """Return some towers of a line, each as four faces and its insulator strings, all counted from its foot up.

    The first face looks along the line, the others follow clockwise. A line's geometry does not say how its towers are
    built: a face is no surface but the side from which the tower is looked at.
    """
    return tuple(part for number in numbers for part in _of_line_tower(line, number))


def _of_line_tower(line: PowerLine, number: int) -> Iterator[Part]:
    tower, along_deg = line.towers[number], line.bearing_deg(number)
    for face in range(LINE_TOWER_FACES):
        looks = compass(along_deg + 90.0 * face)
        key = f"{line_tower_part(number)}{_FACE}{face}"
        yield Part(key, f"tower {tower.name}, {looks} face", 0.0, tower.height_m, BAND_M)
    low_m, high_m = tower.attachment_height_m, tower.attachment_height_m + line.insulator_length_m
    for phase in range(len(line.phase_offsets_m)):
        key = f"{line_tower_part(number)}-string-{phase}"
        yield Part(key, f"tower {tower.name}, insulator string {phase + 1}", low_m, high_m, BAND_M)


def line_tower_bearing_deg(line: PowerLine, number: int, face: int) -> float:
    """Return the compass bearing that a face of a line's tower looks along."""
    return (line.bearing_deg(number) + 90.0 * face) % 360.0


def line_tower_part(number: int) -> str:
    """Return how the names of the parts of a line's tower begin in coverage, which is its own name elsewhere."""
    return f"{LINE_TOWER_BEGINS}{number:04d}"


def line_tower_of(part: str) -> int | None:
    """Return the number of the tower of a line that a part of coverage belongs to; None of any other part."""
    number = part.removeprefix(LINE_TOWER_BEGINS).partition("-")[0]
    return int(number) if part.startswith(LINE_TOWER_BEGINS) else None


def is_face(part: Part) -> bool:
    """Return whether a part of a line's tower is one of its faces: else it is an insulator string."""
    return _FACE in part.part


def span_part(number: int) -> str:
    """Return the name of a span in coverage."""
    return f"span-{number:04d}"
