"""Draws the path of the pattern ``blades``: passes along each side, and ways between them that are proved clear."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from cloud.planning import passages, passes
from cloud.planning.bodies import cone_of
from cloud.planning.obstacles import FENCE_MARGIN_M, FLOOR_M, Cone, Space, cones_of
from cloud.planning.passes import Lane, Pass
from cloud.planning.pattern import ORDER, PlanInputs
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu
from contracts.routes import Strip, WaypointAction
from contracts.vocabulary import Blade

CLEARANCE_M = 4.0
"""From tower, nacelle and blades, anywhere on the route."""
OWN_BLADE_SHARE = 0.6
"""Of the standoff: what is kept from every blade where there is room for it."""
TAKE_OFF_UP_M = 10.0
"""Where the route begins and ends above home, as far as planning is concerned."""
_MARGIN_M = 0.1
"""Planned on top of every limit, so that rounding coordinates cannot break one."""


class Flown(NamedTuple):
    """A drawn route before it is given coordinates: points, camera directions, actions."""

    points: list[Enu]
    looks: list[Enu]
    actions: list[WaypointAction]
    strips: list[Strip | None]


class Draft(NamedTuple):
    """What the drawing made: the path, its passes, and which sides could not be flown."""

    flown: Flown
    passes: tuple[Pass, ...]
    skipped: tuple[Strip, ...]
    home: Enu
    space: Space


def space_of(inputs: PlanInputs, *, margin_m: float = 0.0) -> Space:
    """Return where the drone may be."""
    cones = cones_of(inputs.geometry) + _beside(inputs)
    home_up_m = inputs.geometry.frame().to_enu(inputs.home).up
    return Space(
        cones=cones,
        limits_m={cone.name: CLEARANCE_M for cone in cones},
        floor_up_m=max(0.0, home_up_m) + FLOOR_M,
        ceiling_up_m=home_up_m + inputs.blades.max_alt_rel_m,
        fence_radius_m=inputs.blades.fence_radius_m - FENCE_MARGIN_M,
        margin_m=margin_m,
    )


def _beside(inputs: PlanInputs) -> tuple[Cone, ...]:
    """Return the parts of other assets that some way round the turbine may come near to."""
    frame, geometry = inputs.geometry.frame(), inputs.geometry
    home = frame.to_enu(inputs.home)
    round_m = geometry.root_radius_m + geometry.blade_length_m + 2 * inputs.blades.standoff_m
    reach_m = max(round_m, math.hypot(home.east, home.north)) + 2 * CLEARANCE_M
    cones = (cone_of(solid, frame) for solid in inputs.neighbours)
    return tuple(cone for cone in cones if _level_m(cone) <= reach_m)


def _level_m(cone: Cone) -> float:
    """Return how far a cone is from the frame's origin, level."""
    way = Enu(cone.axis.east, cone.axis.north, 0.0).times(cone.length_m)
    share = -cone.start.dot(way) / max(way.dot(way), 1e-9)
    nearest = cone.start.plus(way, min(max(share, 0.0), 1.0))
    return math.hypot(nearest.east, nearest.north) - max(cone.start_radius_m, cone.end_radius_m)


def strips_of(inputs: PlanInputs) -> tuple[Strip, ...]:
    """Return the wanted sides in the order in which they are flown."""
    sides = [side for side in ORDER if side in inputs.blades.sides]
    return tuple(Strip(blade=blade, side=side) for blade in inputs.blades.blades for side in sides)


def draw(inputs: PlanInputs) -> Draft:
    """Draw the path over every wanted side.

    Raises:
        InvalidInput: Nothing of it can be flown; the field says what to change.

    """
    return Pen(inputs).draw(strips_of(inputs))


def _check_inputs(inputs: PlanInputs) -> None:
    geometry, params = inputs.geometry, inputs.blades
    if params.start_at_m > geometry.blade_length_m - passes.SHORTEST_M:
        raise InvalidInput(
            f"start_at_m {params.start_at_m} leaves nothing of a blade of {geometry.blade_length_m} m.",
            field="params.start_at_m",
        )
    home = geometry.frame().to_enu(inputs.home)
    away_m = math.hypot(home.east, home.north)
    if away_m > params.fence_radius_m - FENCE_MARGIN_M:
        raise InvalidInput(
            f"Home is {away_m:.0f} m from the tower, outside the fence of {params.fence_radius_m:.0f} m.",
            hint="Widen params.fence_radius_m or move home.",
            field="home",
        )


