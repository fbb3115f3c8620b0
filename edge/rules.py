"""The rules that watch a flight: each with a name, what breaks it, and what the drone then does. One table; pure.

They run on the drone ten times a second. No message from the cloud switches one off or cancels its action.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from edge import breaches
from edge.breaches import Sight

VOLTAGE_PATIENCE_S = 5.0
"""A gust or a climb pulls the voltage down for a moment."""
UNWATCHED_PATIENCE_S = 15.0
"""Streams that an autopilot has forgotten are asked for again every 10 s."""


class Action(StrEnum):
    """What the drone does by itself."""

    RETURN = "return"
    LAND = "land"
    HOLD = "hold"
    REPORT = "report"


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


RULES: tuple[Rule, ...] = (
    Rule(
        "autopilot_silent",
        "no heartbeat for 2.5 s",
        Action.REPORT,
        "Nothing can be commanded; the autopilot flies on by its own failsafes. Reported within 3 s.",
        breaches.silent,
    ),
    Rule(
        "position",
        "no GPS fix or no good position estimate for 3 s",
        Action.LAND,
        "Neither a hold nor a return works without a position.",
        breaches.position,
    ),
    Rule(
        "standoff",
        "nearer to a solid part of the asset than half of what the route keeps from it",
        Action.HOLD,
        "Stopping is the one move that cannot make it worse; a person decides.",
        breaches.standoff,
    ),
    Rule(
        "stale",
        "no new place for 12 s on a flight, though the autopilot is heard",
        Action.RETURN,
        "Fence, standoff and battery cannot be watched by old numbers; the autopilot itself still knows where it is.",
        breaches.stale,
    ),
    Rule(
        "home_moved",
        "home moved in flight by more than 10 m, or by more than 2 m in height",
        Action.HOLD,
        "The heights of mission and fence count from home: nobody has checked them from where it is now.",
        breaches.home_moved,
    ),
    Rule(
        "fence",
        "5 m or more outside the fence, above its ceiling, or on the wrong side of a zone",
        Action.RETURN,
        "The autopilot's own fence acts once only and obeys a new AUTO; this one stays latched until the landing.",
        breaches.fence,
    ),
    Rule(
        "battery",
        "less charge than the way home against the wind needs, plus the reserve",
        Action.RETURN,
        "What is left must reach home.",
        breaches.battery,
    ),
    Rule(
        "battery_lost",
        "no charge told for 30 s on a flight, though the autopilot is heard",
        Action.RETURN,
        "Whether what is left reaches home nobody can tell any more.",
        breaches.battery_lost,
    ),
    Rule(
        "battery_unknown",
        "no charge told for 10 s on a flight, though the autopilot is heard",
        Action.REPORT,
        "A person is warned before the aircraft turns.",
        breaches.battery_unknown,
    ),
    Rule(
        "unwatched",
        "the fix, the position estimate, the wind or the voltage told once and no more, for 15 s on a flight",
        Action.REPORT,
        "The last number counts on; the other rules and the autopilot's own failsafes act.",
        breaches.unwatched,
        UNWATCHED_PATIENCE_S,
    ),
    Rule(
        "voltage",
        "below the owner's least voltage for 5 s",
        Action.RETURN,
        "The percentage of some autopilots stays high to the end.",
        breaches.voltage,
        VOLTAGE_PATIENCE_S,
    ),
    Rule(
        "link", "no broker for longer than the owner allows", Action.RETURN, "Nobody can see or stop it.", breaches.link
    ),
    Rule(
        "storage",
        "less free disk than a quarter of what a flight needs at its start",
        Action.RETURN,
        "A flight that records nothing is risk without use.",
        breaches.storage,
    ),
)
"""Gravest first: of two broken rules the first one acts."""
