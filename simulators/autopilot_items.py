"""Which mission items the simulated autopilot understands, and how it keeps them."""

from __future__ import annotations

import math
from typing import Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.geo import Enu, GeoPoint
from simulators.autopilot_pilot import Pilot
from simulators.autopilot_state import Item

MAX_ITEMS: Final = 650
PLACES: Final = frozenset(
    {
        mav.MAV_CMD_NAV_WAYPOINT,
        mav.MAV_CMD_NAV_LOITER_UNLIM,
        mav.MAV_CMD_NAV_LOITER_TIME,
        mav.MAV_CMD_NAV_LOITER_TURNS,
    }
)
NAVIGATION: Final = PLACES | {
    mav.MAV_CMD_NAV_TAKEOFF,
    mav.MAV_CMD_NAV_RETURN_TO_LAUNCH,
    mav.MAV_CMD_NAV_LAND,
    mav.MAV_CMD_NAV_DELAY,
}
ACTIONS: Final = frozenset(
    {
        mav.MAV_CMD_DO_CHANGE_SPEED,
        mav.MAV_CMD_DO_MOUNT_CONTROL,
        mav.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW,
        mav.MAV_CMD_VIDEO_START_CAPTURE,
        mav.MAV_CMD_VIDEO_STOP_CAPTURE,
    }
)
FENCES: Final = frozenset(range(mav.MAV_CMD_NAV_FENCE_RETURN_POINT, mav.MAV_CMD_NAV_FENCE_CIRCLE_EXCLUSION + 1))
RALLY_POINTS: Final = frozenset({mav.MAV_CMD_NAV_RALLY_POINT})
_KEPT: Final[dict[int, tuple[int, ...]]] = {
    mav.MAV_CMD_NAV_WAYPOINT: (0,),
    mav.MAV_CMD_NAV_LOITER_UNLIM: (2,),
    mav.MAV_CMD_NAV_LOITER_TIME: (0, 2),
    mav.MAV_CMD_NAV_LOITER_TURNS: (0, 2),
    mav.MAV_CMD_NAV_TAKEOFF: (0,),
    mav.MAV_CMD_NAV_RETURN_TO_LAUNCH: (),
    mav.MAV_CMD_NAV_LAND: (0,),
    mav.MAV_CMD_DO_CHANGE_SPEED: (0, 1, 2),
    mav.MAV_CMD_DO_MOUNT_CONTROL: (0, 1, 2),
    mav.MAV_CMD_VIDEO_START_CAPTURE: (0,),
    mav.MAV_CMD_VIDEO_STOP_CAPTURE: (0,),
}
"""Which of parameters 1 to 4 each command keeps in ArduCopter's storage (AP_Mission); the others read back as 0."""
_KEPT_WITHOUT_HEIGHT: Final = frozenset(
    {mav.MAV_CMD_DO_MOUNT_CONTROL, mav.MAV_CMD_DO_CHANGE_SPEED, mav.MAV_CMD_NAV_RETURN_TO_LAUNCH}
)
POLYGONS: Final = frozenset(
    {mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION, mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_EXCLUSION}
)
ABOVE_SEA, ABOVE_HOME = 0, 3
_FRAMES: Final = {0: ABOVE_SEA, 5: ABOVE_SEA, 3: ABOVE_HOME, 6: ABOVE_HOME}
_EARTH_FRAME_YAW: Final = mav.GIMBAL_MANAGER_FLAGS_YAW_LOCK


def refusal(item: Item, mission_type: int) -> int:
    """Return the MAV_MISSION_RESULT that refuses ``item``, or 0 (accepted)."""
    lists = {mav.MAV_MISSION_TYPE_FENCE: FENCES, mav.MAV_MISSION_TYPE_RALLY: RALLY_POINTS}
    known = lists.get(mission_type, NAVIGATION | ACTIONS)
    placed = item.command in PLACES | FENCES | RALLY_POINTS
    if item.command not in known:
        return int(mav.MAV_MISSION_UNSUPPORTED)
    if placed and item.frame not in _FRAMES:
        return int(mav.MAV_MISSION_UNSUPPORTED_FRAME)
    if placed and abs(item.x) > 900_000_000:
        return int(mav.MAV_MISSION_INVALID_PARAM5_X)
    if placed and abs(item.y) > 1_800_000_000:
        return int(mav.MAV_MISSION_INVALID_PARAM6_Y)
    if not math.isfinite(item.z):
        return int(mav.MAV_MISSION_INVALID_PARAM7)
    return 0


