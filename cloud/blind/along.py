"""Where the middle of a rectangle meets a power line or a pipeline: the wire or tower that is meant, the ground.

As vision does it (docs/decisions/0045), for one ray at a time and in plain numbers: a wire is thinner than the error of
any pose, so a ray means the one that it passes nearest; which conductor that is, is told only where it is 20 times as
likely as any other. A tower is placed by its height. Beside a pipe the ground is level across.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from contracts.findings import AuditFrame
from contracts.geo import UP, Enu, LocalFrame
from contracts.pipeline import Pipeline
from contracts.places import AnyPlace, ChainagePlace, LineTowerPlace, SpanPlace
from contracts.powerline import PowerLine, Span

_NEAR_M = 150.0
"""Beyond this nobody sees a defect of a wire or a pipe on a frame."""
_STEP_M, _PIECE_M = 2.0, 200.0
_BREADTH_M, _SIGMAS, _LIKELIER = 0.25, 3.0, 20.0
_SAG_SHARE = 0.05
"""1-sigma error of a wire's depth below its ends, as a share of it: some 10 K."""
_ARM_M = 0.5


class Met(NamedTuple):
    """Where a ray meets the asset, and the axes of the surface there: its normal, and metres along and across it."""

    place: AnyPlace
    point: Enu
    distance_m: float
    normal: Enu
    along: Enu
    across: Enu
    incidence_deg: float


class _Pass(NamedTuple):
    """How a ray passes a straight piece: how far off, how far away, where on it (0 to 1)."""

    miss_m: float
    range_m: float
    share: float


class _Near(NamedTuple):
    """The wire that a ray passes near: how near, in standard deviations and beyond the breadth of the wire."""

    passed: _Pass
    sigma_m: float
    span: Span
    conductor: int
    distance_m: float
    point: Enu
    way: Enu


class Wires:
    """The conductors and towers of a line about a camera, in its frame."""

    def __init__(self, line: PowerLine, frame: AuditFrame) -> None:
        self._line, self._frame = line, frame
        self.local = LocalFrame(frame.frame.pose.point)
        feet = [self.local.to_enu(tower.foot) for tower in line.towers]
        near = [n for n, (one, other) in enumerate(pairwise(feet)) if _level_m(one, other) <= _NEAR_M]
        self._spans = [line.span(number) for number in near]
        self._towers = [(n, feet[n]) for n in sorted({t for number in near for t in (number, number + 1)})]
        self._hung = {
            (span.number, c): list(self._hanging(span, offset_m))
            for span in self._spans
            for c, offset_m in enumerate(line.phase_offsets_m)
        }

    def meet(self, eye: Enu, ray: Enu) -> Met | None:
        """Return the wire that a ray means, else the tower that it passes through."""
        found = sorted(
            (near for span in self._spans for near in self._past(span, eye, ray)), key=lambda near: near.passed.miss_m
        )
        best = next(iter(found), None)
        return self._on_tower(eye, ray) if best is None else self._on_wire(best, found[1:], ray)

    def _hanging(self, span: Span, offset_m: float) -> Iterator[Enu]:
        count = max(1, math.ceil(span.length_m / _STEP_M))
        for n in range(count + 1):
            yield self.local.to_enu(span.frame.to_geo(span.at(n / count, offset_m)))

    def _past(self, span: Span, eye: Enu, ray: Enu) -> Iterator[_Near]:
        """Yield the conductors of a span that a ray may mean, each where it passes it nearest."""
        for conductor in range(len(self._line.phase_offsets_m)):
            hung = self._hung[span.number, conductor]
            count = len(hung) - 1
            passed, n = min((_passed(eye, ray, one, other), n) for n, (one, other) in enumerate(pairwise(hung)))
            share = (n + passed.share) / count
            sag_m = _SAG_SHARE * 4 * share * (1 - share) * span.sag_m
            turned_m = passed.range_m * math.radians(self._frame.attitude_sigma_deg)
            sigma_m = math.hypot(self._frame.pose_sigma_m, turned_m, sag_m)
            if 0 < passed.range_m <= _NEAR_M and passed.miss_m <= _SIGMAS * sigma_m + _BREADTH_M:
                way = hung[n + 1].minus(hung[n])
                yield _Near(
                    passed, sigma_m, span, conductor, share * span.length_m, hung[n].plus(way, passed.share), way.unit()
                )

    def _on_wire(self, best: _Near, others: Sequence[_Near], ray: Enu) -> Met:
        told = all(
            other.passed.miss_m**2 - best.passed.miss_m**2 >= 2 * best.sigma_m**2 * math.log(_LIKELIER)
            for other in others
        )
        number, towers = best.span.number, self._line.towers
        place = SpanPlace(
            span=number,
            from_tower=towers[number].name,
            to_tower=towers[number + 1].name,
            conductor=best.conductor if told else None,
            offset_m=self._line.phase_offsets_m[best.conductor],
            distance_m=best.distance_m,
            chainage_m=self._line.chainages_m()[number] + best.distance_m,
        )
        return _thin(place, best.point, best.passed.range_m, ray, best.way)

    def _on_tower(self, eye: Enu, ray: Enu) -> Met | None:
        found = []
        for number, foot in self._towers:
            of = self._line.towers[number]
            passed = _passed(eye, ray, foot, foot.plus(UP, of.height_m))
            height_m = passed.share * of.height_m
            is_arm = height_m >= of.attachment_height_m - _ARM_M
            reach_m = self._line.half_width_m + _ARM_M if is_arm else of.base_radius_m
            if 0 < passed.range_m <= _NEAR_M and passed.miss_m <= reach_m:
                place = LineTowerPlace(tower=number, tower_name=of.name, height_m=height_m)
                found.append(_thin(place, foot.plus(UP, height_m), passed.range_m, ray, UP))
        return min(found, key=lambda met: met.distance_m, default=None)


