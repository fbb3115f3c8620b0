"""The solid parts of an asset in local metres, and how far a piece of path stays from each. Pure and exact."""

from __future__ import annotations

import math
from typing import NamedTuple

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Route, Solid
from edge.geometry import Leg, Piece, chords_of, legs_apart_m, to_axis_m

STANDOFF_TOLERANCE_M = 0.5
"""A planned pass lies at its standoff to the millimetre, and coordinates are rounded."""
CLEARANCE_TOLERANCE_M = 0.2
"""A planner may judge a clearance at places two metres apart: between them a leg comes nearer by 0.13 m at 4 m."""
STANDOFF_SHARE = 0.5
"""Of what a route keeps from a solid, what an aircraft that sways in the wind keeps all the same."""
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_EXACT_M = 0.001


def place_of(point: GeoPoint, frame: LocalFrame) -> Enu:
    """Return a place as the autopilot flies it: level metres from home, and height above home by altitude."""
    level = frame.to_enu(point)
    return Enu(level.east, level.north, point.alt_m - frame.origin.alt_m)


class Body(NamedTuple):
    """A solid in local metres."""

    name: str
    axis: Leg
    radius_m: float
    end_radius_m: float | None
    """None: a capsule; else a cone with flat ends."""
    kept_m: float
    """What a route promises to keep from its surface."""
    tolerance_m: float

    def apart_m(self, piece: Piece, enough_m: float = math.inf) -> float:
        """Return how far a piece of path stays from the surface; inside a cone 0, inside a capsule negative.

        From ``enough_m`` on the number may be too small, never too large: it is then not worked out to the end.
        """
        thickest_m = max(self.radius_m, self.end_radius_m or 0.0)
        around_m = to_axis_m(piece, self.axis) - thickest_m
        if self.end_radius_m is None or around_m >= enough_m:
            return around_m
        legs, error_m = chords_of(piece)
        return max(0.0, min(self._leg_m(leg, enough_m) for leg in legs) - error_m)

    def _leg_m(self, leg: Leg, enough_m: float) -> float:
        """The distance to a convex body is convex along a straight line, so that thirds of it close in on the least."""
        thickest_m = max(self.radius_m, self.end_radius_m or 0.0)
        if (around_m := legs_apart_m(leg, self.axis) - thickest_m) >= enough_m:
            return around_m
        way = leg.end.minus(leg.start)
        low, high, length_m = 0.0, 1.0, way.norm()
        least = min(self._cone_m(leg.start), self._cone_m(leg.end))
        left, right = 1.0 - _GOLDEN, _GOLDEN
        at_left, at_right = self._cone_m(leg.start.plus(way, left)), self._cone_m(leg.start.plus(way, right))
        while (high - low) * length_m > _EXACT_M:
            if at_left <= at_right:
                high, right, at_right = right, left, at_left
                left = high - _GOLDEN * (high - low)
                at_left = self._cone_m(leg.start.plus(way, left))
            else:
                low, left, at_left = left, right, at_right
                right = low + _GOLDEN * (high - low)
                at_right = self._cone_m(leg.start.plus(way, right))
        return min(least, at_left, at_right)

    def _cone_m(self, place: Enu) -> float:
        """Return the distance of a place to the flat-ended cone; 0 inside."""
        way, offset = self.axis.end.minus(self.axis.start), place.minus(self.axis.start)
        length_m = way.norm()
        along_m = offset.dot(way) / length_m if length_m > 0.0 else 0.0
        beyond_m = math.sqrt(max(0.0, offset.dot(offset) - along_m * along_m)) - self.radius_m
        slope = ((self.end_radius_m or 0.0) - self.radius_m) / length_m if length_m > 0.0 else 0.0
        clamped_m = min(max(along_m, 0.0), length_m)
        if beyond_m <= slope * clamped_m:
            return abs(along_m - clamped_m)
        foot_m = min(max((along_m + slope * beyond_m) / (1.0 + slope * slope), 0.0), length_m)
        return math.hypot(along_m - foot_m, beyond_m - slope * foot_m)


def bodies_of(route: Route, home: GeoPoint) -> tuple[Body, ...]:
    """Return a route's solids in metres from home."""
    frame = LocalFrame(home)
    return tuple(_body(solid, route.standoff_m, frame) for solid in route.solids)


def _body(solid: Solid, standoff_m: float, frame: LocalFrame) -> Body:
    axis = Leg(place_of(solid.start, frame), place_of(solid.end, frame))
    kept = (standoff_m, STANDOFF_TOLERANCE_M)
    if solid.clearance_m is not None:
        kept = (solid.clearance_m, CLEARANCE_TOLERANCE_M)
    return Body(solid.name or "the asset", axis, solid.radius_m, solid.end_radius_m, *kept)
