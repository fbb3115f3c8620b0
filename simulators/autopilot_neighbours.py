"""Who else speaks on an aircraft's link: a gimbal, a transponder, and another vehicle whose packets are routed here.

ArduPilot forwards what other systems send, and every ArduPilot's heartbeat says MAV_AUTOPILOT_ARDUPILOTMEGA: who takes
the last heartbeat for its own aircraft's changes aircraft once a second.
"""

from __future__ import annotations

from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_link import Link

_FIRST_MS: Final = 3000
_EVERY_MS: Final = 500
_LANDED: Final = int(mav.MAV_LANDED_STATE_ON_GROUND)
_OTHER_VEHICLE: Final = 2
_RTL: Final = 6


class Neighbours:
    """Speaks in their names."""

    def __init__(self, link: Link, system_id: int) -> None:
        self._link = link
        self._due_ms = _FIRST_MS
        gimbal = mav.MAVLink_heartbeat_message(mav.MAV_TYPE_GIMBAL, mav.MAV_AUTOPILOT_INVALID, 0, 0, 4, 3)
        transponder = mav.MAVLink_heartbeat_message(mav.MAV_TYPE_ADSB, mav.MAV_AUTOPILOT_INVALID, 0, 0, 4, 3)
        copter = mav.MAVLink_heartbeat_message(mav.MAV_TYPE_QUADROTOR, mav.MAV_AUTOPILOT_ARDUPILOTMEGA, 1, _RTL, 3, 3)
        self._said: list[tuple[Any, list[Any]]] = [
            (_codec(system_id, mav.MAV_COMP_ID_GIMBAL), [gimbal]),
            (_codec(system_id, mav.MAV_COMP_ID_ADSB), [transponder]),
            (_codec(_OTHER_VEHICLE, 1), [copter, mav.MAVLink_extended_sys_state_message(0, _LANDED)]),
        ]

    def tick(self, now_ms: int) -> None:
        """Say it when it is due."""
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + _EVERY_MS
        for codec, messages in self._said:
            for message in messages:
                self._link.write(bytes(message.pack(codec)))
                codec.seq = (codec.seq + 1) % 256


def _codec(system_id: int, component_id: int) -> Any:
    return mav.MAVLink(None, srcSystem=system_id, srcComponent=component_id)
