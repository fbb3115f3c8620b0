"""When the autopilot reports by itself, and how ground stations change that."""

from __future__ import annotations

from typing import Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_mission import Send
from simulators.autopilot_reports import Reports
from simulators.autopilot_state import TICK_MS, State

_DEFAULT_MS: Final = {
    mav.MAVLINK_MSG_ID_HEARTBEAT: 1000,
    mav.MAVLINK_MSG_ID_SYS_STATUS: 500,
    mav.MAVLINK_MSG_ID_SYSTEM_TIME: 1000,
    mav.MAVLINK_MSG_ID_GPS_RAW_INT: 200,
    mav.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 50,
    mav.MAVLINK_MSG_ID_ATTITUDE: 50,
    mav.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS: 50,
    mav.MAVLINK_MSG_ID_BATTERY_STATUS: 500,
    mav.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: 500,
    mav.MAVLINK_MSG_ID_MISSION_CURRENT: 500,
    mav.MAVLINK_MSG_ID_WIND: 1000,
    mav.MAVLINK_MSG_ID_HOME_POSITION: 5000,
    mav.MAVLINK_MSG_ID_EKF_STATUS_REPORT: 1000,
    mav.MAVLINK_MSG_ID_FENCE_STATUS: 1000,
    mav.MAVLINK_MSG_ID_CAMERA_FEEDBACK: 0,
    mav.MAVLINK_MSG_ID_AUTOPILOT_VERSION: 0,
    mav.MAVLINK_MSG_ID_ESTIMATOR_STATUS: 0,
}
"""Milliseconds between two of a kind; 0 is on request only."""


class Streams:
    """Sends each message when it is due. Rates are forgotten when the autopilot restarts."""

    def __init__(self, state: State, reports: Reports, send: Send, *, asked_only: bool = False) -> None:
        self._state = state
        self._send = send
        self._builders = reports.builders()
        beat = mav.MAVLINK_MSG_ID_HEARTBEAT
        self._every_ms = {beat: _DEFAULT_MS[beat]} if asked_only else dict(_DEFAULT_MS)
        self._due_ms: dict[int, int] = dict.fromkeys(_DEFAULT_MS, 0)

    def set_interval(self, message_id: int, interval_us: float) -> bool:
        """Change a rate: microseconds, 0 the default, negative never. Return whether the message is known."""
        if message_id not in self._builders:
            return False
        wanted_ms = _DEFAULT_MS[message_id] if interval_us == 0 else round(interval_us / 1000)
        self._every_ms[message_id] = 0 if wanted_ms <= 0 else max(TICK_MS, wanted_ms)
        self._due_ms[message_id] = self._state.t_ms
        return True

    def set_all(self, rate_hz: int) -> None:
        """REQUEST_DATA_STREAM, the old way: one rate for everything that comes by itself."""
        for message_id, every_ms in _DEFAULT_MS.items():
            if every_ms and message_id != mav.MAVLINK_MSG_ID_HEARTBEAT:
                self.set_interval(message_id, 1e6 / rate_hz if rate_hz > 0 else -1.0)

    def send_now(self, message_id: int) -> int:
        """Send one message at once; return the MAV_RESULT."""
        builder = self._builders.get(message_id)
        if builder is None:
            return int(mav.MAV_RESULT_DENIED)
        self._send(builder())
        return int(mav.MAV_RESULT_ACCEPTED)

    def tick(self) -> None:
        """Send what is due."""
        now_ms = self._state.t_ms
        for message_id, every_ms in self._every_ms.items():
            if every_ms and now_ms >= self._due_ms[message_id]:
                self._due_ms[message_id] = max(self._due_ms[message_id] + every_ms, now_ms - every_ms)
                self._send(self._builders[message_id]())