def normalised(item: Item) -> Item:
    """Return ``item`` as the autopilot stores and reads it back: float frames, no NaN, actions without a frame."""
    params = [value if math.isfinite(value) else 0.0 for value in (item.p1, item.p2, item.p3, item.p4)]
    kept = _KEPT.get(item.command, (0, 1, 2, 3))
    p1, p2, p3, p4 = (value if index in kept else 0.0 for index, value in enumerate(params))
    frame = ABOVE_SEA if item.command in ACTIONS else _FRAMES.get(item.frame, ABOVE_SEA)
    # Heights are stored in whole centimetres, an orbit's radius in whole metres.
    z = 0.0 if item.command in _KEPT_WITHOUT_HEIGHT else round(item.z, 2)
    p3 = float(round(p3)) if item.command == mav.MAV_CMD_NAV_LOITER_TURNS else p3
    if item.command == mav.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW:  # int8_t and int16_t of whole degrees (AP_Mission.h)
        p1, p2 = float(int(p1)), float(int(p2))
    return item._replace(frame=frame, p1=p1, p2=p2, p3=p3, p4=p4, z=z)


def fence_is_sound(items: list[Item]) -> bool:
    """Return whether every polygon has as many consecutive vertices as each of them says."""
    index = 0
    while index < len(items):
        item = items[index]
        if item.command not in POLYGONS:
            index += 1
            continue
        count = int(item.p1)
        group = items[index : index + count]
        if count < 3 or len(group) != count or any((i.command, int(i.p1)) != (item.command, count) for i in group):
            return False
        index += count
    return True


def place(item: Item, pilot: Pilot, geoid_m: float) -> Enu:
    """Return where ``item`` is; latitude and longitude 0 mean "here", as in ArduCopter."""
    here = pilot.frame.to_geo(pilot.state.position)
    lat, lon = (item.x / 1e7, item.y / 1e7) if item.x or item.y else (here.lat_deg, here.lon_deg)
    alt_m = pilot.home.alt_m + item.z if _FRAMES.get(item.frame) == ABOVE_HOME else item.z + geoid_m
    return pilot.frame.to_enu(GeoPoint(lat_deg=lat, lon_deg=lon, alt_m=alt_m))


def act(item: Item, pilot: Pilot) -> bool:
    """Carry out an item that is not a place to go to; return whether it made sense."""
    if item.command == mav.MAV_CMD_DO_CHANGE_SPEED:
        return _change_speed(item, pilot)
    if item.command == mav.MAV_CMD_DO_MOUNT_CONTROL:
        pilot.look(item.p1, item.p3)
    elif item.command == mav.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW:
        turn = 0.0 if int(item.x) & _EARTH_FRAME_YAW else pilot.state.craft.body.yaw_deg
        pilot.look(item.p1, item.p2 + turn)
    elif item.command == mav.MAV_CMD_VIDEO_START_CAPTURE:
        pilot.state.controls.recording = True
    elif item.command == mav.MAV_CMD_VIDEO_STOP_CAPTURE:
        pilot.state.controls.recording = False
    else:
        return False
    return True


def _change_speed(item: Item, pilot: Pilot) -> bool:
    """Apply DO_CHANGE_SPEED: parameter 1 says which (0, 1 along the ground, 2 climb, 3 descent), 2 the speed."""
    kind, speed = int(item.p1), item.p2
    if speed <= 0.0:
        return False
    if kind in {0, 1}:
        pilot.set_speed(speed)
    elif kind == 2:
        pilot.state.params["WPNAV_SPEED_UP"] = min(500.0, speed * 100)
    elif kind == 3:
        pilot.state.params["WPNAV_SPEED_DN"] = min(500.0, speed * 100)
    else:
        return False
    return True
