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
_ABOVE_HOME = frozenset({FRAME_GLOBAL_RELATIVE_ALT, FRAME_GLOBAL_RELATIVE_ALT_INT})
NAV_WAYPOINT = 16
NAV_LOITER_TURNS = 18
NAV_RETURN_TO_LAUNCH = 20
DO_CHANGE_SPEED = 178
DO_MOUNT_CONTROL = 205
DO_GIMBAL_MANAGER_PITCHYAW = 1000
VIDEO_START_CAPTURE = 2500
VIDEO_STOP_CAPTURE = 2501
_MOUNT_MODE_MAVLINK_TARGETING = 2
_SPEED_TYPE_GROUND = 1
_YAW_LOCK = 16
"""GIMBAL_MANAGER_FLAGS_YAW_LOCK: yaw is counted from north, not from the nose."""
KEPT_PARAMS: dict[int, tuple[int, ...]] = {
    NAV_WAYPOINT: (0,),
    NAV_LOITER_TURNS: (0, 2),
    NAV_RETURN_TO_LAUNCH: (),
    DO_CHANGE_SPEED: (0, 1, 2),
    DO_MOUNT_CONTROL: (0, 1, 2),
    DO_GIMBAL_MANAGER_PITCHYAW: (0, 1, 2, 3),
    VIDEO_START_CAPTURE: (0,),
    VIDEO_STOP_CAPTURE: (0,),
}
"""Which of parameters 1 to 4 ArduPilot stores of each command; the others read back as 0 (AP_Mission.cpp)."""
_PLACES = frozenset({NAV_WAYPOINT, NAV_LOITER_TURNS, *range(5000, 5005), 5100})
_ALTITUDES = frozenset({NAV_WAYPOINT, NAV_LOITER_TURNS, 5100})


class Item(NamedTuple):
    """One MISSION_ITEM_INT; x and y are degrees * 1e7 for places, else 0."""

    command: int
    frame: int = FRAME_GLOBAL_INT
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    x: int = 0
    y: int = 0
    z: float = 0.0

    def same(self, other: Item) -> bool:
        """Compare with an item read back, in what the autopilot keeps: it normalises the rest.

        Frames 6 and 3 are the same height above home; actions lose their frame, parameters that a command does not
        use lose their value, fence corners their height.
        """
        kept = KEPT_PARAMS.get(self.command, (0,))
        same_numbers = all(math.isclose(self.params[i], other.params[i], rel_tol=1e-5, abs_tol=2e-2) for i in kept)
        return self.command == other.command and same_numbers and self._same_place(other)

    def _same_place(self, other: Item) -> bool:
        if self.command == DO_GIMBAL_MANAGER_PITCHYAW:
            return self.x == other.x
        if self.command not in _PLACES:
            return True
        if abs(self.x - other.x) > 1 or abs(self.y - other.y) > 1:
            return False
        if self.command not in _ALTITUDES:
            return True
        same_datum = (self.frame in _ABOVE_HOME) == (other.frame in _ABOVE_HOME)
        return same_datum and math.isclose(self.z, other.z, abs_tol=2e-2)


class Itinerary(NamedTuple):
    """Items in order (item 0 is home) and, for each waypoint from ``first`` on, the item that reaches it."""

    items: tuple[Item, ...]
    item_of_waypoint: tuple[int, ...]
    first: int = 0

    def waypoint_reached(self, item_seq: int) -> int:
        """Return the index of the last waypoint at or before an item that was reached; ``first`` - 1 for none."""
        return self.first + sum(1 for seq in self.item_of_waypoint if seq <= item_seq) - 1

    @property
    def return_item(self) -> int:
        """Return the item that goes home."""
        return len(self.items) - 1


