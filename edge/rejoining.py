"""Whether an aircraft in the air may fly from where it is to the waypoint at which its flight goes on. Pure."""

from __future__ import annotations

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Route
from edge.aircraft import Aircraft
from edge.bodies import place_of
from edge.refusals import NotReady, UnsafeRoute
from edge.safety import MIN_ALT_REL_M, Limits, Start, check_energy, check_first_leg, require_position


def check_rejoining(route: Route, first: int, aircraft: Aircraft, limits: Limits) -> None:
    """Refuse a straight way to waypoint ``first`` that a leg of the route may not take; behind the last one, home.

    Nobody checked it when the route was accepted: wind, a hold on the way home or a transmitter may have brought the
    aircraft anywhere. The battery must last to that waypoint and home from there; the rest of the route is watched in
    flight, as it is without a pause.

    Raises:
        UnsafeRoute: By how many metres it breaks the fence or a standoff.
        NotReady: It is too low to fly level, its battery is too low, or its place is not known.

    """
    home = require_position(aircraft)
    start = Start(_place(aircraft, home), first, airborne=True)
    if start.place.up < MIN_ALT_REL_M:
        raise NotReady(
            f"The aircraft is {start.place.up:.1f} m above home; at least {MIN_ALT_REL_M} m are needed to fly on.",
            hint="Climb with the transmitter, or land it.",
        )
    try:
        check_first_leg(route, home, start, limits)
    except UnsafeRoute as error:
        raise UnsafeRoute(error.message, hint="Fly it clear with the transmitter, or bring it home.") from error
    to_there = route.model_copy(update={"waypoints": route.waypoints[: first + 1]})
    try:
        check_energy(to_there, home, start, aircraft, limits)
    except NotReady as error:
        raise NotReady(error.message, hint="Bring it home and carry the flight on with a full battery.") from error


def _place(aircraft: Aircraft, home: GeoPoint) -> Enu:
    return place_of(aircraft.fix.point, LocalFrame(home)) if aircraft.fix else Enu(0.0, 0.0, 0.0)