class Pen:
    """Draws paths round one turbine, point by point; what it found out for one path serves the next.

    Raises:
        InvalidInput: The inputs leave nothing to fly; the field is named.

    """

    def __init__(self, inputs: PlanInputs) -> None:
        _check_inputs(inputs)
        self._geometry, self._params = inputs.geometry, inputs.blades
        self._space = space_of(inputs, margin_m=_MARGIN_M)
        self._home = self._geometry.frame().to_enu(inputs.home)
        own_m = max(CLEARANCE_M, OWN_BLADE_SHARE * self._params.standoff_m)
        self._wide = self._space.with_limits(blades=own_m)
        self._lane = Lane(self._params.standoff_m, self._params.start_at_m, self._params.max_camera_pitch_deg)
        self._places = passages.places(self._geometry, self._params.standoff_m, self._params.start_at_m, self._space)
        self._wide_net = passages.Net(self._wide, self._places)
        self._best: dict[tuple[Strip, bool], Pass | None] = {}
        self._ways: dict[tuple[Enu, Enu], list[Enu] | None] = {}
        self._begin()

    def _begin(self) -> None:
        self._flown = Flown([], [], [], [])
        self._here = self._home.plus(UP, TAKE_OFF_UP_M)
        self._passes: list[Pass] = []
        self._skipped: list[Strip] = []

    def draw(self, strips: Sequence[Strip]) -> Draft:
        """Return the path from home over some sides and back.

        Raises:
            InvalidInput: Nothing of it can be flown.

        """
        self._begin()
        self._approach()
        for _, of_one in groupby(strips, key=lambda strip: strip.blade):
            self._round(of_one)
        if not self._passes:
            raise InvalidInput(
                "No side of any blade can be flown safely.",
                hint="Raise params.standoff_m, params.fence_radius_m or params.max_alt_rel_m.",
                field="params",
            )
        self._leave()
        return Draft(self._flown, tuple(self._passes), tuple(self._skipped), self._home, self._space)

    def _approach(self) -> None:
        way = self._way_to(passages.upwind_point(self._geometry, self._params.standoff_m))
        if way is None:
            raise InvalidInput(
                "There is no safe way from home to the turbine.",
                hint="Move home, or widen params.fence_radius_m and params.max_alt_rel_m.",
                field="home",
            )
        self._go(way, None)

    def _round(self, strips: Iterable[Strip]) -> None:
        """Fly some sides of one blade, out and back in turn."""
        outward = True
        for strip in strips:
            found = self._pass(strip, outward=outward)
            way = self._way_to(found.start) if found else None
            if found is None or way is None:
                self._skipped.append(strip)
                continue
            self._go(way[:-1], strip.blade)
            self._fly(found)
            outward = not outward

    def _pass(self, strip: Strip, *, outward: bool) -> Pass | None:
        if (strip, outward) not in self._best:
            self._best[strip, outward] = passes.best(self._geometry, self._space, strip, self._lane, outward=outward)
        return self._best[strip, outward]

    def _way_to(self, target: Enu) -> list[Enu] | None:
        """Return the shortest way that keeps well off the blades, or else one that keeps the limits."""
        ends = self._here, target
        if ends not in self._ways:
            wide = self._wide_net.shortest(*ends)
            self._ways[ends] = self._net.shortest(*ends) if wide is None else wide
        return self._ways[ends]

    @cached_property
    def _net(self) -> passages.Net:
        return passages.Net(self._space, self._places)

    def _go(self, way: list[Enu], blade: Blade | None) -> None:
        for point in way:
            self._add(point, self._look_from(point, blade), WaypointAction.NONE, None)

    def _look_from(self, point: Enu, blade: Blade | None) -> Enu:
        """Return the direction to the blade gone round, or to the hub."""
        hub = self._geometry.hub()
        if blade is None:
            return hub.minus(point).unit()
        span, _, _ = self._geometry.blade_axes(blade)
        tip_m = self._geometry.root_radius_m + self._geometry.blade_length_m
        along_m = min(max(point.minus(hub).dot(span), 0.0), tip_m)
        return hub.plus(span, along_m).minus(point).unit()

    def _fly(self, flight: Pass) -> None:
        self._add(flight.start, flight.look, WaypointAction.START_VIDEO, flight.strip)
        self._add(flight.end, flight.look, WaypointAction.STOP_VIDEO, flight.strip)
        self._passes.append(flight)

    def _leave(self) -> None:
        """Come down over home, from where the autopilot lands."""
        way = self._way_to(self._home.plus(UP, TAKE_OFF_UP_M))
        if way is None:
            raise InvalidInput("There is no safe way back home.", hint="Move home.", field="home")
        self._go(way, None)

    def _add(self, point: Enu, look: Enu, action: WaypointAction, strip: Strip | None) -> None:
        self._flown.points.append(point)
        self._flown.looks.append(look)
        self._flown.actions.append(action)
        self._flown.strips.append(strip)
        self._here = point
