"""Rules nobody on the ground can override: route checks before a flight, watch rules during it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from contracts.errors import PlatformError
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Fence, Route
from edge.aircraft import Aircraft
from edge.refusals import NotReady, UnsafeRoute

MIN_ALT_REL_M = 2.0
MAX_HOME_SHIFT_M = 60.0
MAX_HOME_ALT_SHIFT_M = 15.0
"""A datum mix-up (sea level against ellipsoid) is tens of metres."""
FENCE_MARGIN_M = 5.0
RETURN_SPEED_MPS = 8.0
DRAIN_PERCENT_PER_S = 0.06
"""A cautious multirotor: 28 minutes in the air."""
_STEP_M = 20.0


class Limits(NamedTuple):
    """What this drone's owner allows."""

    battery_reserve_percent: float
    battery_min_v: float | None
    link_loss_return_s: float
    max_first_leg_m: float


class Breach(NamedTuple):
    """Why the aircraft must come home."""

    code: str
    detail: str


def check_route(route: Route, home: GeoPoint, climb_to_m: float, limits: Limits) -> None:
    """Refuse a route that breaks a rule anywhere along its legs, from take-off to the return.

    Args:
        route: What is to be flown.
        home: Where the autopilot says home is (above the ellipsoid).
        climb_to_m: Height above home at which the first leg starts.
        limits: The owner's rules.

    Raises:
        UnsafeRoute: With the waypoint, the rule, and by how many metres it is broken.

    """
    _check_numbers(route)
    frame = LocalFrame(home)
    _check_home(route, frame, limits)
    start = Enu(0.0, 0.0, climb_to_m)
    places = [start, *(frame.to_enu(w.point) for w in route.waypoints), Enu(0.0, 0.0, MIN_ALT_REL_M)]
    for leg, (a, b) in enumerate(pairwise(places)):
        for place in _along(a, b):
            if (why := fence_breach(route.fence, frame, place)) is not None:
                raise UnsafeRoute(f"The leg to waypoint {leg}: {why}.", hint="Plan inside the fence.", field="route")
    for index, place in enumerate(places[1:-1]):
        if place.up < MIN_ALT_REL_M:
            raise UnsafeRoute(
                f"Waypoint {index} is {place.up:.1f} m above home; at least {MIN_ALT_REL_M} m are needed.",
                field=f"route.waypoints.{index}.point.alt_m",
            )


def _check_numbers(route: Route) -> None:
    for index, waypoint in enumerate(route.waypoints):
        if waypoint.seq != index:
            raise UnsafeRoute(f"Waypoint {index} carries number {waypoint.seq}.", field=f"route.waypoints.{index}.seq")
        numbers = (*waypoint.point.model_dump().values(), waypoint.camera_yaw_deg, waypoint.camera_pitch_deg)
        if not all(math.isfinite(value) for value in (*numbers, waypoint.speed_mps)):
            raise UnsafeRoute(f"Waypoint {index} holds a number that is not finite.", field=f"route.waypoints.{index}")


def fence_breach(fence: Fence, home: LocalFrame, place: Enu, margin_m: float = 0.0) -> str | None:
    """Return how far a place (metres from home) is outside the fence, in words; None inside."""
    centre = home.to_enu(fence.centre)
    outside_m = math.hypot(place.east - centre.east, place.north - centre.north) - fence.radius_m
    above_m = place.up - fence.max_alt_rel_m
    if outside_m > margin_m:
        return f"{outside_m:.1f} m outside the fence of {fence.radius_m:.0f} m"
    if above_m > margin_m:
        return f"{above_m:.1f} m above the fence's ceiling of {fence.max_alt_rel_m:.0f} m"
    return None


