"""A power line as arrays: grid points on its conductors and towers, and the wire, string or tower that a ray means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.optics import CameraIntrinsics
from contracts.parts import LINE_TOWER_MM_PX, Part, spans_of
from contracts.places import AnyPlace, LineTowerPlace, SpanPlace
from contracts.powerline import PowerLine, Span
from vision.grid import EXACT, Grid, Hit, Reals, Side, Slack
from vision.line_towers import ARM_M, behind, of_towers, reach_m
from vision.nearness import nearest_m, passes, points_in, reach_of, units
from vision.wires import Passed, Wires

_PER_CELL = 5
_RIM_M = 0.6
"""Searched round a wire."""


class Line(Grid):
    """Grid points on the conductors of the spans that some cameras may show, and on those spans' towers.

    A metre of a conductor is seen from whichever side, a tower from each of its four. A place on a tower is a height
    alone, and on no face: nothing says how towers are built.
    """

    max_gsd_mm_px: ClassVar[float] = 6.0
    """The planner passes the outer conductor at 4; the middle one is farther."""

    def __init__(self, geometry: PowerLine, eyes: Sequence[GeoPoint], camera: CameraIntrinsics) -> None:
        self.geometry = geometry
        self.local = LocalFrame(eyes[0] if eyes else geometry.towers[0].foot)
        numbers = _near(geometry, self.local, points_in(self.local, eyes), reach_of(camera, self.max_gsd_mm_px))
        self._spans = {number: geometry.span(number) for number in numbers}
        self._wires = Wires(geometry, list(self._spans.values()), self.local)
        self._towers = sorted({tower for number in numbers for tower in (number, number + 1)})
        self._feet = points_in(self.local, [geometry.towers[tower].foot for tower in self._towers])
        stems = [self._wires.up(tower).times(geometry.towers[tower].height_m) for tower in self._towers]
        self._stems: Reals = np.array(stems, np.float64).reshape(-1, 3)
        self._parts = spans_of(geometry, set(numbers))
        self._of_towers = of_towers(geometry, self._towers, self.local)
        self.sides: tuple[Side, ...] = (*self._parts, *self._of_towers.parts)
        self._lay()

    def cast(self, origin: Enu, direction: Enu, slack: Slack = EXACT) -> Hit | None:
        """Return the conductor or string that a ray means, else the tower that it passes through."""
        passed = self._wires.passed(origin, direction, slack)
        return self._on_tower(origin, direction) if passed is None else self._on_thread(direction, passed)

    def point_of(self, place: AnyPlace) -> Enu:
        """Return where a place on a near span or tower lies."""
        match place:
            case SpanPlace():
                span = self._spans[place.span]
                return Enu(
                    *self._wires.at(span, np.array([place.distance_m / span.length_m]), place.offset_m)[0].tolist()
                )
            case LineTowerPlace():
                foot = self.local.to_enu(self.geometry.towers[place.tower].foot)
                return foot.plus(self._wires.up(place.tower), place.height_m)
            case _:
                raise TypeError(f"{place!r} is not on a line.")

    def side_of(self, place: AnyPlace) -> int:
        """Return the span a place is on; -1 on towers, whose places are on no face."""
        return list(self._spans).index(place.span) if isinstance(place, SpanPlace) else -1

    def _facing(self, rays: Reals) -> Reals:
        """Return the cosine of the angle at which a ray meets a wire, from wherever about it, or a side of a tower."""
        with_it = (rays * self.normals).sum(axis=1)
        about = np.sqrt(np.maximum(0.0, 1.0 - with_it**2))
        return np.asarray(np.where(self._is_wire, about, -with_it), np.float64)

    def _hidden(self, eye: Reals, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        hidden, on_tower = np.zeros(len(index), np.bool_), ~self._is_wire[index]
        hidden[on_tower] = behind(self._of_towers, eye, index[on_tower] - int(self._is_wire.sum()))
        return hidden

    @property
    def judged_mm_px(self) -> Reals | float:
        """Return how fine each grid point must be shown to be judged."""
        return np.asarray(np.where(self._is_wire, self.max_gsd_mm_px, LINE_TOWER_MM_PX), np.float64)

    def _lay(self) -> None:
        """Lay out grid points and what is searched; of wires ``normals`` are the ways along."""
        laid = [self._laid(*pair) for pair in zip(self._spans.values(), self._parts, strict=True)]
        towers = self._of_towers
        self.points: Reals = np.concatenate([*(points for points, _, _, _ in laid), towers.points])
        self.normals: Reals = np.concatenate([*(ways for _, ways, _, _ in laid), towers.normals])
        cells = [cell for _, _, cell, _ in laid]
        self.cell: NDArray[np.int64] = np.concatenate([*cells, towers.cell])
        spans = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
        self.side: NDArray[np.int64] = np.concatenate([spans, len(cells) + towers.part])
        self._is_wire = self.side < len(cells)
        empty = np.zeros((0, _PER_CELL + 1, 2, 3))
        self.edges: Reals = np.concatenate([empty, *(edges for *_, edges in laid), self._stem_edges()])

    def _laid(self, span: Span, part: Part) -> tuple[Reals, Reals, NDArray[np.int64], Reals]:
        """Return a span's grid points, ways along and cells, and the edges of bands about its conductors."""
        bounds = np.array([part.stretch(number, number + 1) for number in part.cells])
        steps = np.linspace(0.0, 1.0, _PER_CELL + 1)
        stations = (bounds[:, :1] + (bounds[:, 1:] - bounds[:, :1]) * steps) / span.length_m
        wires = np.array(
            [self._wires.at(span, stations.ravel(), offset) for offset in self.geometry.phase_offsets_m]
        ).reshape(-1, _PER_CELL + 1, 3)
        ways = np.diff(wires, axis=1).reshape(-1, 3)
        points = ((wires[:, 1:] + wires[:, :-1]) / 2).reshape(-1, 3)
        cells = np.tile(np.repeat(np.array(part.cells, np.int64), _PER_CELL), len(self.geometry.phase_offsets_m))
        return points, units(ways), cells, _bands(wires, span)

    def _stem_edges(self) -> Reals:
        """Return the edges of two upright panels through every tower: along the line and across it."""
        made = []
        for tower, foot, stem in zip(self._towers, self._feet, self._stems, strict=True):
            span = self._spans.get(tower) or self._spans[tower - 1]
            heights = foot + np.linspace(0.0, 1.0, _PER_CELL + 1)[:, None] * stem
            arms = (span.along(), self.geometry.towers[tower].base_radius_m), (span.left(), self._arm_m)
            made += [
                np.stack([heights - np.array(way) * out_m, heights + np.array(way) * out_m], axis=1)
                for way, out_m in arms
            ]
        return np.array(made).reshape(-1, _PER_CELL + 1, 2, 3)

    @property
    def _arm_m(self) -> float:
        return self.geometry.half_width_m + ARM_M

    def _on_thread(self, ray: Enu, passed: Passed) -> Hit:
        axis, thread = passed.way.unit(), passed.thread
        place: AnyPlace
        if thread.conductor is None:
            place = self._tower_place(thread.number, passed.along_m)
        else:
            part = self._parts[list(self._spans).index(thread.number)]
            distance_m = min(max(passed.along_m, 0.0), part.end_m)
            towers = self.geometry.towers
            place = SpanPlace(
                span=thread.number,
                from_tower=towers[thread.number].name,
                to_tower=towers[thread.number + 1].name,
                conductor=thread.conductor if passed.is_told else None,
                offset_m=thread.offset_m,
                distance_m=distance_m,
                chainage_m=part.at_m + distance_m,
            )
        unsure = Enu(0.0, 0.0, passed.sag_sigma_m)
        return _thin(place, passed.point, passed.range_m, ray, (axis, passed.way, unsure))

    def _on_tower(self, origin: Enu, ray: Enu) -> Hit | None:
        """Return the nearest tower within whose reach a ray passes its axis."""
        found = passes(self._feet, self._stems, (origin, ray), within=False)
        best: Hit | None = None
        for n, tower in enumerate(self._towers):
            share, range_m = float(found.share[n]), float(found.range_m[n])
            if not 0.0 <= share <= 1.0 or range_m <= 0 or (best is not None and best.distance_m < range_m):
                continue
            of, stem = self.geometry.towers[tower], Enu(*self._stems[n].tolist())
            height_m = share * of.height_m
            far_m = reach_m(self.geometry, tower, height_m)
            if float(np.linalg.norm(found.miss[n])) <= far_m:
                # What is seen may be on any side of the tower, or within it: evenly, as far as it reaches.
                unsure = Enu(far_m / math.sqrt(3.0), far_m / math.sqrt(3.0), 0.0)
                point = Enu(*self._feet[n].tolist()).plus(stem, share)
                up = stem.unit()
                best = _thin(self._tower_place(tower, height_m), point, range_m, ray, (up, up, unsure))
        return best

    def _tower_place(self, tower: int, height_m: float) -> LineTowerPlace:
        return LineTowerPlace(tower=tower, tower_name=self.geometry.towers[tower].name, height_m=height_m)


