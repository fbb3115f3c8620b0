"""What a route must keep before the drone accepts it: fence, heights, standoff, battery. Pure; never overridden."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from contracts.errors import PlatformError
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Fence, Route, Zone, ZoneKind
from edge.aircraft import Aircraft
from edge.bodies import STANDOFF_SHARE, Body, bodies_of, place_of
from edge.geometry import Circle, Leg, Piece, Point, crosses, farthest_m, heights_m, nearest_m, starts_inside
from edge.itinerary import orbit_radius_m
from edge.refusals import NotReady, UnsafeRoute

MIN_ALT_REL_M = 2.0
MAX_HOME_SHIFT_M = 60.0
MAX_HOME_ALT_SHIFT_M = 15.0
"""A datum mix-up (sea level against ellipsoid) is tens of metres."""
FENCE_MARGIN_M = 5.0
_ROUNDING_M = 0.01
MIN_STANDOFF_M = 3.0
"""No route may promise to keep less than this from the asset."""
RETURN_SPEED_MPS = 8.0
LANDING_SPEED_MPS = 2.0
"""Downwards, on average: fast at first, slow over the last metres."""
MAX_AIRSPEED_MPS = 14.0
DRAIN_PERCENT_PER_S = 0.06
"""A cautious multirotor: 28 minutes in the air."""
DRAIN_PER_HEADWIND = 0.03
"""An allowance, not a measured curve: 3 % more for each metre per second of headwind."""


class Limits(NamedTuple):
    """What this drone's owner allows."""

    battery_reserve_percent: float
    battery_min_v: float | None
    link_loss_return_s: float
    max_first_leg_m: float


class Wind(NamedTuple):
    """The air's own motion, metres per second."""

    east_mps: float
    north_mps: float


HomeFrom = Callable[[Enu, int, Wind], float]
"""Returns the battery needed home in percent, from a place on the leg behind a waypoint, in a wind."""


class Start(NamedTuple):
    """Where a path begins, in metres from home, and the first waypoint it goes to."""

    place: Enu
    first: int = 0
    airborne: bool = False
    """The aircraft is there now. Where it sways nearer to the asset than promised, its way may begin there."""


def wind_of(aircraft: Aircraft) -> Wind:
    """Return the wind the autopilot reports; still air where it reports none."""
    if aircraft.wind_mps is None or aircraft.wind_from_deg is None:
        return Wind(0.0, 0.0)
    towards = math.radians(aircraft.wind_from_deg + 180.0)
    return Wind(aircraft.wind_mps * math.sin(towards), aircraft.wind_mps * math.cos(towards))


def check_route(route: Route, home: GeoPoint, start: Start, limits: Limits) -> None:
    """Refuse a route that breaks a rule anywhere along its legs and orbits, from ``start`` to the return.

    Args:
        route: What is to be flown.
        home: Where the autopilot says home is (above the ellipsoid).
        start: Where the aircraft is, or will be after its take-off.
        limits: The owner's rules.

    Raises:
        UnsafeRoute: With the waypoint, the rule, and by how many metres it is broken.

    """
    _check_numbers(route)
    frame = LocalFrame(home)
    _check_home(route, frame)
    _check_promises(route, bodies_of(route, home))
    _check_pieces(route, home, start, limits, pieces_of(route, frame, start))
    _check_heights(route, frame, start.first)


def check_first_leg(route: Route, home: GeoPoint, start: Start, limits: Limits) -> None:
    """Refuse a way from ``start`` to its first waypoint that breaks a rule; behind the last waypoint, the way home.

    Raises:
        UnsafeRoute: With the waypoint, the rule, and by how many metres it is broken.

    """
    _check_pieces(route, home, start, limits, islice(pieces_of(route, LocalFrame(home), start), 1))


