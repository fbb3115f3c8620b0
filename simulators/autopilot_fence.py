"""The autopilot's own fence: height, circle about home, polygons and circles, as ArduCopter checks them."""

from __future__ import annotations

import math

from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.geo import Enu, GeoPoint
from simulators.autopilot_items import POLYGONS
from simulators.autopilot_pilot import Pilot
from simulators.autopilot_state import Item

_HEIGHT, _CIRCLE, _SHAPES = 1, 2, 4
_INCLUSION = frozenset({mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION, mav.MAV_CMD_NAV_FENCE_CIRCLE_INCLUSION})
Corner = tuple[float, float]


def inside_polygon(east: float, north: float, corners: list[Corner]) -> bool:
    """Return whether a point is inside a polygon, by the even-odd rule."""
    inside = False
    for (e0, n0), (e1, n1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (n0 > north) != (n1 > north) and east < e0 + (north - n0) / (n1 - n0) * (e1 - e0):
            inside = not inside
    return inside


class Fence:
    """Says which rule a place breaks, in the units of FENCE_STATUS: 0 none, 1 height, 2 and 3 boundary."""

    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot
        self._shapes: list[tuple[bool, list[Corner] | tuple[Corner, float]]] = []
        self.rebuild()

    @property
    def enabled(self) -> bool:
        """Return whether the fence is checked."""
        return self._pilot.state.params["FENCE_ENABLE"] == 1

    def rebuild(self) -> None:
        """Take up the stored fence items."""
        self._shapes, items, index = [], self._pilot.state.fence, 0
        while index < len(items):
            item = items[index]
            count = int(item.p1) if item.command in POLYGONS else 1
            if item.command in POLYGONS:
                corners = [self._corner(vertex) for vertex in items[index : index + count]]
                self._shapes.append((item.command in _INCLUSION, corners))
            elif item.command != mav.MAV_CMD_NAV_FENCE_RETURN_POINT:
                self._shapes.append((item.command in _INCLUSION, (self._corner(item), item.p1)))
            index += count

    def breach(self, place: Enu) -> int:
        """Return the FENCE_BREACH type of ``place``; 0 where the fence is off or kept."""
        params = self._pilot.state.params
        kinds = int(params["FENCE_TYPE"])
        if not self.enabled:
            return 0
        if kinds & _HEIGHT and place.up > params["FENCE_ALT_MAX"]:
            return int(mav.FENCE_BREACH_MAXALT)
        if kinds & _CIRCLE and math.hypot(place.east, place.north) > params["FENCE_RADIUS"]:
            return int(mav.FENCE_BREACH_BOUNDARY)
        if kinds & _SHAPES and not all(self._kept(place, *shape) for shape in self._shapes):
            return int(mav.FENCE_BREACH_BOUNDARY)
        return 0

    def _corner(self, item: Item) -> Corner:
        point = GeoPoint(lat_deg=item.x / 1e7, lon_deg=item.y / 1e7, alt_m=self._pilot.home.alt_m)
        east, north, _ = self._pilot.frame.to_enu(point)
        return east, north

    @staticmethod
    def _kept(place: Enu, inclusion: bool, shape: list[Corner] | tuple[Corner, float]) -> bool:
        if isinstance(shape, list):
            return inside_polygon(place.east, place.north, shape) == inclusion
        (east, north), radius_m = shape
        return (math.hypot(place.east - east, place.north - north) <= radius_m) == inclusion
