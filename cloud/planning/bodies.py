"""What of an asset is solid: the cones a planner keeps away from, and the same as solids of the route for the drone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cloud.planning.bounds import nearness
from cloud.planning.obstacles import Cone, cones_of, distances_m
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine, Span
from contracts.routes import Solid
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

PIECE_SAG_M = 0.5
"""A hanging conductor becomes straight pieces that sag no more than this; legs follow them."""
NEAR_M = 150.0
"""A part farther than this from the whole path need not go with the route."""
_FEWEST_PIECES = 4
_LOOK_M = 20.0
_AT_ONCE = 200
"""A long line has thousands of parts: they are looked at in portions, to spare memory."""


Pieces = Sequence[Sequence[GeoPoint]] | Mapping[int, Sequence[GeoPoint]]
"""Where the straight pieces of each span's conductors meet, by its number."""


class Body(NamedTuple):
    """What is gone round, in the frame of its foot."""

    frame: LocalFrame
    cones: tuple[Cone, ...]
    top_m: float
    radius_m: float
    """Largest distance of what is looked at from the axis."""
    height_m: float
    """Of the highest solid thing."""


def body_of(geometry: TurbineGeometry | TelecomTower) -> Body:
    """Return a turbine's tower (its nacelle and blades are in the way), or a mast with its mounts and guys."""
    if isinstance(geometry, TurbineGeometry):
        top_m = geometry.hub_height_m - geometry.nacelle_radius_m - 1.0
        height_m = geometry.hub_height_m + geometry.root_radius_m + geometry.blade_length_m
        return Body(geometry.frame(), cones_of(geometry), top_m, geometry.tower_base_radius_m, height_m)
    mast = Cone("mast", Enu(0.0, 0.0, 0.0), UP, geometry.top_m(), geometry.reach_m(), geometry.reach_m())
    guys = []
    for number, guy in enumerate(geometry.guys):
        bearing = math.radians(guy.anchor_bearing_deg)
        anchor = Enu(math.sin(bearing), math.cos(bearing), 0.0).times(guy.anchor_radius_m)
        way = UP.times(guy.height_m).minus(anchor)
        guys.append(Cone(f"guy {number}", anchor, way.unit(), way.norm(), 0.1, 0.1))
    return Body(geometry.frame(), (mast, *guys), geometry.top_m(), geometry.reach_m(), geometry.top_m())


def conductor_pieces(span: Span) -> tuple[GeoPoint, ...]:
    """Return places along a conductor: a piece of length l sags by ``l^2 / 8c`` below its chord."""
    longest_m = math.sqrt(8 * span.constant_m * PIECE_SAG_M)
    count = max(_FEWEST_PIECES, math.ceil(span.length_m / longest_m))
    return tuple(span.frame.to_geo(span.at(number / count)) for number in range(count + 1))


def line_cones(line: PowerLine, pieces: Pieces, spans: range, frame: LocalFrame) -> list[Cone]:
    """Return the towers and conductors of some spans in a frame: each a body that encloses the real one.

    Args:
        line: The power line.
        pieces: ``conductor_pieces`` of these spans.
        spans: Which spans; the towers at their ends belong to them.
        frame: Whose metres to return.

    """
    cones = []
    for number in spans:
        wires = [frame.to_enu(point) for point in pieces[number]]
        radius_m = line.half_width_m + 1.2 * PIECE_SAG_M + 0.1
        cones += [_between(f"span {number}", a, b, radius_m) for a, b in pairwise(wires)]
    for number in range(spans[0], spans[-1] + 2):
        tower = line.towers[number]
        foot = frame.to_enu(tower.foot)
        radius_m = max(tower.base_radius_m, line.half_width_m + 0.5)
        cones.append(Cone(f"tower {tower.name}", foot, UP, tower.height_m, radius_m, radius_m))
    return cones


def of_asset(
    geometry: TurbineGeometry | TelecomTower | PowerLine | Pipeline | None, frame: LocalFrame
) -> tuple[Cone, ...]:
    """Return everything solid of an asset in a frame; of a pipeline nothing, it lies in or on the ground."""
    match geometry:
        case TurbineGeometry() | TelecomTower():
            body = body_of(geometry)
            return tuple(moved(cone, body.frame, frame) for cone in body.cones)
        case PowerLine():
            pieces = [conductor_pieces(span) for span in geometry.spans()]
            return tuple(line_cones(geometry, pieces, range(len(pieces)), frame))
        case _:
            return ()


def near(cones: tuple[Cone, ...], path: Sequence[Enu]) -> tuple[Cone, ...]:
    """Return the cones within ``NEAR_M`` of a path, all in one frame."""
    if not cones or not path:
        return ()
    places = [path[0]]
    for one, other in pairwise(path):
        way = other.minus(one)
        count = max(1, math.ceil(way.norm() / _LOOK_M))
        places += [one.plus(way, step / count) for step in range(1, count + 1)]
    points = np.array(places)
    found: list[Cone] = []
    for first in range(0, len(cones), _AT_ONCE):
        some = cones[first : first + _AT_ONCE]
        gaps = distances_m(some, points).min(axis=0)
        found += [cone for cone, gap_m in zip(some, gaps.tolist(), strict=True) if gap_m <= NEAR_M]
    return tuple(found)