def _check_pieces(
    route: Route, home: GeoPoint, start: Start, limits: Limits, pieces: Iterable[tuple[int, Piece]]
) -> None:
    frame = LocalFrame(home)
    for waypoint in route.waypoints[start.first :][:1]:
        first_m = place_of(waypoint.point, frame).minus(start.place).norm()
        if first_m > limits.max_first_leg_m:
            most_m = limits.max_first_leg_m
            raise UnsafeRoute(f"The first waypoint is {first_m:.0f} m away; {most_m:.0f} m are allowed.")
    bounds, bodies = Bounds(route.fence, frame), bodies_of(route, home)
    left = start.place if start.airborne else None
    for leg, piece in pieces:
        if (why := bounds.breach(piece)) is not None:
            raise UnsafeRoute(f"{_name(route, leg)}: {why}.", hint="Plan inside the fence.", field="route")
        _check_standoff(_name(route, leg), bodies, piece, left)
        left = None


def path_of(route: Route, frame: LocalFrame, start: Start) -> list[Piece]:
    """Return the whole path, from ``start`` over the waypoints to the place above home."""
    return [piece for _, piece in pieces_of(route, frame, start)]


def pieces_of(route: Route, frame: LocalFrame, start: Start) -> Iterator[tuple[int, Piece]]:
    """Yield the path with the waypoint that each piece leads to; the way home leads to one behind the last."""
    here = start.place
    for waypoint in route.waypoints[start.first :]:
        there = place_of(waypoint.point, frame)
        if waypoint.orbit is None:
            yield waypoint.seq, Leg(here, there)
            here = there
            continue
        circle = Circle(there, orbit_radius_m(waypoint.orbit.radius_m))
        joins = circle.nearest_to(here)
        yield waypoint.seq, Leg(here, joins)
        yield waypoint.seq, circle
        here = joins
    yield len(route.waypoints), Leg(here, Enu(0.0, 0.0, max(MIN_ALT_REL_M, here.up)))


def _name(route: Route, leg: int) -> str:
    return "The way home" if leg == len(route.waypoints) else f"The leg to waypoint {leg}"


class Bounds:
    """A fence in local metres."""

    def __init__(self, fence: Fence, frame: LocalFrame) -> None:
        self._fence = fence
        self._frame = frame
        centre = frame.to_enu(fence.centre)
        self._centre: Point = (centre.east, centre.north)
        self._zones = [(zone, self._corners(zone)) for zone in fence.zones]

    def breach(self, piece: Piece, margin_m: float = 0.0) -> str | None:
        """Return by how much a piece of path leaves the fence, in words; None inside."""
        fence = self._fence
        outside_m = farthest_m(piece, self._centre) - fence.radius_m
        above_m = heights_m(piece)[1] - fence.max_alt_rel_m
        if outside_m > margin_m:
            return f"{outside_m:.1f} m outside the fence of {fence.radius_m:.0f} m"
        if above_m > margin_m:
            return f"{above_m:.1f} m above the fence's ceiling of {fence.max_alt_rel_m:.0f} m"
        broken = (self._zone_breach(number, piece, margin_m) for number in range(len(self._zones)))
        return next((why for why in broken if why is not None), None)

    def _zone_breach(self, number: int, piece: Piece, margin_m: float) -> str | None:
        zone, corners = self._zones[number]
        margin_m = _margin_m(zone, corners, margin_m)
        if zone.radius_m is not None:
            return self._circle_breach(number, zone, corners[0], piece, margin_m)
        meets, within = crosses(piece, corners), starts_inside(piece, corners)
        near = margin_m > 0 and any(
            nearest_m(Leg(_up(a), _up(b)), _middle(piece)) <= margin_m for a, b in _edges(corners)
        )
        if near:  # in flight the position sways: within the margin of the outline both sides are allowed
            return None
        if zone.kind is ZoneKind.STAY_IN and (meets or not within):
            return f"outside zone {number}, in which to stay"
        if zone.kind is ZoneKind.KEEP_OUT and (meets or within):
            return f"inside zone {number}, to keep out of"
        return None

    @staticmethod
    def _circle_breach(number: int, zone: Zone, centre: Point, piece: Piece, margin_m: float) -> str | None:
        radius_m = zone.radius_m or 0.0
        if zone.kind is ZoneKind.STAY_IN:
            outside_m = farthest_m(piece, centre) - radius_m
            return f"{outside_m:.1f} m outside zone {number}, in which to stay" if outside_m > margin_m else None
        inside_m = radius_m - nearest_m(piece, centre)
        return f"{inside_m:.1f} m inside zone {number}, to keep out of" if inside_m > margin_m else None

    def _corners(self, zone: Zone) -> list[Point]:
        """Return the outline of a polygon, or the centre of a circle alone."""
        places = zone.corners if zone.centre is None else (zone.centre,)
        points = (GeoPoint(lat_deg=c.lat_deg, lon_deg=c.lon_deg, alt_m=self._frame.origin.alt_m) for c in places)
        return [(enu.east, enu.north) for enu in map(self._frame.to_enu, points)]


