"""What breaks each rule that watches a flight, in words; None while it is kept. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from contracts.geo import GeoPoint, LocalFrame
from contracts.routes import Route
from edge.aircraft import Aircraft
from edge.bodies import STANDOFF_SHARE, Body, place_of
from edge.geometry import Leg
from edge.safety import FENCE_MARGIN_M, Bounds, Limits, percent_home, wind_of

POSITION_PATIENCE_S = 3.0
"""The autopilot's own estimator failsafe lands after 8 s; a flicker of the fix is no loss."""
STALE_AFTER_S = 12.0
"""Streams that an autopilot has forgotten are asked for again every 10 s."""
UNCHARGED_REPORT_S, UNCHARGED_RETURN_S = 10.0, 30.0
"""A person is warned before the aircraft turns."""
HOME_MOVED_M, HOME_MOVED_UP_M = 10.0, 2.0
_INPUTS = {
    "GPS_RAW_INT": "the GPS fix",
    "EKF_STATUS_REPORT": "the position estimate",
    "ESTIMATOR_STATUS": "the position estimate",
    "WIND": "the wind",
}


class Sight(NamedTuple):
    """Everything the rules look at."""

    aircraft: Aircraft
    route: Route | None
    offline_s: float
    """Since the broker was last heard."""
    blind_s: float
    """Since the aircraft last knew where it is."""
    storage_full: bool
    limits: Limits
    bodies: tuple[Body, ...] = ()
    """What of the asset is solid, in metres from home."""
    stale_s: float = 0.0
    """Since the autopilot last told a new place, while it is heard."""
    uncharged_s: float = 0.0
    """Since the autopilot last told how much charge is left, while it is heard."""
    stored_home: GeoPoint | None = None
    """The home above which the flight's mission was stored."""
    percent_home: float | None = None
    """What the battery needs home, where a way back along the route comes before the return; None: straight."""


def silent(sight: Sight) -> str | None:
    """No heartbeat."""
    if sight.aircraft.connected:
        return None
    words = "No heartbeat of the autopilot."
    if not sight.aircraft.heard:
        words = "No heartbeat of the autopilot since the agent started, and a flight is under way."
    return words


def position(sight: Sight) -> str | None:
    """It does not know where it is."""
    words = f"No position for {sight.blind_s:.0f} s (GPS fix {sight.aircraft.gps_fix})."
    return words if sight.aircraft.connected and sight.blind_s > POSITION_PATIENCE_S else None


def stale(sight: Sight) -> str | None:
    """Its place stands still, though it is heard."""
    words = f"The autopilot is heard, but has told no new place for {sight.stale_s:.0f} s."
    return words if _on_flight(sight) and sight.stale_s > STALE_AFTER_S else None


def standoff(sight: Sight) -> str | None:
    """Too near to the asset."""
    aircraft = sight.aircraft
    if aircraft.fix is None or aircraft.home is None:
        return None
    here = place_of(aircraft.fix.point, LocalFrame(aircraft.home))
    words = None
    for body in reversed(sight.bodies):
        least_m = STANDOFF_SHARE * body.kept_m
        if (apart_m := body.apart_m(Leg(here, here), least_m)) < least_m:
            words = f"{apart_m:.1f} m from {body.name}; at least {least_m:.1f} m are kept."
    return words


def fence(sight: Sight) -> str | None:
    """Outside the route's fence."""
    aircraft, route = sight.aircraft, sight.route
    if aircraft.fix is None or aircraft.home is None or route is None:
        return None
    frame = LocalFrame(aircraft.home)
    here = place_of(aircraft.fix.point, frame)
    why = Bounds(route.fence, frame).breach(Leg(here, here), FENCE_MARGIN_M)
    words = f"The aircraft is {why}."
    return None if why is None else words


def home_moved(sight: Sight) -> str | None:
    """Home is not where it was when the mission was stored."""
    home, stored = sight.aircraft.home, sight.stored_home
    if not sight.aircraft.connected or home is None or stored is None:
        return None
    shift = place_of(home, LocalFrame(stored))
    level_m = math.hypot(shift.east, shift.north)
    words = f"Home has moved by {level_m:.1f} m, and by {shift.up:+.1f} m in height, since the mission was stored."
    return words if level_m > HOME_MOVED_M or abs(shift.up) > HOME_MOVED_UP_M else None


def battery(sight: Sight) -> str | None:
    """Too little charge for the way home."""
    aircraft, limits = sight.aircraft, sight.limits
    if aircraft.battery_percent is None or aircraft.fix is None or aircraft.home is None:
        return None
    here = place_of(aircraft.fix.point, LocalFrame(aircraft.home))
    way = percent_home(here, wind_of(aircraft)) if sight.percent_home is None else sight.percent_home
    needed = limits.battery_reserve_percent + way
    words = f"{aircraft.battery_percent:.0f} % left, {needed:.0f} % needed to reach home."
    return words if aircraft.battery_percent < needed else None


def battery_unknown(sight: Sight) -> str | None:
    """No charge told for a moment."""
    return _uncharged(sight) if UNCHARGED_REPORT_S < sight.uncharged_s <= UNCHARGED_RETURN_S else None


def battery_lost(sight: Sight) -> str | None:
    """No charge told for long."""
    return _uncharged(sight) if sight.uncharged_s > UNCHARGED_RETURN_S else None


def unwatched(sight: Sight) -> str | None:
    """Something else that the rules look at is told no more."""
    aircraft = sight.aircraft
    missing = {_INPUTS[kind] for kind in aircraft.untold if kind in _INPUTS}
    if sight.limits.battery_min_v and aircraft.battery_v is None and aircraft.battery_percent is not None:
        missing.add("the voltage")
    words = f"The autopilot tells these no more: {', '.join(sorted(missing))}."
    return words if _on_flight(sight) and missing else None


def voltage(sight: Sight) -> str | None:
    """Too low a voltage."""
    volts, least_v = sight.aircraft.battery_v, sight.limits.battery_min_v
    words = None
    if volts is not None and least_v and volts < least_v:
        words = f"{volts:.2f} V is below {least_v:.2f} V."
    return words


def link(sight: Sight) -> str | None:
    """No broker."""
    most_s = sight.limits.link_loss_return_s
    words = f"No broker for {sight.offline_s:.0f} s."
    return words if most_s and sight.offline_s > most_s else None


def storage(sight: Sight) -> str | None:
    """No room for what is recorded."""
    words = "The disk is full: nothing can be recorded any more."
    return words if sight.storage_full else None


def _on_flight(sight: Sight) -> bool:
    return sight.aircraft.connected and sight.route is not None


def _uncharged(sight: Sight) -> str | None:
    words = f"The autopilot has told no charge of the battery for {sight.uncharged_s:.0f} s."
    return words if _on_flight(sight) else None
