"""A pipeline as arrays: grid points over its right of way, and where a ray meets the pipe or the ground beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.optics import CameraIntrinsics
from contracts.parts import parts_of
from contracts.pipeline import Pipeline
from contracts.places import AnyPlace, ChainagePlace
from vision.grid import EXACT, Grid, Hit, Reals, Side, Slack
from vision.nearness import moved, nearest_m, points_in, reach_of, units

_PIECE_M = 400.0
"""A straight line this long is less than 4 mm from the round earth."""
_ALONG, _ACROSS = 5, 5
_GROUND_SIGMA_M, _GROUND_SLOPE = 0.05, 0.1
"""1-sigma error of the ground's height: beside the pipe it rises or falls by so much of the distance."""
_HAIR_M = 1e-9


class _Pieces(NamedTuple):
    """Straight pieces of the centre line, one entry each; all directions are unit vectors."""

    starts: Reals
    along: Reals
    left: Reals
    """Level, square to ``along``."""
    up: Reals
    """Square to both."""
    length_m: Reals
    chainage_m: Reals
    """Of the start."""
    scale: Reals
    """Chainage per metre of the piece."""


class Pipe(Grid):
    """Grid points over the right of way of the stretch that some cameras may show.

    The pipe is a tube about its centre line, the ground a plane along each piece of it, level across.
    """

    max_gsd_mm_px: ClassVar[float] = 15.0
    """The planner looks from where a pixel is 12 mm straight below; towards the rim it is more."""

    def __init__(self, geometry: Pipeline, eyes: Sequence[GeoPoint], camera: CameraIntrinsics) -> None:
        self.geometry = geometry
        self.local = LocalFrame(eyes[0] if eyes else geometry.centre_line[0])
        (self._part,) = parts_of(geometry)
        self.sides: tuple[Side, ...] = (self._part,)
        self._radius_m, self._half_m = geometry.diameter_mm / 2000, geometry.right_of_way_m / 2
        reach_m = reach_of(camera, self.max_gsd_mm_px) + self._half_m
        self._pieces = _pieces(geometry, self.local, points_in(self.local, eyes), reach_m)
        self._lay()

    def cast(self, origin: Enu, direction: Enu, slack: Slack = EXACT) -> Hit | None:
        """Return where a ray meets the pipe, or the ground within the right of way."""
        del slack
        if not len(self._pieces.starts):
            return None
        met = [hit for hit in (self._on_pipe(origin, direction), self._on_ground(origin, direction)) if hit is not None]
        return min(met, key=lambda hit: hit.distance_m, default=None)

    def point_of(self, place: AnyPlace) -> Enu:
        """Return where a place on the near stretch lies, metres in the frame."""
        if not isinstance(place, ChainagePlace):
            raise TypeError(f"{place!r} is not on a pipe.")
        piece, on = self._piece_at(place.chainage_m)
        if place.clock_h is None:
            return _vector(on + self._pieces.left[piece] * place.offset_m)
        turn = math.radians(30.0 * place.clock_h)
        outward = self._pieces.up[piece] * math.cos(turn) - self._pieces.left[piece] * math.sin(turn)
        return _vector(on + outward * self._radius_m)

    def side_of(self, place: AnyPlace) -> int:
        """Return 0: there is one pipe."""
        del place
        return 0

    def _piece_at(self, chainage_m: float) -> tuple[int, Reals]:
        """Return the near piece at a chainage and the centre line's point there; the nearest end beyond them."""
        pieces = self._pieces
        ahead = chainage_m - pieces.chainage_m
        ends = np.clip(ahead, 0.0, pieces.length_m * pieces.scale)
        piece = int(np.argmin(np.abs(ahead - ends)))
        return piece, pieces.starts[piece] + pieces.along[piece] * (ends[piece] / pieces.scale[piece])

    def _on_pipe(self, origin: Enu, ray: Enu) -> Hit | None:
        """Return where a ray meets the tube: |part of it square to the pipe| = radius, or a ball where pieces meet."""
        pieces, from_, way = self._pieces, np.array(origin), np.array(ray)
        starts = from_ - pieces.starts
        sides = _met(_square_to(starts, pieces.along), _square_to(way[None], pieces.along), self._radius_m)
        along_m = ((starts + np.where(np.isfinite(sides), sides, 0.0)[:, None] * way) * pieces.along).sum(axis=1)
        sides[~((along_m >= 0) & (along_m <= pieces.length_m))] = np.inf
        balls = _met(starts[1:], np.broadcast_to(way, starts[1:].shape), self._radius_m)
        piece = int(np.argmin(sides))
        joint = int(np.argmin(balls)) if len(balls) else -1
        if joint >= 0 and balls[joint] < sides[piece] - _HAIR_M:
            return self._tube_hit(joint + 1, 0.0, float(balls[joint]), (origin, ray))
        return self._tube_hit(piece, float(along_m[piece]), float(sides[piece]), (origin, ray))

    def _tube_hit(self, piece: int, along_m: float, range_m: float, looked: tuple[Enu, Enu]) -> Hit | None:
        if not math.isfinite(range_m):
            return None
        origin, ray = looked
        pieces, point = self._pieces, origin.plus(ray, range_m)
        along, left, up = (_vector(axes[piece]) for axes in (pieces.along, pieces.left, pieces.up))
        outward = point.minus(_vector(pieces.starts[piece])).minus(along.times(along_m)).unit()
        clock = math.degrees(math.atan2(-outward.dot(left), outward.dot(up))) / 30.0 % 12.0 % 12.0
        place = ChainagePlace(
            chainage_m=float(pieces.chainage_m[piece]) + along_m * float(pieces.scale[piece]),
            offset_m=self._radius_m * outward.dot(left),
            clock_h=clock,
        )
        incidence = math.degrees(math.acos(min(1.0, max(-1.0, -ray.dot(outward)))))
        across = outward.cross(along).unit()
        return Hit(place, point, range_m, incidence, outward, along, across)

    def _on_ground(self, origin: Enu, ray: Enu) -> Hit | None:
        """Return where a ray meets the ground within the right of way, on the piece that is nearest there."""
        pieces, from_, way = self._pieces, np.array(origin), np.array(ray)
        falling = pieces.up @ way
        with np.errstate(divide="ignore", invalid="ignore"):
            range_m = ((pieces.starts - from_) * pieces.up).sum(axis=1) / falling
            points = from_ + range_m[:, None] * way
            along_m = np.clip(((points - pieces.starts) * pieces.along).sum(axis=1), 0.0, pieces.length_m)
            beside = points - pieces.starts - along_m[:, None] * pieces.along
            away_m = np.linalg.norm(beside, axis=1)
        away_m[~((falling < -_HAIR_M) & (range_m > 0))] = np.inf
        piece = int(np.argmin(away_m))
        if not away_m[piece] <= self._half_m:
            return None
        left, up = _vector(pieces.left[piece]), _vector(pieces.up[piece])
        offset_m = math.copysign(float(away_m[piece]), _vector(beside[piece]).dot(left))
        place = ChainagePlace(
            chainage_m=float(pieces.chainage_m[piece] + along_m[piece] * pieces.scale[piece]), offset_m=offset_m
        )
        incidence = math.degrees(math.acos(min(1.0, -float(falling[piece]))))
        # Outside a bend there is no place square to the pipe: what the coordinates cannot say is an error of theirs.
        outside_m = float(np.linalg.norm(beside[piece] - pieces.left[piece] * offset_m))
        unsure = Enu(outside_m, outside_m, _GROUND_SIGMA_M + _GROUND_SLOPE * abs(offset_m))
        point, along = _vector(points[piece]), _vector(pieces.along[piece])
        return Hit(place, point, float(range_m[piece]), incidence, up, along, left, None, unsure)

    def _lay(self) -> None:
        """Lay out grid points over the cells that are near as a whole, and what is searched."""
        cells, bounds = self._near_cells()
        steps = np.linspace(0.0, 1.0, _ALONG + 1)
        stations = bounds[:, :1] + (bounds[:, 1:] - bounds[:, :1]) * steps
        middles = (stations[:, 1:] + stations[:, :-1]) / 2
        shares = (np.arange(_ACROSS) + 0.5) / _ACROSS - 0.5
        on, left, up = self._stations(middles.ravel())
        offsets = 2 * self._half_m * shares[None, :, None]
        self.points: Reals = (on[:, None] + left[:, None] * offsets).reshape(-1, 3)
        self.normals: Reals = np.repeat(up, _ACROSS, axis=0)
        self.cell: NDArray[np.int64] = np.repeat(cells, _ALONG * _ACROSS)
        self.side: NDArray[np.int64] = np.zeros(len(self.cell), np.int64)
        on, left, _ = self._stations(stations.ravel())
        rims = np.stack([on - left * self._half_m, on + left * self._half_m], axis=1)
        self.edges: Reals = rims.reshape(-1, _ALONG + 1, 2, 3)

    def _near_cells(self) -> tuple[NDArray[np.int64], Reals]:
        """Return the cells of which every metre is near, and where they begin and end."""
        pieces, part = self._pieces, self._part
        ends = pieces.chainage_m + pieces.length_m * pieces.scale
        wanted = {
            number
            for first, last in zip(pieces.chainage_m, ends, strict=True)
            for number in part.between(float(first), float(last))
        }
        bounds = {number: part.stretch(number, number + 1) for number in sorted(wanted)}
        kept = [number for number, pair in bounds.items() if self._is_whole(*pair)]
        return np.array(kept, np.int64), np.array([bounds[n] for n in kept], np.float64).reshape(-1, 2)

    def _is_whole(self, first_m: float, last_m: float) -> bool:
        """Return whether the near pieces cover a cell; they are in order, those left out lie between two of them."""
        pieces = self._pieces
        ends = pieces.chainage_m + pieces.length_m * pieces.scale
        held = np.minimum(ends, last_m) - np.maximum(pieces.chainage_m, first_m)
        return float(np.maximum(held, 0.0).sum()) >= last_m - first_m - 1e-3

    def _stations(self, chainages_m: Reals) -> tuple[Reals, Reals, Reals]:
        """Return points of the centre line (n, 3), and the ways left and up there."""
        found = [self._piece_at(float(chainage)) for chainage in chainages_m]
        pieces = np.array([piece for piece, _ in found], np.int64)
        on = np.array([point for _, point in found], np.float64).reshape(-1, 3)
        return on, self._pieces.left[pieces], self._pieces.up[pieces]


