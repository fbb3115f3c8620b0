"""MAVLink messages into the agent's own words: one picture of the aircraft, and the camera's track."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from contracts.geo import GeoPoint, Pose, interpolate_yaw_deg
from contracts.media import PoseSample
from edge.aircraft import WATCHED, Aircraft, Attitude, Fix, Landed, MissionState
from edge.backends.mavlink_modes import ARDUPILOT, STACKS, Stack
from edge.returns import Habit

_ARMED = 128
_YAW_LOCK, _YAW_IN_VEHICLE_FRAME, _YAW_IN_EARTH_FRAME = 16, 32, 64
_UNKNOWN_U16 = 65_535
_REBOOT_MS = 5_000
_FIX_3D = 3
_MOST_GEOID_M = 120.0
"""Beyond any on Earth (EGM2008: -107 to 86 m)."""
_OLDEST_SANE_US = 1_767_225_600_000_000
"""2026-01-01: an autopilot without GPS time counts from 1970, or from what its chip once knew."""
SILENT_S = 2.5
"""With a look ten times a second and a heartbeat at 1 Hz at least, silence is told well within 3 s."""
_GUESS_AFTER_S = 5.0
_UNTOLD_S = 5.0
"""The slowest of ``WATCHED`` are asked for once a second; a charge that old counts as unknown."""
_STANDBY, _ACTIVE = 3, 4
_PREARM_CHECK = 268_435_456


class PictureMaker:
    """Takes messages one by one (reader's thread only); ``picture`` may be read from any thread."""

    def __init__(self, on_pose: Callable[[PoseSample], None], geoid_m: float | None) -> None:
        self._on_pose = on_pose
        self._geoid_m = geoid_m
        self._offset_us: int | None = None
        self._boot_ms = 0
        self._heard_at = self._first_heard_at = -math.inf
        self._ever_connected = False
        self._stack: Stack = STACKS[ARDUPILOT]
        self._picture = Aircraft()
        self._positions: deque[Fix] = deque(maxlen=40)
        self._camera: tuple[int, Attitude] | None = None
        self._told_at: dict[str, float] = {}
        self._take = {
            "HEARTBEAT": self._heartbeat,
            "SYSTEM_TIME": self._system_time,
            "GPS_RAW_INT": self._gps,
            "GLOBAL_POSITION_INT": self._position,
            "ATTITUDE": self._attitude,
            "GIMBAL_DEVICE_ATTITUDE_STATUS": self._gimbal,
            "SYS_STATUS": self._sys_status,
            "EXTENDED_SYS_STATE": self._extended,
            "HOME_POSITION": self._home,
            "MISSION_CURRENT": self._mission_current,
            "MISSION_ITEM_REACHED": self._reached,
            "WIND": self._wind,
            "EKF_STATUS_REPORT": self._estimator,
            "ESTIMATOR_STATUS": self._estimator,
            "AUTOPILOT_VERSION": self._version,
            "CAMERA_INFORMATION": self._camera_information,
            "GIMBAL_MANAGER_INFORMATION": self._gimbal_manager,
        }

    @property
    def picture(self) -> Aircraft:
        """Return the latest picture; connected while heartbeats come and the landed state is known."""
        alive = time.monotonic() - self._heard_at < SILENT_S and self._picture.landed is not Landed.UNDEFINED
        self._ever_connected = self._ever_connected or alive
        untold = self._untold()
        state = self._picture.mission_state
        if state is MissionState.UNKNOWN and self._picture.mode == "AUTO":  # autopilots before MISSION_CURRENT told it
            state = MissionState.ACTIVE
        seen = self._picture._replace(connected=alive, heard=self._ever_connected, mission_state=state, untold=untold)
        return seen._replace(battery_percent=None, battery_v=None) if "SYS_STATUS" in untold else seen

    def take(self, message: Any) -> None:
        """Work a message into the picture."""
        kind = message.get_type()
        if kind in WATCHED:
            self._told_at[kind] = time.monotonic()
        if (handler := self._take.get(kind)) is not None:
            handler(message)

    def forget(self) -> None:
        """Forget all: it was another aircraft's."""
        self._picture, self._heard_at, self._boot_ms, self._offset_us = Aircraft(), -math.inf, 0, None
        self._positions.clear()
        self._told_at.clear()
        self._camera = None

    def _untold(self) -> frozenset[str]:
        before = time.monotonic() - _UNTOLD_S
        return frozenset(kind for kind, at in self._told_at.copy().items() if at < before)

    def forget_progress(self) -> None:
        """A new mission is stored: what was reached belongs to the old one."""
        self._picture = self._picture._replace(reached_seq=-1)

    def learn(self, habit: Habit) -> None:
        """Its parameters were read: this is how it returns."""
        self._picture = self._picture._replace(habit=habit)

    def _heartbeat(self, m: Any) -> None:
        stack = STACKS.get(m.autopilot)
        if stack is None:
            return
        now = time.monotonic()
        if now - self._heard_at >= SILENT_S:
            self._first_heard_at = now
            self._picture = self._picture._replace(landed=Landed.UNDEFINED)
        self._heard_at, self._stack = now, stack
        armed, mode = bool(m.base_mode & _ARMED), stack.word(m.custom_mode)
        self._picture = self._picture._replace(autopilot=stack.name, mode=mode, armed=armed)
        if self._picture.landed is Landed.UNDEFINED and now - self._first_heard_at > _GUESS_AFTER_S:
            guess = {_STANDBY: Landed.ON_GROUND, _ACTIVE: Landed.IN_AIR}.get(m.system_status, Landed.UNDEFINED)
            self._picture = self._picture._replace(landed=guess)

    def _system_time(self, m: Any) -> None:
        if m.time_unix_usec >= _OLDEST_SANE_US:
            self._boot_ms = m.time_boot_ms
            self._offset_us = m.time_unix_usec - m.time_boot_ms * 1000
            offset_s = m.time_unix_usec / 1e6 - time.time()
            self._picture = self._picture._replace(clock_set=True, clock_offset_s=offset_s)

    def _utc_us(self, boot_ms: int) -> int | None:
        """Return UTC of the autopilot's clock; nothing between its reboot and its next SYSTEM_TIME."""
        if boot_ms + _REBOOT_MS < self._boot_ms:
            self._offset_us = None
            self._picture = self._picture._replace(clock_set=False, clock_offset_s=None)
        self._boot_ms = boot_ms
        return None if self._offset_us is None else self._offset_us + boot_ms * 1000

    def _gps(self, m: Any) -> None:
        separation_m = (m.alt_ellipsoid - m.alt) / 1000
        told = m.fix_type >= _FIX_3D and m.alt_ellipsoid and abs(separation_m) <= _MOST_GEOID_M
        if self._geoid_m is None and told:  # before its fix a receiver says heights, too
            self._geoid_m = separation_m
        self._picture = self._picture._replace(gps_fix=min(6, m.fix_type), satellites=min(99, m.satellites_visible))

    def _position(self, m: Any) -> None:
        t_us = self._utc_us(m.time_boot_ms)
        if t_us is None or self._geoid_m is None:
            return
        point = GeoPoint(lat_deg=m.lat / 1e7, lon_deg=m.lon / 1e7, alt_m=m.alt / 1000 + self._geoid_m)
        fix = Fix(t_us, point, m.relative_alt / 1000, m.vy / 100, m.vx / 100, -m.vz / 100)
        self._picture = self._picture._replace(fix=fix)
        self._positions.append(fix)
        self._pair()

    def _attitude(self, m: Any) -> None:
        yaw, pitch, roll = (math.degrees(a) for a in (m.yaw, m.pitch, m.roll))
        self._picture = self._picture._replace(attitude=Attitude(yaw % 360, pitch, roll))

    def _gimbal(self, m: Any) -> None:
        t_us = self._utc_us(m.time_boot_ms)
        axis = _euler(m.q)
        if not _yaw_from_north(m.flags):
            axis = axis._replace(yaw_deg=(axis.yaw_deg + self._picture.attitude.yaw_deg) % 360)
        self._picture = self._picture._replace(camera=axis)
        if t_us is not None:
            before, self._camera = self._camera, (t_us, axis)
            self._pair(before)

    def _pair(self, before: tuple[int, Attitude] | None = None) -> None:
        """Send every position whose instant the camera's direction is now known for."""
        while self._camera is not None and self._positions and self._positions[0].t_us <= self._camera[0]:
            fix = self._positions.popleft()
            axis = _between(before or self._camera, self._camera, fix.t_us)
            pose = Pose(point=fix.point, yaw_deg=axis.yaw_deg, pitch_deg=axis.pitch_deg, roll_deg=axis.roll_deg)
            self._on_pose(PoseSample(t_us=fix.t_us, pose=pose))

    def _sys_status(self, m: Any) -> None:
        volts = None if m.voltage_battery in (0, _UNKNOWN_U16) else m.voltage_battery / 1000
        percent = None if m.battery_remaining < 0 else float(min(100, m.battery_remaining))
        told = m.onboard_control_sensors_enabled & _PREARM_CHECK
        ready = bool(m.onboard_control_sensors_health & _PREARM_CHECK) if told else None
        self._picture = self._picture._replace(battery_v=volts, battery_percent=percent, prearm_ok=ready)

    def _extended(self, m: Any) -> None:
        state = Landed(m.landed_state) if m.landed_state in tuple(Landed) else Landed.UNDEFINED
        self._picture = self._picture._replace(landed=state)

    def _home(self, m: Any) -> None:
        self._picture = self._picture._replace(home_sea_level_m=m.altitude / 1000)
        if self._geoid_m is not None:
            home = GeoPoint(
                lat_deg=m.latitude / 1e7, lon_deg=m.longitude / 1e7, alt_m=m.altitude / 1000 + self._geoid_m
            )
            self._picture = self._picture._replace(home=home)

    def _item(self, seq: int) -> int:
        """Return an item's number as the agent counts, where item 0 is home."""
        return seq if self._stack.home_is_item_0 else seq + 1

    def _mission_current(self, m: Any) -> None:
        state = getattr(m, "mission_state", 0)
        known = MissionState(state) if state in tuple(MissionState) else MissionState.UNKNOWN
        self._picture = self._picture._replace(mission_seq=self._item(m.seq), mission_state=known)

    def _reached(self, m: Any) -> None:
        reached = max(self._item(m.seq), self._picture.reached_seq)
        self._picture = self._picture._replace(reached_seq=reached)

    def _estimator(self, m: Any) -> None:
        self._picture = self._picture._replace(ekf_flags=m.flags)

    def _version(self, m: Any) -> None:
        numbers = ".".join(str(m.flight_sw_version >> shift & 0xFF) for shift in (24, 16, 8))
        self._picture = self._picture._replace(version=numbers, capabilities=m.capabilities)

    def _camera_information(self, m: Any) -> None:
        self._picture = self._picture._replace(camera_flags=m.flags)

    def _gimbal_manager(self, m: Any) -> None:
        self._picture = self._picture._replace(gimbal_flags=m.cap_flags)

    def _wind(self, m: Any) -> None:
        self._picture = self._picture._replace(wind_mps=max(0.0, min(100.0, m.speed)), wind_from_deg=m.direction % 360)


def _yaw_from_north(flags: int) -> bool:
    """Tell what a gimbal's yaw is counted from; without either flag (ArduPilot before 4.6) the lock decides."""
    if flags & (_YAW_IN_VEHICLE_FRAME | _YAW_IN_EARTH_FRAME):
        return bool(flags & _YAW_IN_EARTH_FRAME)
    return bool(flags & _YAW_LOCK)


def _between(start: tuple[int, Attitude], end: tuple[int, Attitude], t_us: int) -> Attitude:
    if end[0] <= start[0] or t_us >= end[0]:
        return end[1]
    share = max(0.0, (t_us - start[0]) / (end[0] - start[0]))
    a, b = start[1], end[1]
    return Attitude(
        interpolate_yaw_deg(a.yaw_deg, b.yaw_deg, share),
        a.pitch_deg + share * (b.pitch_deg - a.pitch_deg),
        a.roll_deg + share * (b.roll_deg - a.roll_deg),
    )


def _euler(q: Any) -> Attitude:
    """Return yaw, pitch, roll of a quaternion (w, x, y, z), north-east-down."""
    w, x, y, z = q
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return Attitude(math.degrees(yaw) % 360, math.degrees(pitch), math.degrees(roll))
