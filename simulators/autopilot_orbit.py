"""NAV_LOITER_TURNS: join the circle at its nearest place, fly whole turns, as ArduCopter does."""

from __future__ import annotations

import math

from contracts.geo import Enu
from simulators.autopilot_pilot import Pilot
from simulators.autopilot_state import Item
from simulators.flight import turn_deg

_AHEAD_M = 4.0
_CORNER_AHEAD_DEG = 60.0
_ON_CIRCLE_M = 1.5


def join_circle(item: Item, pilot: Pilot, centre: Enu) -> None:
    """Set off to the nearest place of the circle."""
    pilot.state.sequencer.turned_deg = 0.0
    pilot.fly_to(_on_circle(item, centre, _bearing_deg(pilot, centre)))


def circle(item: Item, pilot: Pilot, centre: Enu) -> bool:
    """Steer along the circle; return whether all turns are flown. A radius below zero is against the clock."""
    here, state = pilot.state.position, pilot.state.sequencer
    off_m = abs(math.hypot(here.east - centre.east, here.north - centre.north) - abs(item.p3))
    if state.turned_deg == 0.0 and max(off_m, abs(here.up - centre.up)) > _ON_CIRCLE_M:
        return False
    sense = -1.0 if item.p3 < 0 else 1.0
    bearing = _bearing_deg(pilot, centre)
    ahead_deg = min(_CORNER_AHEAD_DEG, math.degrees(_AHEAD_M / max(abs(item.p3), 1.0)))
    behind = _bearing_of(pilot.state.controls.leg.end, centre) - sense * ahead_deg
    state.turned_deg += max(1e-6, sense * turn_deg(behind, bearing)) if state.turned_deg else 1e-6
    pilot.steer_to(_on_circle(item, centre, bearing + sense * ahead_deg))
    return state.turned_deg >= 360.0 * max(1.0, item.p1)


def _on_circle(item: Item, centre: Enu, bearing_deg: float) -> Enu:
    angle, radius_m = math.radians(bearing_deg), abs(item.p3)
    return centre.plus(Enu(radius_m * math.sin(angle), radius_m * math.cos(angle), 0.0))


def _bearing_deg(pilot: Pilot, centre: Enu) -> float:
    return _bearing_of(pilot.state.position, centre)


def _bearing_of(place: Enu, centre: Enu) -> float:
    return math.degrees(math.atan2(place.east - centre.east, place.north - centre.north))