def itinerary_of(route: Route, home: GeoPoint, first: int = 0, *, gimbal_turns: bool = False) -> Itinerary:
    """Return the mission that flies a route from its waypoint ``first`` on.

    Speed and camera direction stand before the waypoint they lead to, so that they change on the leg towards it;
    video starts and stops after the waypoint. A mission that joins a route where it was filming starts filming on
    its first waypoint, so that the leg behind it is filmed whole. Altitudes become metres above ``home``. A gimbal that
    turns sideways is told where to look from north; one that does not has the aircraft turned.

    Raises:
        UnsafeRoute: More items than the autopilot stores.

    """
    items = [_place(home, home)]
    reached_by: list[int] = []
    speed_mps: float | None = None
    direction: tuple[float, float] | None = None
    for waypoint in route.waypoints[first:]:
        if waypoint.speed_mps != speed_mps:
            speed_mps = waypoint.speed_mps
            items.append(Item(DO_CHANGE_SPEED, params=(_SPEED_TYPE_GROUND, speed_mps, -1.0, 0.0)))
        if (waypoint.camera_yaw_deg, waypoint.camera_pitch_deg) != direction:
            direction = (waypoint.camera_yaw_deg, waypoint.camera_pitch_deg)
            items.append(_turn(waypoint) if gimbal_turns else _look(waypoint))
        reached_by.append(len(items))
        items.append(_orbit(waypoint, home) if waypoint.orbit else _place(waypoint.point, home))
        items += _action(_action_on_joining(route, first) if len(reached_by) == 1 else waypoint.action)
    items.append(Item(NAV_RETURN_TO_LAUNCH))
    if len(items) > MAX_ITEMS:
        raise UnsafeRoute(f"The route needs {len(items)} mission items; the autopilot stores {MAX_ITEMS}.")
    return Itinerary(tuple(items), tuple(reached_by), first)


def filming_before(route: Route, index: int) -> bool:
    """Tell whether the camera records on the leg to a waypoint."""
    actions = [w.action for w in route.waypoints[:index] if w.action is not WaypointAction.NONE]
    return bool(actions) and actions[-1] is WaypointAction.START_VIDEO


def _action_on_joining(route: Route, first: int) -> WaypointAction:
    own = route.waypoints[first].action
    goes_on = own is WaypointAction.NONE and filming_before(route, first)
    return WaypointAction.START_VIDEO if goes_on else own


def _place(point: GeoPoint, home: GeoPoint) -> Item:
    return Item(
        NAV_WAYPOINT,
        frame=FRAME_GLOBAL_RELATIVE_ALT_INT,
        x=round(point.lat_deg * 1e7),
        y=round(point.lon_deg * 1e7),
        z=point.alt_m - home.alt_m,
    )


def _orbit(waypoint: Waypoint, home: GeoPoint) -> Item:
    """Return NAV_LOITER_TURNS: parameter 3 is the radius, negative for turns against the clock."""
    if waypoint.orbit is None:
        raise UnsafeRoute(f"Waypoint {waypoint.seq} has no orbit.")
    radius_m = math.copysign(orbit_radius_m(waypoint.orbit.radius_m), 1.0 if waypoint.orbit.clockwise else -1.0)
    place = _place(waypoint.point, home)
    return place._replace(command=NAV_LOITER_TURNS, params=(float(waypoint.orbit.turns), 0.0, radius_m, 0.0))


def orbit_radius_m(radius_m: float) -> float:
    """Return the radius as flown: ArduPilot stores whole metres."""
    return float(round(radius_m))


def _turn(waypoint: Waypoint) -> Item:
    """Return DO_GIMBAL_MANAGER_PITCHYAW, in the whole degrees that ArduPilot keeps.

    DO_MOUNT_CONTROL would not do: its yaw is the nose's for a gimbal that pans (ArduCopter mode_auto.cpp,
    ``do_mount_control``: ``set_angle_target(..., yaw_is_earth_frame=false)``).
    """
    yaw_deg = (round(waypoint.camera_yaw_deg) + 180) % 360 - 180
    params = (float(round(waypoint.camera_pitch_deg)), float(yaw_deg), 0.0, 0.0)
    return Item(DO_GIMBAL_MANAGER_PITCHYAW, params=params, x=_YAW_LOCK)


def _look(waypoint: Waypoint) -> Item:
    """Return DO_MOUNT_CONTROL: ArduCopter turns its nose to the yaw where the gimbal does not pan."""
    pitch_deg, yaw_deg = waypoint.camera_pitch_deg, waypoint.camera_yaw_deg
    return Item(DO_MOUNT_CONTROL, params=(pitch_deg, 0.0, yaw_deg, 0.0), z=_MOUNT_MODE_MAVLINK_TARGETING)


def _action(action: WaypointAction) -> list[Item]:
    commands = {WaypointAction.START_VIDEO: VIDEO_START_CAPTURE, WaypointAction.STOP_VIDEO: VIDEO_STOP_CAPTURE}
    return [Item(commands[action])] if action in commands else []
