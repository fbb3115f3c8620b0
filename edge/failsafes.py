"""What an autopilot does by itself when something is lost, and how it comes back the way it came instead. Pure.

ArduPilot: ArduCopter/events.cpp ``do_failsafe_action``, fence.cpp, libraries/AP_SmartRTL. The numbers count from 4.0 on
(``FS_OPTIONS`` came with it); before, FENCE_ACTION 3 does nothing at all. PX4 has one return for everything, RTL_TYPE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple


class Failsafe(NamedTuple):
    """One of them, by its parameter."""

    straight: frozenset[int]
    """Values that climb from wherever it is, and fly straight home."""
    back: int
    """The value that flies back along the track, and only straight where it cannot."""

    def may_be_straight(self, value: int) -> bool:
        """Tell whether a value may ever fly straight home."""
        return value in self.straight or value == self.back


BATTERIES: Final = {
    f"BATT{number}_MONITOR": (f"BATT{number}_FS_LOW_ACT", f"BATT{number}_FS_CRT_ACT") for number in ("", *range(2, 10))
}
"""ArduPilot's battery monitors, each 0 where it is off, and what each does (AP_BattMonitor, ``check_failsafes``)."""
ARDUPILOT: Final = {
    "FS_GCS_ENABLE": Failsafe(frozenset({1, 2, 6}), 3),
    "FS_THR_ENABLE": Failsafe(frozenset({1, 2, 6}), 4),
    **{action: Failsafe(frozenset({2, 6}), 3) for actions in BATTERIES.values() for action in actions},
    "FENCE_ACTION": Failsafe(frozenset({1}), 3),
}
"""2 once flew a mission on and is a return since 4.0; 6 looks for a landing sequence, which no route has."""
FAILSAFE_PARAMETERS: Final = (
    ("FS_GCS_ENABLE",),
    ("FS_THR_ENABLE",),
    ("BATT_FS_LOW_ACT",),
    ("BATT_FS_CRT_ACT",),
    ("FENCE_ACTION",),
    *((monitor,) for monitor in BATTERIES),
    ("SRTL_POINTS",),
    ("SRTL_ACCURACY",),
    ("FS_OPTIONS",),
)
_SPARE_POINTS: Final = 60
"""AP_SmartRTL tidies its track every 50 points, and before it is full."""
_BATTERY: Final = "BATT"
_UNTOLD = "It has told nothing of its failsafes."


class Failsafes(NamedTuple):
    """What one autopilot has told of them."""

    told: tuple[tuple[str, int], ...] = ()
    points: int = 0
    """How many corners of its track it keeps; 0: it keeps none."""
    accuracy_m: float = 0.0
    """How far the way back may be from the track."""
    lacks: str = _UNTOLD
    """Why it cannot come back the way it came, with what to mend; empty where it can."""
    unread: str = ""
    """Which action of a battery monitor that is on it has not told, with what to mend; empty where it told all."""

    @property
    def straight(self) -> dict[str, int]:
        """Return those that climb from wherever it is, with their values."""
        return {name: value for name, value in self.told if value in ARDUPILOT[name].straight}

    def changes(self, *, battery: bool) -> dict[str, float]:
        """Return what is to be set for it to come back the way it came; those of the battery only where asked."""
        wanted = [name for name in self.straight if battery or not name.startswith(_BATTERY)]
        return {name: float(ARDUPILOT[name].back) for name in wanted}

    def objection(self, corners: int, kept_m: float) -> str:
        """Return why a path cannot be left to them; empty where it can.

        Args:
            corners: Of the path.
            kept_m: The least distance that it keeps from anything solid: half of it must be left.

        """
        if self.unread:
            return self.lacks or self.unread
        if self.told and not any(ARDUPILOT[name].may_be_straight(value) for name, value in self.told):
            return ""
        if self.lacks:
            return self.lacks
        if self.points < corners + _SPARE_POINTS:
            needed = corners + _SPARE_POINTS
            return f"SRTL_POINTS is {self.points} and this path needs {needed}. Set it, and restart the autopilot."
        if self.accuracy_m > kept_m / 2.0:
            most_m = kept_m / 2.0
            return f"SRTL_ACCURACY is {self.accuracy_m:g} m, with {kept_m:g} m kept: it may be {most_m:g} at most."
        return ""

    def words(self) -> str:
        """Return what it does by itself, for a person."""
        if self.told and not self.straight and not self.unread:
            return "None of its failsafes returns straight."
        values = ", ".join(f"{name} {value}" for name, value in self.straight.items())
        does = f"Its failsafes return straight ({values})." if values else ""
        can = "It can come back the way it came (SmartRTL)."
        return f"{does} {self.lacks or self.unread or can}".strip()


_ONE_RETURN = "PX4 has one return for all its failsafes (RTL_TYPE), and none back along the track."
PX4: Final = Failsafes(lacks=_ONE_RETURN)


def ardupilot_failsafes(told: Mapping[str, float]) -> Failsafes:
    """Return what an ArduPilot that told these parameters does by itself."""
    points, accuracy_m = int(told.get("SRTL_POINTS", 0)), told.get("SRTL_ACCURACY", 0.0)
    known = tuple((name, round(told[name])) for name in ARDUPILOT if name in told)
    lacks = _lacks(told, points, accuracy_m) if known else _UNTOLD
    return Failsafes(known, points, accuracy_m, lacks, _unread(told))


def actions_of_monitors(told: Mapping[str, float]) -> tuple[tuple[str], ...]:
    """Return what the battery monitors that are on are still to be asked: each action that was not told."""
    on = (actions for monitor, actions in BATTERIES.items() if told.get(monitor, 0.0) != 0.0)
    return tuple((action,) for actions in on for action in actions if action not in told)


def _unread(told: Mapping[str, float]) -> str:
    names = ", ".join(name for (name,) in actions_of_monitors(told))
    return f"It has told nothing of {names}, though that battery monitor is on. Mend its link." if names else ""


def _lacks(told: Mapping[str, float], points: int, accuracy_m: float) -> str:
    if "FS_OPTIONS" not in told or "SRTL_POINTS" not in told:
        return "It has no SmartRTL for its failsafes (ArduCopter has it from 4.0 on)."
    if points <= 0 or not math.isfinite(accuracy_m) or accuracy_m <= 0.0:
        return "Its SmartRTL is off. Set SRTL_POINTS (300) and SRTL_ACCURACY (2), and restart the autopilot."
    return ""
