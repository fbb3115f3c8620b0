"""Which parts of an asset can be seen or missed, and from where to where: the cells that coverage is counted in.

Blades are counted metre by metre (``contracts.findings.CoverageCell``); this is of all the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.pipeline import Pipeline
from contracts.places import compass
from contracts.powerline import PowerLine
from contracts.shafts import Shaft, shaft_of
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

_UP_M, _ALONG_M = 1.0, 10.0


class Extent(NamedTuple):
    """A part from its start to its end, in cells of ``step_m``; ``name`` is how people say it."""

    part: str
    name: str
    start_m: float
    end_m: float
    step_m: float

    @property
    def body(self) -> str:
        """Return what it is a part of, such as ``tower``."""
        return self.name.partition(",")[0]

    @property
    def cells(self) -> int:
        """Return how many cells it has; the last one may be short."""
        return max(1, -int(-(self.end_m - self.start_m) // self.step_m))

    def cell_of(self, along_m: float) -> int:
        """Return the cell a place lies in; the first or last one for places beyond the ends."""
        return min(self.cells - 1, max(0, int((along_m - self.start_m) // self.step_m)))


def extents_of(geometry: TurbineGeometry | TelecomTower | PowerLine | Pipeline) -> tuple[Extent, ...]:
    """Return the parts of an asset but for its blades: faces of its tower, spans, the pipe."""
    match geometry:
        case TurbineGeometry() | TelecomTower():
            return _of_shaft(shaft_of(geometry))
        case PowerLine():
            names = [tower.name for tower in geometry.towers]
            return tuple(
                Extent(f"span-{span.number:04d}", f"span {names[span.number]}–{names[span.number + 1]}", 0.0,
                       span.length_m, _ALONG_M)
                for span in geometry.spans()
            )  # fmt: skip
        case Pipeline():
            chainages = geometry.chainages_m()
            return (Extent("pipe", "chainage", chainages[0], chainages[-1], _ALONG_M),)


def _of_shaft(shaft: Shaft) -> tuple[Extent, ...]:
    return tuple(
        Extent(f"face-{face}", f"tower, {compass(shaft.bearing_of(face))} face", 0.0, shaft.height_m, _UP_M)
        for face in range(shaft.faces)
    )
