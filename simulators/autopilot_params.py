"""Parameters the simulated autopilot knows, with ArduCopter's names; where ArduCopter's defaults matter, its values."""

from __future__ import annotations

from typing import Final

DEFAULTS: Final[dict[str, float]] = {
    "SYSID_THISMAV": 1,
    "SYSID_MYGCS": 255,
    "ARMING_CHECK": 1,
    "DISARM_DELAY": 10,
    "FS_GCS_ENABLE": 0,
    "FS_GCS_TIMEOUT": 5,
    "FS_THR_ENABLE": 1,
    "FS_OPTIONS": 16,
    "SRTL_POINTS": 300,
    "SRTL_ACCURACY": 2,
    "FENCE_ENABLE": 0,
    "FENCE_TYPE": 7,
    "FENCE_ACTION": 1,
    "FENCE_ALT_MAX": 100,
    "FENCE_RADIUS": 300,
    "RTL_ALT": 1500,
    "RTL_ALT_TYPE": 0,
    "RTL_CLIMB_MIN": 0,
    "RTL_CONE_SLOPE": 3,
    "FENCE_MARGIN": 2,
    "RTL_LOIT_TIME": 1000,
    "WPNAV_SPEED": 800,
    "WPNAV_SPEED_UP": 300,
    "WPNAV_SPEED_DN": 300,
    "LAND_SPEED": 70,
    "BATT_MONITOR": 4,
    "BATT_LOW_VOLT": 42.0,
    "BATT_CRT_VOLT": 41.0,
    "BATT_LOW_TIMER": 10,
    "BATT_FS_LOW_ACT": 2,
    "BATT_FS_CRT_ACT": 1,
    **{f"BATT{number}_{name}": 0 for number in range(2, 10) for name in ("MONITOR", "FS_LOW_ACT", "FS_CRT_ACT")},
    "MIS_RESTART": 0,
    "PILOT_SPEED_DN": 150,
    "SIM_GPS_DISABLE": 0,
    "SIM_RC_PRESENT": 0,
    "NAV_DLL_ACT": 0,
    "COM_DL_LOSS_T": 10,
    "GF_ACTION": 2,
    "GF_MAX_VER_DIST": 0,
    "RTL_RETURN_ALT": 15,
    "RTL_CONE_ANG": 0,
    "RTL_MIN_DIST": 10,
    "RTL_TYPE": 0,
}
"""Battery monitors behind the first are held as parameters only: none measures anything.
``SIM_RC_PRESENT`` is ours: 1 for a transmitter whose throttle stick stands in the middle.
Lengths ending in ``_ALT``/``_SPEED*`` are centimetres (per second) as in ArduCopter; fence lengths are metres.
PX4 is delivered with 60 m for ``RTL_RETURN_ALT``; 15 m here, as it stands in for ``RTL_ALT``."""

CONTINUE_AUTO_ON_LINK_LOSS: Final = 2
"""Bit 1 of ``FS_OPTIONS``."""


def name_of(param_id: str | bytes) -> str:
    """Return a parameter name as received: text or bytes, padded with zeros."""
    text = param_id.decode("ascii", "replace") if isinstance(param_id, bytes) else param_id
    return text.rstrip("\x00").strip()
