"""A route as the autopilot's mission items, and back from item to waypoint."""

from __future__ import annotations

import math
from typing import NamedTuple

from contracts.geo import GeoPoint
from contracts.routes import Route, Waypoint, WaypointAction
from edge.refusals import UnsafeRoute

MAX_ITEMS = 650
"""What ArduCopter stores."""
FRAME_GLOBAL_INT = 0
FRAME_GLOBAL_RELATIVE_ALT = 3
FRAME_GLOBAL_RELATIVE_ALT_INT = 6
NAV_WAYPOINT = 16
NAV_RETURN_TO_LAUNCH = 20
DO_CHANGE_SPEED = 178
DO_MOUNT_CONTROL = 205
VIDEO_START_CAPTURE = 2500
VIDEO_STOP_CAPTURE = 2501
_MOUNT_MODE_MAVLINK_TARGETING = 2
_SPEED_TYPE_GROUND = 1


class Item(NamedTuple):
    """One MISSION_ITEM_INT; x and y are degrees * 1e7 for places, else 0."""

    command: int
    frame: int = FRAME_GLOBAL_INT
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    x: int = 0
    y: int = 0
    z: float = 0.0

    def same(self, other: Item) -> bool:
        """Compare with an item read back: the autopilot normalises frames (6 to 3, 0 for actions)."""
        same_numbers = all(
            math.isclose(a, b, rel_tol=1e-5, abs_tol=2e-2)
            for a, b in zip((*self.params, self.z), (*other.params, other.z), strict=True)
        )
        same_place = abs(self.x - other.x) <= 1 and abs(self.y - other.y) <= 1
        return self.command == other.command and same_numbers and same_place


class Itinerary(NamedTuple):
    """Items in order (item 0 is home) and, for each waypoint, the item that reaches it."""

    items: tuple[Item, ...]
    item_of_waypoint: tuple[int, ...]

    def waypoint_reached(self, item_seq: int) -> int:
        """Return the index of the last waypoint at or before an item that was reached; -1 for none."""
        return sum(1 for seq in self.item_of_waypoint if seq <= item_seq) - 1

    @property
    def return_item(self) -> int:
        """Return the item that goes home."""
        return len(self.items) - 1


def itinerary_of(route: Route, home: GeoPoint) -> Itinerary:
    """Return the mission that flies a route.

    Speed and camera direction stand before the waypoint they lead to, so that they change on the leg towards it;
    video starts and stops after the waypoint. Altitudes become metres above ``home``.

    Raises:
        UnsafeRoute: More items than the autopilot stores.

    """
    items = [_place(home, home)]
    reached_by: list[int] = []
    speed_mps: float | None = None
    direction: tuple[float, float] | None = None
    for waypoint in route.waypoints:
        if waypoint.speed_mps != speed_mps:
            speed_mps = waypoint.speed_mps
            items.append(Item(DO_CHANGE_SPEED, params=(_SPEED_TYPE_GROUND, speed_mps, -1.0, 0.0)))
        if (waypoint.camera_yaw_deg, waypoint.camera_pitch_deg) != direction:
            direction = (waypoint.camera_yaw_deg, waypoint.camera_pitch_deg)
            items.append(_look(waypoint))
        reached_by.append(len(items))
        items.append(_place(waypoint.point, home))
        items += _action(waypoint.action)
    items.append(Item(NAV_RETURN_TO_LAUNCH))
    if len(items) > MAX_ITEMS:
        raise UnsafeRoute(f"The route needs {len(items)} mission items; the autopilot stores {MAX_ITEMS}.")
    return Itinerary(tuple(items), tuple(reached_by))


def _place(point: GeoPoint, home: GeoPoint) -> Item:
    return Item(
        NAV_WAYPOINT,
        frame=FRAME_GLOBAL_RELATIVE_ALT_INT,
        x=round(point.lat_deg * 1e7),
        y=round(point.lon_deg * 1e7),
        z=point.alt_m - home.alt_m,
    )


def _look(waypoint: Waypoint) -> Item:
    pitch_deg, yaw_deg = waypoint.camera_pitch_deg, waypoint.camera_yaw_deg
    return Item(DO_MOUNT_CONTROL, params=(pitch_deg, 0.0, yaw_deg, 0.0), z=_MOUNT_MODE_MAVLINK_TARGETING)


def _action(action: WaypointAction) -> list[Item]:
    commands = {WaypointAction.START_VIDEO: VIDEO_START_CAPTURE, WaypointAction.STOP_VIDEO: VIDEO_STOP_CAPTURE}
    return [Item(commands[action])] if action in commands else []
