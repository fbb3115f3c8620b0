"""What the autopilot last said, as one immutable picture."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

from contracts.geo import GeoPoint
from edge.returns import Habit

HOLDING_MODES = frozenset({"HOLD", "BRAKE", "LOITER", "POSHOLD"})
"""Modes in which the aircraft stays where it is. ``HOLD`` is what the agent asks for; ArduPilot answers with BRAKE."""
READY_MODES = frozenset({"GUIDED", "HOLD"})
"""Modes from which a commanded take-off starts: GUIDED, which PX4 knows as HOLD."""
TAKE_OFF_MODES = READY_MODES | {"TAKEOFF", "READY"}
"""Modes in which an aircraft is that the agent takes off; PX4 has one of its own for the climb."""
STICK_MODES = frozenset(
    {
        *("STABILIZE", "ACRO", "ALT_HOLD", "LOITER", "POSHOLD", "DRIFT", "SPORT", "FLIP", "AUTOTUNE", "CIRCLE"),
        *("FLOWHOLD", "ZIGZAG", "MANUAL", "ALTITUDE", "POSITION"),
    }
)
"""Modes in which the sticks of a transmitter fly it. The agent asks for none of them: a pilot has chosen it."""
STILL_MODES = HOLDING_MODES - STICK_MODES | READY_MODES
"""Modes in which the autopilot by itself keeps a place it was told."""
RETURN_MODES = frozenset({"RTL", "SMART_RTL", "AUTO_RTL"})
LAND_MODES = frozenset({"LAND", "PRECLAND"})
SHARED_MODES = HOLDING_MODES | TAKE_OFF_MODES | {"AUTO"}
"""Modes out of which a command may take an aircraft in the air; in any other somebody else has it."""
_GOOD = 1 | 2 | 16
"""Attitude, horizontal velocity, absolute horizontal position: bits of EKF_STATUS_REPORT and ESTIMATOR_STATUS."""
_CONSTANT_POSITION = 128
FENCE_CAPABILITY, RALLY_CAPABILITY = 1 << 14, 1 << 15
"""MAV_PROTOCOL_CAPABILITY_MISSION_FENCE and _MISSION_RALLY."""
FIX_3D = 3
"""GPS_FIX_TYPE_3D_FIX."""
WATCHED = ("SYS_STATUS", "GPS_RAW_INT", "EKF_STATUS_REPORT", "ESTIMATOR_STATUS", "WIND")
"""Messages whose numbers the rules look at."""
_CLIMBING_MPS = 0.3
_MOVING_MPS = 0.5
"""Above what gusts sway a multirotor that holds."""
_GIMBAL_TURNS = 256 | 1024
"""GIMBAL_MANAGER_CAP_FLAGS_HAS_YAW_AXIS and _HAS_YAW_LOCK."""


class Landed(IntEnum):
    """MAV_LANDED_STATE."""

    UNDEFINED = 0
    ON_GROUND = 1
    IN_AIR = 2
    TAKING_OFF = 3
    LANDING = 4


class MissionState(IntEnum):
    """MISSION_STATE of MISSION_CURRENT."""

    UNKNOWN = 0
    NO_MISSION = 1
    NOT_STARTED = 2
    ACTIVE = 3
    PAUSED = 4
    COMPLETE = 5


class Attitude(NamedTuple):
    """Degrees; yaw clockwise from true north, pitch up, roll right side down."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


class Fix(NamedTuple):
    """Where the aircraft was at ``t_us`` (UTC)."""

    t_us: int
    point: GeoPoint
    alt_rel_m: float
    vel_east_mps: float
    vel_north_mps: float
    vel_up_mps: float


class Aircraft(NamedTuple):
    """The whole picture; None where the autopilot has not said yet."""

    connected: bool = False
    heard: bool = False
    """It was connected at some time since the agent started."""
    autopilot: str = ""
    version: str = ""
    capabilities: int | None = None
    mode: str = ""
    armed: bool = False
    landed: Landed = Landed.UNDEFINED
    fix: Fix | None = None
    home: GeoPoint | None = None
    attitude: Attitude = Attitude(0.0, 0.0, 0.0)
    camera: Attitude = Attitude(0.0, 0.0, 0.0)
    battery_percent: float | None = None
    battery_v: float | None = None
    gps_fix: int = 0
    satellites: int = 0
    wind_mps: float | None = None
    wind_from_deg: float | None = None
    mission_seq: int = 0
    mission_state: MissionState = MissionState.UNKNOWN
    reached_seq: int = -1
    clock_set: bool = False
    clock_offset_s: float | None = None
    """The autopilot's GPS time minus our own clock."""
    ekf_flags: int | None = None
    prearm_ok: bool | None = None
    home_sea_level_m: float | None = None
    camera_flags: int | None = None
    """CAMERA_CAP_FLAGS of a camera that has announced itself."""
    gimbal_flags: int | None = None
    """GIMBAL_MANAGER_CAP_FLAGS of a gimbal manager that has announced itself."""
    untold: frozenset[str] = frozenset()
    """What was told once and is not any more, of ``WATCHED``, by a message's own name."""
    habit: Habit | None = None
    """How it returns by itself, once its parameters were asked for."""

    @property
    def position_good(self) -> bool:
        """Tell whether the estimator knows where it is; an autopilot that reports no estimator is taken at its fix."""
        if self.ekf_flags is None:
            return True
        return self.ekf_flags & _GOOD == _GOOD and not self.ekf_flags & _CONSTANT_POSITION

    @property
    def knows_place(self) -> bool:
        """Tell whether it knows where it is, above which home."""
        return self.fix is not None and self.home is not None and self.gps_fix >= FIX_3D and self.position_good

    @property
    def gimbal_turns(self) -> bool:
        """Tell whether the gimbal has said that it turns sideways and can be held towards a point of the compass."""
        return (self.gimbal_flags or 0) & _GIMBAL_TURNS == _GIMBAL_TURNS

    @property
    def climbing(self) -> bool:
        """Tell whether it gains height."""
        return self.fix is not None and self.fix.vel_up_mps > _CLIMBING_MPS

    @property
    def speed_mps(self) -> float:
        """Return how fast it moves; nothing where it has not told a place yet."""
        fix = self.fix
        return math.hypot(fix.vel_east_mps, fix.vel_north_mps, fix.vel_up_mps) if fix is not None else 0.0

    @property
    def moving(self) -> bool:
        """Tell whether it moves faster than it sways while it holds."""
        return self.speed_mps > _MOVING_MPS

    @property
    def by_hand(self) -> bool:
        """Tell whether a pilot with a transmitter flies it, or holds it by centred sticks."""
        return self.mode in STICK_MODES and not self.on_ground

    @property
    def on_ground(self) -> bool:
        """Tell whether it stands on the ground with motors off."""
        return self.landed is Landed.ON_GROUND and not self.armed


def standing(aircraft: Aircraft) -> bool:
    """Tell whether it stands on the ground, armed or not: a flight begins with a take-off then."""
    return aircraft.landed is Landed.ON_GROUND
