"""The rules that watch a flight: each with a name, what breaks it, and what the drone then does. One table; pure.

They run on the drone ten times a second. No message from the cloud switches one off or cancels its action.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from contracts.geo import LocalFrame
from contracts.routes import Route
from edge.aircraft import Aircraft
from edge.bodies import STANDOFF_SHARE, Body, place_of
from edge.geometry import Leg
from edge.safety import FENCE_MARGIN_M, Bounds, Limits, percent_home, wind_of

POSITION_PATIENCE_S = 3.0
"""The autopilot's own estimator failsafe lands after 8 s; a flicker of the fix is no loss."""

STALE_AFTER_S = 12.0
"""Streams that an autopilot has forgotten are asked for again every 10 s."""
VOLTAGE_PATIENCE_S = 5.0
"""A gust or a climb pulls the voltage down for a moment."""


class Action(StrEnum):
    """What the drone does by itself."""

    RETURN = "return"
    LAND = "land"
    HOLD = "hold"
    REPORT = "report"


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
    percent_home: float | None = None
    """What the battery needs home, where a way back along the route comes before the return; None: straight."""


class Rule(NamedTuple):
    """One row of the table."""

    code: str
    when: str
    action: Action
    why: str
    broken: Callable[[Sight], str | None]
    """Returns what is wrong, in words; None while the rule is kept."""
    patience_s: float = 0.0
    """How long without a break it must be wrong before anything is done."""


class Breach(NamedTuple):
    """A broken rule."""

    code: str
    detail: str
    action: Action
    patience_s: float = 0.0


def broken_rules(sight: Sight) -> list[Breach]:
    """Return the rules an airborne aircraft breaks, gravest first."""
    found = ((rule, rule.broken(sight)) for rule in RULES)
    return [Breach(rule.code, detail, rule.action, rule.patience_s) for rule, detail in found if detail is not None]


def _autopilot(sight: Sight) -> str | None:
    if sight.aircraft.connected:
        return None
    since = "" if sight.aircraft.heard else " since the agent started, and a flight is under way"
    return f"No heartbeat of the autopilot{since}."


def _position(sight: Sight) -> str | None:
    lost = sight.aircraft.connected and sight.blind_s > POSITION_PATIENCE_S
    return f"No position for {sight.blind_s:.0f} s (GPS fix {sight.aircraft.gps_fix})." if lost else None


def _stale(sight: Sight) -> str | None:
    old = sight.aircraft.connected and sight.route is not None and sight.stale_s > STALE_AFTER_S
    return f"The autopilot is heard, but has told no new place for {sight.stale_s:.0f} s." if old else None


def _standoff(sight: Sight) -> str | None:
    aircraft = sight.aircraft
    if aircraft.fix is None or aircraft.home is None:
        return None
    here = place_of(aircraft.fix.point, LocalFrame(aircraft.home))
    for body in sight.bodies:
        least_m = STANDOFF_SHARE * body.kept_m
        if (apart_m := body.apart_m(Leg(here, here), least_m)) < least_m:
            return f"{apart_m:.1f} m from {body.name}; at least {least_m:.1f} m are kept."
    return None


def _fence(sight: Sight) -> str | None:
    aircraft, route = sight.aircraft, sight.route
    if aircraft.fix is None or aircraft.home is None or route is None:
        return None
    frame = LocalFrame(aircraft.home)
    here = place_of(aircraft.fix.point, frame)
    why = Bounds(route.fence, frame).breach(Leg(here, here), FENCE_MARGIN_M)
    return None if why is None else f"The aircraft is {why}."


def _battery(sight: Sight) -> str | None:
    aircraft, limits = sight.aircraft, sight.limits
    if aircraft.battery_percent is None or aircraft.fix is None or aircraft.home is None:
        return None
    here = place_of(aircraft.fix.point, LocalFrame(aircraft.home))
    way = percent_home(here, wind_of(aircraft)) if sight.percent_home is None else sight.percent_home
    needed = limits.battery_reserve_percent + way
    if aircraft.battery_percent >= needed:
        return None
    return f"{aircraft.battery_percent:.0f} % left, {needed:.0f} % needed to reach home."


def _voltage(sight: Sight) -> str | None:
    volts, least_v = sight.aircraft.battery_v, sight.limits.battery_min_v
    return f"{volts:.2f} V is below {least_v:.2f} V." if volts is not None and least_v and volts < least_v else None


def _link(sight: Sight) -> str | None:
    most_s = sight.limits.link_loss_return_s
    return f"No broker for {sight.offline_s:.0f} s." if most_s and sight.offline_s > most_s else None


def _storage(sight: Sight) -> str | None:
    return "The disk is full: nothing can be recorded any more." if sight.storage_full else None


RULES: tuple[Rule, ...] = (
    Rule(
        "autopilot_silent",
        "no heartbeat for 2.5 s",
        Action.REPORT,
        "Nothing can be commanded; the autopilot flies on by its own failsafes. Reported within 3 s.",
        _autopilot,
    ),
    Rule(
        "position",
        "no GPS fix or no good position estimate for 3 s",
        Action.LAND,
        "Neither a hold nor a return works without a position.",
        _position,
    ),
    Rule(
        "standoff",
        "nearer to a solid part of the asset than half of what the route keeps from it",
        Action.HOLD,
        "Stopping is the one move that cannot make it worse; a person decides.",
        _standoff,
    ),
    Rule(
        "stale",
        "no new place for 12 s on a flight, though the autopilot is heard",
        Action.RETURN,
        "Fence, standoff and battery cannot be watched by old numbers; the autopilot itself still knows where it is.",
        _stale,
    ),
    Rule(
        "fence",
        "5 m or more outside the fence, above its ceiling, or on the wrong side of a zone",
        Action.RETURN,
        "The autopilot's own fence acts once only and obeys a new AUTO; this one stays latched until the landing.",
        _fence,
    ),
    Rule(
        "battery",
        "less charge than the way home against the wind needs, plus the reserve",
        Action.RETURN,
        "What is left must reach home.",
        _battery,
    ),
    Rule(
        "voltage",
        "below the owner's least voltage for 5 s",
        Action.RETURN,
        "The percentage of some autopilots stays high to the end.",
        _voltage,
        VOLTAGE_PATIENCE_S,
    ),
    Rule("link", "no broker for longer than the owner allows", Action.RETURN, "Nobody can see or stop it.", _link),
    Rule(
        "storage",
        "less free disk than a quarter of what a flight needs at its start",
        Action.RETURN,
        "A flight that records nothing is risk without use.",
        _storage,
    ),
)
"""Gravest first: of two broken rules the first one acts."""