def _thin(place: AnyPlace, point: Enu, range_m: float, ray: Enu, shape: tuple[Enu, Enu, Enu]) -> Hit:
    """Return a hit of a part that is thin along an axis; ``along`` and the errors of its shape come with it."""
    axis, along, unsure = shape
    with_it = ray.dot(axis)
    normal = axis.times(with_it).minus(ray)
    across = axis.cross(ray)
    if normal.norm() < 1e-6:  # it is looked along: no direction is square to the view
        normal = across = Enu(axis.north, -axis.east, 0.0) if abs(axis.up) < 1 else Enu(1.0, 0.0, 0.0)
    incidence = math.degrees(math.asin(min(1.0, abs(with_it))))
    return Hit(place, point, range_m, incidence, normal.unit(), along, across.unit(), axis, unsure)


def _bands(wires: Reals, span: Span) -> Reals:
    """Return the edges of an upright and a level band along wires (k, steps, 3)."""
    rims = np.array([(0.0, 0.0, _RIM_M), span.left().times(_RIM_M)])
    return np.concatenate([np.stack([wires - rim, wires + rim], axis=2) for rim in rims])


def _near(line: PowerLine, frame: LocalFrame, eyes: Reals, reach_m: float) -> list[int]:
    """Return the spans that come near any of some cameras."""
    hung = points_in(frame, [tower.foot for tower in line.towers])
    hung[:, 2] += [tower.attachment_height_m for tower in line.towers]
    found: list[int] = np.flatnonzero(nearest_m(hung[:-1], hung[1:], eyes) <= reach_m + line.half_width_m).tolist()
    return found