def _margin_m(zone: Zone, corners: list[Point], margin_m: float) -> float:
    """Return how far within a zone's outline counts as sway: of a small zone to keep out of less, else all of it would.

    No outline of a length holds more area than that length times the greatest depth inside it, so some of it is deeper.
    """
    if zone.kind is ZoneKind.STAY_IN:
        return margin_m
    if zone.radius_m is not None:
        return min(margin_m, zone.radius_m / 2.0)
    doubled_m2 = sum(a[0] * b[1] - b[0] * a[1] for a, b in _edges(corners))
    return min(margin_m, abs(doubled_m2) / 2.0 / sum(math.dist(a, b) for a, b in _edges(corners)))


def _check_standoff(name: str, bodies: Sequence[Body], piece: Piece, left: Enu | None) -> None:
    for body in bodies:
        least = least_m(body, left)
        if (apart_m := body.apart_m(piece, least)) < least:
            raise UnsafeRoute(
                f"{name} comes within {apart_m:.1f} m of {body.name}; {body.kept_m:.1f} m are to be kept.",
                hint="Plan farther away.",
                field="route",
            )


def least_m(body: Body, left: Enu | None) -> float:
    """Return how near a piece of path may come; one that leaves a nearer place than promised comes no nearer still."""
    promised_m = body.kept_m - body.tolerance_m
    if left is None:
        return promised_m
    there_m = body.apart_m(Leg(left, left), promised_m) - _ROUNDING_M
    return min(promised_m, max(there_m, STANDOFF_SHARE * body.kept_m))


def _check_promises(route: Route, bodies: Sequence[Body]) -> None:
    if bodies and route.standoff_m < MIN_STANDOFF_M:
        raise UnsafeRoute(f"A standoff of {route.standoff_m} m is under {MIN_STANDOFF_M} m.", field="route.standoff_m")
    for number, body in enumerate(bodies):
        if body.kept_m < MIN_STANDOFF_M:
            raise UnsafeRoute(
                f"A clearance of {body.kept_m} m from {body.name} is under {MIN_STANDOFF_M} m.",
                field=f"route.solids.{number}.clearance_m",
            )


def _check_numbers(route: Route) -> None:
    for index, waypoint in enumerate(route.waypoints):
        if waypoint.seq != index:
            raise UnsafeRoute(f"Waypoint {index} carries number {waypoint.seq}.", field=f"route.waypoints.{index}.seq")
        numbers = (*waypoint.point.model_dump().values(), waypoint.camera_yaw_deg, waypoint.camera_pitch_deg)
        if not all(math.isfinite(value) for value in (*numbers, waypoint.speed_mps)):
            raise UnsafeRoute(f"Waypoint {index} holds a number that is not finite.", field=f"route.waypoints.{index}")


def _check_heights(route: Route, frame: LocalFrame, first: int) -> None:
    """A leg between two waypoints above the floor stays above it: heights change linearly along it."""
    floor_m = max(MIN_ALT_REL_M, route.fence.min_alt_rel_m or 0.0)
    for waypoint in route.waypoints[first:]:
        up = place_of(waypoint.point, frame).up
        if up < floor_m:
            raise UnsafeRoute(
                f"Waypoint {waypoint.seq} is {up:.1f} m above home; at least {floor_m} m are needed.",
                field=f"route.waypoints.{waypoint.seq}.point.alt_m",
            )