def swept(geometry: TurbineGeometry) -> tuple[Cone, ...]:
    """Return a turbine that may run and yaw while another asset is flown: its tower, and all that its rotor may reach.

    Nacelle and blades turn about the tower's axis, so that an upright cylinder holds them whatever the wind does.
    """
    tower = cones_of(geometry)[0]
    tip_m = math.hypot(geometry.root_radius_m + geometry.blade_length_m, geometry.root_chord_m)
    behind_m = math.hypot(geometry.nacelle_length_m, geometry.nacelle_radius_m)
    reach_m = max(math.hypot(tip_m, geometry.overhang_m + geometry.root_chord_m), behind_m)
    low_m = max(0.0, geometry.hub_height_m - tip_m)
    return tower, Cone("rotor", UP.times(low_m), UP, geometry.hub_height_m + tip_m - low_m, reach_m, reach_m)


def cone_of(solid: Solid, frame: LocalFrame) -> Cone:
    """Return a solid of a route in a frame."""
    end_m = solid.radius_m if solid.end_radius_m is None else solid.end_radius_m
    start, end = frame.to_enu(solid.start), frame.to_enu(solid.end)
    way = end.minus(start)
    return Cone(solid.name, start, way.unit(), way.norm(), solid.radius_m, end_m)


class Beside:
    """Parts of other assets, kept so that many flights can ask quickly which of them lie about it."""

    def __init__(self, solids: Sequence[Solid]) -> None:
        self._solids = tuple(solids)
        ends = [(*LocalFrame(solid.start).ecef, *LocalFrame(solid.end).ecef) for solid in self._solids]
        self._ends = np.array(ends, dtype=float).reshape(-1, 2, 3)
        self._radii_m = np.array([max(solid.radius_m, solid.end_radius_m or 0.0) for solid in self._solids])

    def about(self, frame: LocalFrame, path: Sequence[Enu]) -> tuple[tuple[Cone, ...], tuple[Solid, ...]]:
        """Return which parts lie about a path, as cones in its frame, and which of them are to go with its route.

        All straight ways between places of the path are looked after: about it is whatever lies ``NEAR_M`` round its
        box. With the route goes what may lie that near to the path itself.
        """
        places = np.array(path)
        level = (self._ends - np.array(frame.ecef)) @ np.array([frame.east, frame.north]).T
        reach_m = (self._radii_m + NEAR_M)[:, None]
        inside = (level.max(axis=1) + reach_m >= places[:, :2].min(axis=0)) & (
            level.min(axis=1) - reach_m <= places[:, :2].max(axis=0)
        )
        kept = [self._solids[number] for number in np.flatnonzero(inside.all(axis=1))]
        cones = tuple(cone_of(solid, frame) for solid in kept)
        if not cones:
            return (), ()
        away_m = nearness(cones, places[:-1], places[1:]).least_m.min(axis=0)
        return cones, tuple(solid for solid, gap_m in zip(kept, away_m.tolist(), strict=True) if gap_m <= NEAR_M)


def moved(cone: Cone, source: LocalFrame, target: LocalFrame) -> Cone:
    """Return a cone of one frame in another."""
    start = target.to_enu(source.to_geo(cone.start))
    end = target.to_enu(source.to_geo(cone.start.plus(cone.axis, cone.length_m)))
    way = end.minus(start)
    return cone._replace(start=start, axis=way.unit(), length_m=way.norm())


def solids_of(cones: Iterable[Cone], frame: LocalFrame, clearance_m: float) -> tuple[Solid, ...]:
    """Return cones as what goes with a route: the drone then judges the very bodies that the planner kept away from."""
    return tuple(
        Solid(
            name=cone.name[:40],
            start=rounded(frame.to_geo(cone.start)),
            end=rounded(frame.to_geo(cone.start.plus(cone.axis, cone.length_m))),
            radius_m=_rounded_up(cone.start_radius_m),
            end_radius_m=_rounded_up(cone.end_radius_m),
            clearance_m=clearance_m,
        )
        for cone in cones
    )


def rounded(point: GeoPoint) -> GeoPoint:
    """Return a point to the millimetre."""
    return GeoPoint(lat_deg=round(point.lat_deg, 8), lon_deg=round(point.lon_deg, 8), alt_m=round(point.alt_m, 3))


def _rounded_up(radius_m: float) -> float:
    """Return a radius in whole millimetres that is no smaller; a hair over a millimetre is arithmetic, not size."""
    return math.ceil(radius_m * 1000.0 - 1e-6) / 1000.0


def _between(name: str, start: Enu, end: Enu, radius_m: float) -> Cone:
    way = end.minus(start)
    return Cone(name, start, way.unit(), way.norm(), radius_m, radius_m)