class Ground:
    """The right of way of a pipe about a camera, in its frame."""

    def __init__(self, pipe: Pipeline, frame: AuditFrame) -> None:
        self._half_m = pipe.right_of_way_m / 2
        self.local = LocalFrame(frame.frame.pose.point)
        self._pieces: list[tuple[float, Enu, Enu]] = []
        for number, start_m in enumerate(pipe.chainages_m()[:-1]):
            for one, other in pairwise(pipe.piece(number, _PIECE_M)):
                ends = self.local.to_enu(one), self.local.to_enu(other)
                if _level_m(*ends) <= _NEAR_M + self._half_m:
                    self._pieces.append((start_m, *ends))
                start_m += ends[1].minus(ends[0]).norm()  # noqa: PLW2901 - it goes along the piece

    def meet(self, eye: Enu, ray: Enu) -> Met | None:
        """Return where a ray meets the ground along the pipe, within the right of way."""
        found = [met for piece in self._pieces if (met := self._met(piece, eye, ray)) is not None]
        return min(found, key=lambda met: met.distance_m, default=None)

    def _met(self, piece: tuple[float, Enu, Enu], eye: Enu, ray: Enu) -> Met | None:
        start_m, one, other = piece
        way = other.minus(one)
        left = UP.cross(way).unit()
        normal = way.cross(left).unit()
        facing = -ray.dot(normal)
        range_m = eye.minus(one).dot(normal) / facing if facing > 0 else math.inf
        if not 0 < range_m <= _NEAR_M:
            return None
        point = eye.plus(ray, range_m)
        along_m, offset_m = point.minus(one).dot(way.unit()), point.minus(one).dot(left)
        if not 0 <= along_m <= way.norm() or abs(offset_m) > self._half_m:
            return None
        place = ChainagePlace(chainage_m=start_m + along_m, offset_m=offset_m)
        return Met(place, point, range_m, normal, way.unit(), left, math.degrees(math.acos(min(1.0, facing))))


def _level_m(one: Enu, other: Enu) -> float:
    """Return how far, on the level, the frame's origin is from the line between two points."""
    way = Enu(other.east - one.east, other.north - one.north, 0.0)
    share = min(1.0, max(0.0, -(one.east * way.east + one.north * way.north) / max(1e-9, way.dot(way))))
    return math.hypot(one.east + share * way.east, one.north + share * way.north)


def _passed(eye: Enu, ray: Enu, start: Enu, end: Enu) -> _Pass:
    """Return how a ray of length 1 passes nearest to the straight piece between two points."""
    way, to = end.minus(start), start.minus(eye)
    with_it, ahead = ray.dot(way), ray.dot(to)
    square = way.dot(way) - with_it**2
    share = 0.0 if square < 1e-12 else min(1.0, max(0.0, (with_it * ahead - way.dot(to)) / square))
    range_m = ahead + share * with_it
    return _Pass(to.plus(way, share).plus(ray, -range_m).norm(), range_m, share)


def _thin(place: AnyPlace, point: Enu, range_m: float, ray: Enu, axis: Enu) -> Met:
    """Return the hit of a part that is thin along an axis: its surface faces the eye."""
    with_it = ray.dot(axis)
    normal = axis.times(with_it).minus(ray)
    across = axis.cross(ray)
    if normal.norm() < 1e-6:  # it is looked along
        normal, across = ray.times(-1.0), Enu(axis.north, -axis.east, 0.0)
    incidence_deg = math.degrees(math.asin(min(1.0, abs(with_it))))
    return Met(place, point, range_m, normal.unit(), axis, across.unit(), incidence_deg)
