"""What the autopilot shall send, and how often. Rates do not survive its reboot: they are asked for again and again."""

from __future__ import annotations

import time

from edge import logbook
from edge.backends import mavlink_dialect as mav
from edge.backends.mavlink_connection import Connection, Message

_ASK_AGAIN_S = 10.0
_OLD_STREAM_HZ = 10
_RATES_HZ = {
    "GLOBAL_POSITION_INT": 20,
    "ATTITUDE": 20,
    "GIMBAL_DEVICE_ATTITUDE_STATUS": 20,
    "HEARTBEAT": 4,
    "EXTENDED_SYS_STATE": 5,
    "MISSION_CURRENT": 5,
    "SYS_STATUS": 2,
    "GPS_RAW_INT": 2,
    "EKF_STATUS_REPORT": 2,
    "ESTIMATOR_STATUS": 2,
    "SYSTEM_TIME": 1,
    "WIND": 1,
    "HOME_POSITION": 1,
}
_IDS: dict[str, int] = {name: getattr(mav, f"MAVLINK_MSG_ID_{name}") for name in _RATES_HZ}
_ONCE = (
    mav.MAVLINK_MSG_ID_AUTOPILOT_VERSION,
    mav.MAVLINK_MSG_ID_CAMERA_INFORMATION,
    mav.MAVLINK_MSG_ID_GIMBAL_MANAGER_INFORMATION,
)


class Streams:
    """Asks without waiting; ids that an autopilot does not know are answered DENIED and stay away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked_at = 0.0
        self._old_ways = False

    def ask_again(self) -> None:
        """Ask at the next opportunity: the autopilot is new, or back."""
        self._asked_at = 0.0

    def take(self, message: Message) -> None:
        """Notice an autopilot too old for SET_MESSAGE_INTERVAL."""
        if message.get_type() != "COMMAND_ACK" or message.command != mav.MAV_CMD_SET_MESSAGE_INTERVAL:
            return
        if message.result == mav.MAV_RESULT_UNSUPPORTED and not self._old_ways:
            self._old_ways = True
            logbook.note("streams_the_old_way", why="SET_MESSAGE_INTERVAL is not supported")
            self.ask_again()

    def keep_coming(self, target: tuple[int, int]) -> None:
        """Ask for every stream when it is time."""
        if time.monotonic() - self._asked_at < _ASK_AGAIN_S:
            return
        self._asked_at = time.monotonic()
        if self._old_ways:
            stream = mav.MAV_DATA_STREAM_ALL
            self._connection.send("request_data_stream_encode", *target, stream, _OLD_STREAM_HZ, 1)
            return
        for name, rate_hz in _RATES_HZ.items():
            self._command(target, mav.MAV_CMD_SET_MESSAGE_INTERVAL, _IDS[name], 1e6 / rate_hz)
        for message_id in _ONCE:  # of every component: the camera may be one of its own
            self._command((target[0], 0), mav.MAV_CMD_REQUEST_MESSAGE, message_id, 0.0)

    def _command(self, target: tuple[int, int], number: int, p1: float, p2: float) -> None:
        self._connection.send("command_long_encode", *target, number, 0, p1, p2, 0, 0, 0, 0, 0)