def _pieces(pipe: Pipeline, frame: LocalFrame, eyes: Reals, reach_m: float) -> _Pieces:
    """Return the pieces that come near any of some cameras."""
    corners, chainages = points_in(frame, pipe.centre_line), pipe.chainages_m()
    near = np.flatnonzero(nearest_m(corners[:-1], corners[1:], eyes) <= reach_m).tolist()
    none = np.zeros((0, 3))
    made = [_Pieces(none, none, none, none, *(np.zeros(0) for _ in range(3)))]
    made += [_cut(pipe.piece(number, _PIECE_M), frame, chainages[number : number + 2]) for number in near]
    joined = _Pieces(*(np.concatenate(arrays) for arrays in zip(*made, strict=True)))
    ends = joined.starts + joined.along * joined.length_m[:, None]
    kept = nearest_m(joined.starts, ends, eyes) <= reach_m
    return _Pieces(*(array[kept] for array in joined))


def _cut(points: Sequence[GeoPoint], frame: LocalFrame, chainages_m: Sequence[float]) -> _Pieces:
    """Return one piece of the centre line, cut at points, between the chainages of its ends."""
    corners = points_in(frame, points)
    tops = np.array([moved(LocalFrame(point), frame, np.array([UP]))[0] for point in points[:-1]])
    starts, ways = corners[:-1], np.diff(corners, axis=0)
    along, length_m = units(ways), np.asarray(np.linalg.norm(ways, axis=1), np.float64)
    left = units(np.cross(tops - starts, along))
    first_m, last_m = chainages_m
    each_m = (last_m - first_m) / len(starts)
    chainage_m = np.asarray(first_m + each_m * np.arange(len(starts)), np.float64)
    return _Pieces(starts, along, left, np.cross(along, left), length_m, chainage_m, each_m / length_m)


def _met(starts: Reals, ways: Reals, radius_m: float) -> Reals:
    """Return how far along ``ways`` (n, 3) from ``starts`` (n, 3) each comes within a radius of nought, else inf."""
    a, b = (ways * ways).sum(axis=1), (starts * ways).sum(axis=1)
    c = (starts * starts).sum(axis=1) - radius_m**2
    inside = b * b - a * c
    range_m = (-b - np.sqrt(np.maximum(inside, 0.0))) / np.maximum(a, 1e-12)
    return np.where((inside >= 0) & (a > 1e-12) & (c > 0) & (range_m > 0), range_m, np.inf)


def _square_to(vectors: Reals, axes: Reals) -> Reals:
    """Return the part of vectors that is square to axes (n, 3, unit)."""
    return np.asarray(vectors - (vectors * axes).sum(axis=1)[:, None] * axes, np.float64)


def _vector(values: Reals) -> Enu:
    return Enu(*values.tolist())
