"""Flight modes of both autopilots. The agent asks and answers in the words of ``edge.aircraft``."""

from __future__ import annotations

from typing import NamedTuple

ARDUPILOT, PX4 = 3, 12
_COPTER = {
    0: "STABILIZE",
    1: "ACRO",
    2: "ALT_HOLD",
    3: "AUTO",
    4: "GUIDED",
    5: "LOITER",
    6: "RTL",
    7: "CIRCLE",
    9: "LAND",
    11: "DRIFT",
    13: "SPORT",
    14: "FLIP",
    15: "AUTOTUNE",
    16: "POSHOLD",
    17: "BRAKE",
    18: "THROW",
    19: "AVOID_ADSB",
    20: "GUIDED_NOGPS",
    21: "SMART_RTL",
    22: "FLOWHOLD",
    23: "FOLLOW",
    24: "ZIGZAG",
    25: "SYSTEMID",
    26: "AUTOROTATE",
    27: "AUTO_RTL",
}
"""ArduCopter's custom modes."""


def _px4(main: int, sub: int = 0) -> int:
    return main << 16 | sub << 24


_PX4 = {
    _px4(1): "MANUAL",
    _px4(2): "ALTITUDE",
    _px4(3): "POSITION",
    _px4(4, 1): "READY",
    _px4(4, 2): "TAKEOFF",
    _px4(4, 3): "HOLD",
    _px4(4, 4): "AUTO",
    _px4(4, 5): "RTL",
    _px4(4, 6): "LAND",
    _px4(4, 8): "FOLLOW",
    _px4(4, 9): "PRECLAND",
    _px4(5): "ACRO",
    _px4(6): "OFFBOARD",
    _px4(7): "STABILIZE",
    _px4(10): "TERMINATION",
}
"""PX4's main and sub modes as they stand in HEARTBEAT.custom_mode; AUTO.MISSION is the agent's AUTO."""


class Stack(NamedTuple):
    """What differs between the two autopilots, as far as the agent must know."""

    name: str
    modes: dict[int, str]
    asked: dict[str, int]
    """The custom mode for each word the agent asks for."""
    home_is_item_0: bool
    """ArduPilot keeps home as mission item 0; PX4's first item is the first to fly."""
    take_off_above_sea: bool
    """Whether NAV_TAKEOFF's height is above the sea (PX4) or above home (ArduPilot)."""
    bytewise_params: bool
    """Whether integer parameters travel as their bytes in the float field."""
    link_loss: dict[str, float]
    """Parameters that bring the aircraft home when its ground station is lost."""
    as_good: dict[str, frozenset[float]]
    """Other values of these that bring it home as well."""
    link_loss_bits: dict[str, int]
    """Bits that would let it fly on, to be cleared."""
    fence_on: dict[str, float]
    """Parameters that switch the stored fence on, with a return on breach."""
    fence_ceiling: str
    """The parameter of the fence's height above home, metres."""
    ground_station_id: tuple[str, ...]
    """Where the autopilot keeps the one system whose heartbeats count as the ground station's."""

    def word(self, custom_mode: int) -> str:
        """Return the mode's name."""
        return self.modes.get(custom_mode, f"MODE_{custom_mode}")

    def params_of(self, word: str) -> tuple[float, ...] | None:
        """Return parameters 2 and 3 of DO_SET_MODE; None for a mode the agent has no word for."""
        custom = self.asked.get(word)
        if custom is None:
            return None
        return (float(custom),) if self.name == "ArduPilot" else (float(custom >> 16 & 0xFF), float(custom >> 24))


STACKS = {
    ARDUPILOT: Stack(
        name="ArduPilot",
        modes=_COPTER,
        # BRAKE and not LOITER: with no transmitter, LOITER takes its throttle stick for down and descends.
        asked={word: number for number, word in _COPTER.items()} | {"HOLD": 17},
        home_is_item_0=True,
        take_off_above_sea=False,
        bytewise_params=False,
        link_loss={"FS_GCS_ENABLE": 1, "FS_GCS_TIMEOUT": 5},
        as_good={"FS_GCS_ENABLE": frozenset({3.0})},  # back the way it came
        link_loss_bits={"FS_OPTIONS": 2},
        # 5: height and stored shapes. Without bit 1 the circle of FENCE_RADIUS about home does not interfere.
        fence_on={"FENCE_TYPE": 5, "FENCE_ACTION": 1, "FENCE_ENABLE": 1},
        fence_ceiling="FENCE_ALT_MAX",
        ground_station_id=("SYSID_MYGCS", "MAV_GCS_SYSID"),
    ),
    PX4: Stack(
        name="PX4",
        modes=_PX4,
        asked={word: number for number, word in _PX4.items()} | {"GUIDED": _px4(4, 3)},
        home_is_item_0=False,
        take_off_above_sea=True,
        bytewise_params=True,
        link_loss={"NAV_DLL_ACT": 2, "COM_DL_LOSS_T": 10},
        as_good={},
        link_loss_bits={},
        fence_on={"GF_ACTION": 3},
        fence_ceiling="GF_MAX_VER_DIST",
        ground_station_id=(),
    ),
}
