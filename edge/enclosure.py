"""A route's fence as the autopilot's own fence items (mission type 1), and rally points (type 2)."""

from __future__ import annotations

import math

from contracts.geo import GeoPoint
from contracts.routes import Corner, Fence, Zone, ZoneKind
from edge.itinerary import FRAME_GLOBAL_INT, FRAME_GLOBAL_RELATIVE_ALT, Item

_POLYGON = {ZoneKind.STAY_IN: 5001, ZoneKind.KEEP_OUT: 5002}
_CIRCLE = {ZoneKind.STAY_IN: 5003, ZoneKind.KEEP_OUT: 5004}
_RALLY_POINT = 5100


def fence_items(fence: Fence) -> tuple[Item, ...]:
    """Return the cylinder as a circle to stay in, then each zone: a vertex says how many its polygon has."""
    centre = Corner(lat_deg=fence.centre.lat_deg, lon_deg=fence.centre.lon_deg)
    items = [_circle(ZoneKind.STAY_IN, centre, fence.radius_m)]
    for zone in fence.zones:
        items += _zone(zone)
    return tuple(items)


def rally_item(point: GeoPoint, alt_rel_m: float) -> Item:
    """Return a place to return to instead of home, at a height above home."""
    x, y = round(point.lat_deg * 1e7), round(point.lon_deg * 1e7)
    return Item(_RALLY_POINT, frame=FRAME_GLOBAL_RELATIVE_ALT, x=x, y=y, z=alt_rel_m)


def _zone(zone: Zone) -> list[Item]:
    if zone.centre is not None and zone.radius_m is not None:
        return [_circle(zone.kind, zone.centre, zone.radius_m)]
    count = float(len(zone.corners))
    return [_at(_POLYGON[zone.kind], corner, count) for corner in zone.corners]


def _circle(kind: ZoneKind, centre: Corner, radius_m: float) -> Item:
    """Return a circle of whole metres (some autopilots keep no more), rounded to the safe side."""
    whole_m = math.floor(radius_m) if kind is ZoneKind.STAY_IN else math.ceil(radius_m)
    return _at(_CIRCLE[kind], centre, float(whole_m))


def _at(command: int, corner: Corner, number: float) -> Item:
    x, y = round(corner.lat_deg * 1e7), round(corner.lon_deg * 1e7)
    return Item(command, frame=FRAME_GLOBAL_INT, params=(number, 0.0, 0.0, 0.0), x=x, y=y)
