"""What the autopilot says of itself: one method for each message, with the measurement errors of its sensors.

Everything is sampled at the present tick, a whole number of milliseconds since boot, so that times are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.geo import Enu, GeoPoint
from simulators import flight
from simulators.autopilot_modes import Commander
from simulators.autopilot_stack import ARDUPILOT, Stack
from simulators.autopilot_state import Phase
from simulators.flight_air import Sensors

_SENSORS: Final = (
    mav.MAV_SYS_STATUS_SENSOR_3D_GYRO
    | mav.MAV_SYS_STATUS_SENSOR_3D_ACCEL
    | mav.MAV_SYS_STATUS_SENSOR_3D_MAG
    | mav.MAV_SYS_STATUS_SENSOR_GPS
    | mav.MAV_SYS_STATUS_SENSOR_BATTERY
    | mav.MAV_SYS_STATUS_PREARM_CHECK
)
_EKF_READY, _EKF_STARTING = 831, 167
_CAPABILITIES: Final = (
    mav.MAV_PROTOCOL_CAPABILITY_MISSION_INT
    | mav.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
    | mav.MAV_PROTOCOL_CAPABILITY_MAVLINK2
    | mav.MAV_PROTOCOL_CAPABILITY_MISSION_FENCE
    | mav.MAV_PROTOCOL_CAPABILITY_MISSION_RALLY
)
_VERSION: Final = 4 << 24 | 5 << 16 | 5 << 8 | 255
_PX4_VERSION: Final = 1 << 24 | 15 << 16 | 4 << 8 | 255
"""ArduCopter 4.5.5, whose observed behaviour is reproduced, and the PX4 whose documentation was read."""
_GIMBAL_FLAGS: Final = (
    mav.GIMBAL_DEVICE_FLAGS_ROLL_LOCK
    | mav.GIMBAL_DEVICE_FLAGS_PITCH_LOCK
    | mav.GIMBAL_DEVICE_FLAGS_YAW_LOCK
    | mav.GIMBAL_DEVICE_FLAGS_YAW_IN_EARTH_FRAME
)
_LANDED: Final = {
    Phase.GROUND: mav.MAV_LANDED_STATE_ON_GROUND,
    Phase.TAKE_OFF: mav.MAV_LANDED_STATE_TAKEOFF,
    Phase.LAND: mav.MAV_LANDED_STATE_LANDING,
}


def quaternion(roll_deg: float, pitch_deg: float, yaw_deg: float) -> list[float]:
    """Return (w, x, y, z) of yaw, then pitch, then roll (north-east-down)."""
    (cr, sr), (cp, sp), (cy, sy) = (
        (math.cos(math.radians(a) / 2), math.sin(math.radians(a) / 2)) for a in (roll_deg, pitch_deg, yaw_deg)
    )
    return [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]


class Reports:
    """Builds messages from the present state."""

    def __init__(self, commander: Commander, sensors: Sensors, geoid_m: float, stack: Stack = ARDUPILOT) -> None:
        self._commander = commander
        self._stack = stack
        self._state = commander.state
        self._pilot = commander.pilot
        self._sensors = sensors
        self._geoid_m = geoid_m

    def builders(self) -> dict[int, Callable[[], Any]]:
        """Return the method for each message id."""
        return {
            mav.MAVLINK_MSG_ID_HEARTBEAT: self._heartbeat,
            mav.MAVLINK_MSG_ID_SYS_STATUS: self._sys_status,
            mav.MAVLINK_MSG_ID_SYSTEM_TIME: self._system_time,
            mav.MAVLINK_MSG_ID_GPS_RAW_INT: self._gps,
            mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: self._position,
            mav.MAVLINK_MSG_ID_ATTITUDE: self._attitude,
            mav.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS: self._gimbal,
            mav.MAVLINK_MSG_ID_BATTERY_STATUS: self._battery,
            mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: self._extended,
            mav.MAVLINK_MSG_ID_MISSION_CURRENT: self._commander.mission.current,
            mav.MAVLINK_MSG_ID_WIND: self._wind,
            mav.MAVLINK_MSG_ID_HOME_POSITION: self._home,
            mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT: self._ekf,
            mav.MAVLINK_MSG_ID_ESTIMATOR_STATUS: self._estimator,
            mav.MAVLINK_MSG_ID_FENCE_STATUS: self._fence,
            mav.MAVLINK_MSG_ID_CAMERA_FEEDBACK: self._feedback,
            mav.MAVLINK_MSG_ID_AUTOPILOT_VERSION: self._version,
        }

    def _version(self) -> Any:
        nothing = [0] * 8
        return mav.MAVLink_autopilot_version_message(
            _CAPABILITIES,
            _PX4_VERSION if self._stack.px4 else _VERSION,
            0,
            0,
            0,
            nothing,
            nothing,
            nothing,
            0x1209,
            0x5740,
            0,
        )

    def _system_time(self) -> Any:
        return mav.MAVLink_system_time_message(self._state.t_us, self._state.t_ms)

    def _heartbeat(self) -> Any:
        """Return HEARTBEAT."""
        watch = self._state.supervisor
        base = mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | mav.MAV_MODE_FLAG_STABILIZE_ENABLED
        base |= mav.MAV_MODE_FLAG_GUIDED_ENABLED if watch.mode in {3, 4, 6} else 0
        base |= mav.MAV_MODE_FLAG_SAFETY_ARMED if watch.armed else 0
        failing = watch.battery_failsafe or watch.fence_breached or watch.link_lost
        status = mav.MAV_STATE_STANDBY if self._pilot.on_ground else mav.MAV_STATE_ACTIVE
        return mav.MAVLink_heartbeat_message(
            mav.MAV_TYPE_HEXAROTOR,
            self._stack.autopilot,
            base | mav.MAV_MODE_FLAG_MANUAL_INPUT_ENABLED,
            self._stack.custom_mode(watch.mode, self._pilot.phase),
            mav.MAV_STATE_CRITICAL if failing else status,
            3,
        )

    def _measured(self) -> tuple[GeoPoint, Enu]:
        place, velocity = self._pilot.true_place()
        error = self._sensors.position.at(self._state.t_ms / 1000)
        return self._pilot.frame.to_geo(place.plus(error)), velocity

    def _position(self) -> Any:
        point, velocity = self._measured()
        return mav.MAVLink_global_position_int_message(
            self._state.t_ms,
            round(point.lat_deg * 1e7),
            round(point.lon_deg * 1e7),
            round((point.alt_m - self._geoid_m) * 1000),
            round((point.alt_m - self._pilot.home.alt_m) * 1000),
            round(velocity.north * 100),
            round(velocity.east * 100),
            round(-velocity.up * 100),
            round(self._state.craft.body.yaw_deg * 100) % 36000,
        )

    def _gps(self) -> Any:
        point, velocity = self._measured()
        speed = math.hypot(velocity.east, velocity.north)
        course = math.degrees(math.atan2(velocity.east, velocity.north)) % 360.0
        ready = self._state.t_ms >= self._state.ready_at_ms
        fix = mav.GPS_FIX_TYPE_RTK_FIXED if ready else mav.GPS_FIX_TYPE_3D_FIX
        return mav.MAVLink_gps_raw_int_message(
            self._state.t_ms * 1000,
            mav.GPS_FIX_TYPE_NO_FIX if self._commander.blind else fix,
            round(point.lat_deg * 1e7),
            round(point.lon_deg * 1e7),
            round((point.alt_m - self._geoid_m) * 1000),
            70,
            90,
            round(speed * 100),
            round(course * 100) % 36000,
            24 if ready else 9,
            round(point.alt_m * 1000),
            15,
            20,
            50,
        )

    def _attitude(self) -> Any:
        body = self._state.craft.body
        roll_deg, pitch_deg = flight.attitude_deg(body)
        error = self._sensors.attitude.at(self._state.t_ms / 1000)
        yaw = math.radians(flight.turn_deg(0.0, body.yaw_deg + error.east))
        return mav.MAVLink_attitude_message(
            self._state.t_ms, math.radians(roll_deg + error.north), math.radians(pitch_deg + error.up), yaw, 0, 0, 0
        )

    def _gimbal(self) -> Any:
        gimbal = self._state.craft.gimbal
        error = self._sensors.camera.at(self._state.t_ms / 1000)
        attitude = quaternion(error.north, max(-90.0, gimbal.pitch_deg + error.up), gimbal.yaw_deg + error.east)
        return mav.MAVLink_gimbal_device_attitude_status_message(
            0, 0, self._state.t_ms, _GIMBAL_FLAGS, attitude, 0.0, 0.0, 0.0, 0
        )

    def _sys_status(self) -> Any:
        battery = self._state.battery
        healthy = _SENSORS
        if self._commander.not_ready() and self._state.t_ms < 0.6 * self._state.ready_at_ms:
            healthy &= ~mav.MAV_SYS_STATUS_PREARM_CHECK
        return mav.MAVLink_sys_status_message(
            _SENSORS,
            _SENSORS,
            healthy,
            180,
            round(battery.voltage_v * 1000),
            round(battery.current_a * 100),
            int(battery.percent),
            *([0] * 6),
        )

    def _battery(self) -> Any:
        battery = self._state.battery
        volts = round(battery.voltage_v * 1000)
        states = (mav.MAV_BATTERY_CHARGE_STATE_OK, mav.MAV_BATTERY_CHARGE_STATE_LOW)
        failsafe = self._state.supervisor.battery_failsafe
        return mav.MAVLink_battery_status_message(
            0,
            mav.MAV_BATTERY_FUNCTION_ALL,
            mav.MAV_BATTERY_TYPE_LIPO,
            2500,
            [volts] + [65535] * 9,
            round(battery.current_a * 100),
            round(battery.used_wh / 44.4 * 1000),
            round(battery.used_wh * 36),
            int(battery.percent),
            round(max(0.0, battery.capacity_wh - battery.used_wh) / max(battery.load_w, 1.0) * 3600),
            mav.MAV_BATTERY_CHARGE_STATE_CRITICAL if failsafe > 1 else states[failsafe],
        )

    def _extended(self) -> Any:
        landed = _LANDED.get(self._pilot.phase, mav.MAV_LANDED_STATE_IN_AIR)
        return mav.MAVLink_extended_sys_state_message(mav.MAV_VTOL_STATE_UNDEFINED, landed)

    def _wind(self) -> Any:
        air = self._pilot.air
        return mav.MAVLink_wind_message(air.from_deg, air.speed_mps(self._state.t_ms / 1000), 0.0)

    def _home(self) -> Any:
        home = self._pilot.home
        lat, lon = round(home.lat_deg * 1e7), round(home.lon_deg * 1e7)
        alt_mm = round((home.alt_m - self._geoid_m) * 1000)
        return mav.MAVLink_home_position_message(
            lat, lon, alt_mm, 0.0, 0.0, 0.0, [1.0, 0.0, 0.0, 0.0], 0.0, 0.0, 0.0, self._state.t_ms * 1000
        )

    def _ekf(self) -> Any:
        ready = self._state.t_ms >= self._state.ready_at_ms and not self._commander.blind
        return mav.MAVLink_ekf_status_report_message(
            _EKF_READY if ready else _EKF_STARTING, 0.02, 0.01, 0.02, 0.03, 0.0, 0.0
        )

    def _estimator(self) -> Any:
        flags = self._ekf().flags
        return mav.MAVLink_estimator_status_message(self._state.t_ms * 1000, flags, 0.1, 0.1, 0.1, 0, 0, 0, 0.3, 0.5)

    def _fence(self) -> Any:
        watch, fence = self._state.supervisor, self._commander.fence
        kind = fence.breach(self._state.position)
        return mav.MAVLink_fence_status_message(
            int(watch.fence_breached), watch.fence_breaches, kind, watch.fence_breach_ms
        )

    def _feedback(self) -> Any:
        point, _ = self._measured()
        gimbal, images = self._state.craft.gimbal, self._state.sequencer.images
        lat, lon = round(point.lat_deg * 1e7), round(point.lon_deg * 1e7)
        msl_m, rel_m = point.alt_m - self._geoid_m, point.alt_m - self._pilot.home.alt_m
        angles = 0.0, gimbal.pitch_deg, gimbal.yaw_deg
        return mav.MAVLink_camera_feedback_message(
            self._state.t_us, 0, 0, images, lat, lon, msl_m, rel_m, *angles, 0.0, 0, images
        )
