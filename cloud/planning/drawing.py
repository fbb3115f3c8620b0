"""Draws the path of the pattern ``blades``: passes along each side, and ways between them that are proved clear."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

from cloud.planning import passages, passes
from cloud.planning.obstacles import FENCE_MARGIN_M, FLOOR_M, Space, cones_of
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
    cones = cones_of(inputs.geometry)
    home_up_m = inputs.geometry.frame().to_enu(inputs.home).up
    return Space(
        cones=cones,
        limits_m={cone.name: CLEARANCE_M for cone in cones},
        floor_up_m=max(0.0, home_up_m) + FLOOR_M,
        ceiling_up_m=home_up_m + inputs.blades.max_alt_rel_m,
        fence_radius_m=inputs.blades.fence_radius_m - FENCE_MARGIN_M,
        margin_m=margin_m,
    )


def draw(inputs: PlanInputs) -> Draft:
    """Draw the path.

    Raises:
        InvalidInput: Nothing of it can be flown; the field says what to change.

    """
    _check_inputs(inputs)
    return _Pen(inputs).draw()


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


class _Pen:
    """Draws one path, point by point."""

    def __init__(self, inputs: PlanInputs) -> None:
        self._geometry, self._params = inputs.geometry, inputs.blades
        self._space = space_of(inputs, margin_m=_MARGIN_M)
        self._home = self._geometry.frame().to_enu(inputs.home)
        own_m = max(CLEARANCE_M, OWN_BLADE_SHARE * self._params.standoff_m)
        self._wide = self._space.with_limits(blades=own_m)
        self._lane = Lane(self._params.standoff_m, self._params.start_at_m, self._params.max_camera_pitch_deg)
        self._places = passages.places(self._geometry, self._params.standoff_m, self._params.start_at_m, self._space)
        self._wide_net = passages.Net(self._wide, self._places)
        self._flown = Flown([], [], [], [])
        self._here = self._home.plus(UP, TAKE_OFF_UP_M)
        self._passes: list[Pass] = []
        self._skipped: list[Strip] = []

    def draw(self) -> Draft:
        """Return the whole path."""
        self._approach()
        for blade in self._params.blades:
            self._round(blade)
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

    def _round(self, blade: Blade) -> None:
        outward = True
        for side in (side for side in ORDER if side in self._params.sides):
            strip = Strip(blade=blade, side=side)
            found = passes.best(self._geometry, self._space, strip, self._lane, outward=outward)
            way = self._way_to(found.start) if found else None
            if found is None or way is None:
                self._skipped.append(strip)
                continue
            self._go(way[:-1], blade)
            self._fly(found)
            outward = not outward

    def _way_to(self, target: Enu) -> list[Enu] | None:
        """Return the shortest way that keeps well off the blades, or else one that keeps the limits."""
        wide = self._wide_net.shortest(self._here, target)
        return self._net.shortest(self._here, target) if wide is None else wide

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