def _check_home(route: Route, frame: LocalFrame) -> None:
    shift = frame.to_enu(route.home)
    if math.hypot(shift.east, shift.north) > MAX_HOME_SHIFT_M:
        away_m = math.hypot(shift.east, shift.north)
        raise UnsafeRoute(f"The route starts {away_m:.0f} m from where the aircraft stands.", hint="Plan from here.")
    if abs(shift.up) > MAX_HOME_ALT_SHIFT_M:
        raise UnsafeRoute(
            f"The route's home is {shift.up:+.1f} m off the aircraft's altitude.",
            hint="Check that the plan counts metres above the WGS 84 ellipsoid.",
        )


def percent_home(place: Enu, wind: Wind) -> float:
    """Return the battery needed from a place (metres from home) to the ground at home, against the wind."""
    level_m = math.hypot(place.east, place.north)
    headwind = 0.0
    if level_m > 1.0:
        headwind = (wind.east_mps * place.east + wind.north_mps * place.north) / level_m
    ground_mps = max(0.5, min(RETURN_SPEED_MPS, MAX_AIRSPEED_MPS - headwind))
    rate = DRAIN_PERCENT_PER_S * (1.0 + DRAIN_PER_HEADWIND * max(0.0, headwind))
    return rate * level_m / ground_mps + DRAIN_PERCENT_PER_S * max(0.0, place.up) / LANDING_SPEED_MPS


def check_energy(
    route: Route, home: GeoPoint, start: Start, aircraft: Aircraft, limits: Limits, home_from: HomeFrom | None = None
) -> None:
    """Refuse a route the battery cannot fly with its reserve, the way home from its dearest waypoint included.

    ``home_from``: What the way home from a waypoint takes; by default straight, against the wind.

    Raises:
        NotReady: With the percentage needed and what there is.

    """
    wind, held = wind_of(aircraft), require_charge(aircraft)
    dearest = 0.0
    for waypoint, place, seconds in _times(route, LocalFrame(home), start):
        back = percent_home(place, wind) if home_from is None else home_from(place, waypoint, wind)
        dearest = max(dearest, DRAIN_PERCENT_PER_S * seconds + back)
    if held < (needed := dearest + limits.battery_reserve_percent):
        raise NotReady(
            f"The battery holds {held:.0f} %; this flight needs {needed:.0f} % with its reserve.",
            hint="Charge it, or plan a shorter route.",
        )


def _times(route: Route, frame: LocalFrame, start: Start) -> Iterator[tuple[int, Enu, float]]:
    """Yield each waypoint's number and place, and how many seconds after ``start`` it is passed."""
    seconds, here = 0.0, start.place
    for waypoint in route.waypoints[start.first :]:
        there = place_of(waypoint.point, frame)
        metres = there.minus(here).norm()
        if waypoint.orbit is not None:
            metres += 2.0 * math.pi * waypoint.orbit.radius_m * waypoint.orbit.turns
        seconds, here = seconds + metres / min(waypoint.speed_mps, 15.0), there
        yield waypoint.seq, here, seconds


def lowered_margins(flown: Route, wanted: Route) -> list[str]:
    """Return in which ways a changed route comes closer to harm than the one approved and flown."""
    ways = []
    if wanted.standoff_m < flown.standoff_m:
        ways.append(f"standoff {flown.standoff_m:g} m -> {wanted.standoff_m:g} m")
    if wanted.fence != flown.fence:
        ways.append("another fence")
    if flown.solids and wanted.solids != flown.solids:
        ways.append("another shape of the asset")
    return ways


def require_charge(aircraft: Aircraft) -> float:
    """Return the battery's charge in percent.

    Raises:
        NotReady: The autopilot does not say.

    """
    if aircraft.battery_percent is None:
        raise NotReady(
            "The autopilot does not say how much charge the battery holds.",
            hint="Set it up: on ArduPilot BATT_MONITOR and BATT_CAPACITY.",
        )
    return aircraft.battery_percent


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


def _edges(corners: list[Point]) -> Iterator[tuple[Point, Point]]:
    return zip(corners, [*corners[1:], corners[0]], strict=True)


def _up(point: Point) -> Enu:
    return Enu(point[0], point[1], 0.0)


def _middle(piece: Piece) -> Point:
    """Return where a piece of no length is: what is watched in flight is a place."""
    place = piece.centre if isinstance(piece, Circle) else piece.start
    return place.east, place.north