def check_energy(route: Route, home: GeoPoint, battery_percent: float, limits: Limits) -> None:
    """Refuse a route the battery cannot fly with its reserve.

    Raises:
        NotReady: With the percentage needed and what there is.

    """
    frame = LocalFrame(home)
    places = [Enu(0.0, 0.0, 0.0), *(frame.to_enu(w.point) for w in route.waypoints)]
    speeds = [min(w.speed_mps, 15.0) for w in route.waypoints]
    seconds = sum(b.minus(a).norm() / speed for (a, b), speed in zip(pairwise(places), speeds, strict=True))
    seconds += places[-1].norm() / RETURN_SPEED_MPS
    needed = DRAIN_PERCENT_PER_S * seconds + limits.battery_reserve_percent
    if battery_percent < needed:
        raise NotReady(
            f"The battery holds {battery_percent:.0f} %; this flight needs {needed:.0f} % with its reserve.",
            hint="Charge it, or plan a shorter route.",
        )


def must_return(aircraft: Aircraft, fence: Fence | None, offline_s: float, limits: Limits) -> Breach | None:
    """Return the first rule that an airborne aircraft breaks, or None."""
    if aircraft.fix is None or aircraft.home is None:
        return None
    frame = LocalFrame(aircraft.home)
    place = frame.to_enu(aircraft.fix.point)
    if fence is not None and (why := fence_breach(fence, frame, place, FENCE_MARGIN_M)) is not None:
        return Breach("fence", f"The aircraft is {why}.")
    if aircraft.battery_percent is not None:
        needed = limits.battery_reserve_percent + DRAIN_PERCENT_PER_S * place.norm() / RETURN_SPEED_MPS
        if aircraft.battery_percent < needed:
            return Breach("battery", f"{aircraft.battery_percent:.0f} % left, {needed:.0f} % needed to reach home.")
    volts, least_v = aircraft.battery_v, limits.battery_min_v
    if volts is not None and least_v is not None and volts < least_v:
        return Breach("battery", f"{volts:.2f} V is below {least_v:.2f} V.")
    if limits.link_loss_return_s and offline_s > limits.link_loss_return_s:
        return Breach("link", f"No broker for {offline_s:.0f} s.")
    return None


def require_position(aircraft: Aircraft) -> GeoPoint:
    """Return home when the aircraft knows where it and its home are, and what time it is.

    Raises:
        PlatformError: ``NotReady`` with what is missing.

    """
    if aircraft.fix is None or aircraft.home is None:
        missing: PlatformError = NotReady(
            "The aircraft does not know its place or its home above the ellipsoid yet.",
            hint="Wait for GPS; set EDGE_GEOID_SEPARATION_M where the autopilot sends no ellipsoid altitude.",
        )
        raise missing
    if not aircraft.clock_set:
        raise NotReady("The autopilot has not told the time yet.", hint="Wait for GPS time.")
    return aircraft.home


def _check_home(route: Route, frame: LocalFrame, limits: Limits) -> None:
    shift = frame.to_enu(route.home)
    if math.hypot(shift.east, shift.north) > MAX_HOME_SHIFT_M:
        away_m = math.hypot(shift.east, shift.north)
        raise UnsafeRoute(f"The route starts {away_m:.0f} m from where the aircraft stands.", hint="Plan from here.")
    if abs(shift.up) > MAX_HOME_ALT_SHIFT_M:
        raise UnsafeRoute(
            f"The route's home is {shift.up:+.1f} m off the aircraft's altitude.",
            hint="Check that the plan counts metres above the WGS 84 ellipsoid.",
        )
    first_m = frame.to_enu(route.waypoints[0].point).norm()
    if first_m > limits.max_first_leg_m:
        raise UnsafeRoute(f"The first waypoint is {first_m:.0f} m away; {limits.max_first_leg_m:.0f} m are allowed.")


def _along(start: Enu, end: Enu) -> Iterator[Enu]:
    delta = end.minus(start)
    steps = max(1, math.ceil(delta.norm() / _STEP_M))
    for step in range(1, steps + 1):
        yield start.plus(delta, step / steps)
