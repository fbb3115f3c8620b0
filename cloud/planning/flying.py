"""From what is to be looked at to flights: drawn, estimated, checked, and split so that each fits one battery."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from cloud.planning import bodies, checks, estimates, rules, splitting, tracks
from cloud.planning.bodies import rounded, solids_of
from cloud.planning.bounds import nearness
from cloud.planning.estimates import Estimates, Times
from cloud.planning.obstacles import FLOOR_M, Cone
from cloud.planning.photography import Shot
from cloud.planning.rules import Limits, Surroundings
from cloud.planning.splitting import BATTERY_PERCENT, MAX_SOLIDS, MAX_WAYPOINTS
from cloud.planning.surveys import SurveyInputs
from cloud.planning.verdicts import EPSILON_M, Check, Row, Verdict, grade, holds, place_of
from cloud.stretches import Stretch
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.routes import Fence, Route, Solid, Waypoint, WaypointAction, Zone

TAKE_OFF_UP_M = 10.0
FENCE_BEYOND_M = 40.0
WAYPOINT_BYTES, SOLID_BYTES = 300, 500
"""More than any of them takes in a command."""
_SMALL_BYTES = 100_000
"""A route without zones that is smaller by these is not measured: it fits into a command, and most are."""
_LOWEST_PITCH_DEG = -90.0


class Step(NamedTuple):
    """A place to fly to, looking in a direction (unit east-north-up there) on arrival."""

    point: GeoPoint
    look: Enu
    speed_mps: float
    action: WaypointAction = WaypointAction.NONE


@dataclass(frozen=True)
class Drawn:
    """One flight before it is a route: the places, and the solid things near it in the frame of its home."""

    home: GeoPoint
    steps: tuple[Step, ...]
    shot: Shot
    inspected_m: float
    cones: tuple[Cone, ...] = ()
    top_alt_m: float = 0.0
    """Above the ellipsoid: a return at this height clears everything."""
    gaps: tuple[str, ...] = field(default=())
    """What of the wanted places cannot be flown."""
    coarse: tuple[str, ...] = field(default=())
    """What is shown, and not finely enough to count as seen."""
    passes_towers: bool = False
    """It follows a line's conductors, and goes round none of its towers."""
    rounds_towers: bool = False
    """It goes round a line's towers, which may hide a side of their insulator strings."""
    beside: tuple[Cone, ...] = ()
    """Parts of other assets about the flight and its ways home, in the frame of its home."""
    passed: tuple[Solid, ...] = ()
    """Those of them that the flight comes near to: they go with its route."""

    @cached_property
    def places(self) -> list[Enu]:
        """Return where the steps lead, metres about home."""
        frame = LocalFrame(self.home)
        return [frame.to_enu(step.point) for step in self.steps]


class Survey(Protocol):
    """A pattern: sections in the order they are flown, and the flight over some of them."""

    @property
    def sections(self) -> int:
        """Return how many there are."""

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight over sections ``first`` to ``last`` (both included)."""

    def name_of(self, section: int) -> str:
        """Return what people call a section."""

    def stretch(self, first: int, last: int) -> Stretch:
        """Return what a flight over sections ``first`` to ``last`` flies of the asset."""


class Planned(NamedTuple):
    """A route with what was found out about it. ``stretch``: which part of the asset or the wish it is, if not all."""

    route: Route
    checks: tuple[Check, ...]
    estimates: Estimates
    stretch: Stretch | None = None


def plan(inputs: SurveyInputs, survey: Survey, name: Callable[[int], tuple[str, int]]) -> list[Planned]:
    """Return every flight of a survey.

    Args:
        inputs: What the operator wants.
        survey: The pattern over the asset.
        name: Gives plan id and version of part n (from 1).

    Raises:
        InvalidInput: One section alone is too much for a battery, a route cannot keep its own limits, or other assets
            are in the way of every section.

    """
    flights: list[Drawn] = []
    stretches: list[Stretch] = []
    left_out: list[str] = []
    among = _Among(survey, inputs.neighbours)
    first = 0
    while first < survey.sections:
        alone = among.flight(first, first)
        if (why := _in_the_way(alone)) is not None:
            left_out.append(f"{survey.name_of(first)} not at all, for it passes {why}")
            first += 1
            continue
        last, drawn = _last_that_fits(inputs, among, first, alone)
        flights.append(drawn)
        stretches.append(survey.stretch(first, last))
        first = last + 1
    if not flights:
        hint = "Look at it by another pattern, or from farther away."
        raise InvalidInput(f"Nothing can be flown: {left_out[0]}.", hint=hint, field="params.standoff_m")
    # What no flight looks at is said by the first of them.
    flights[0] = replace(flights[0], gaps=(*flights[0].gaps, *left_out))
    return [
        _planned(inputs, drawn, *name(part))._replace(stretch=stretch.unless_all())
        for part, (drawn, stretch) in enumerate(zip(flights, stretches, strict=True), start=1)
    ]


class _Among:
    """A survey's flights with the parts of other assets about them."""

    def __init__(self, survey: Survey, neighbours: Sequence[Solid]) -> None:
        self._survey, self._beside = survey, bodies.Beside(neighbours) if neighbours else None
        self.sections = survey.sections

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight over some sections."""
        drawn = self._survey.flight(first, last)
        if self._beside is None:
            return drawn
        cones, passed = self._beside.about(LocalFrame(drawn.home), [Enu(0.0, 0.0, 0.0), *drawn.places])
        return replace(drawn, beside=cones, passed=passed)


def _last_that_fits(inputs: SurveyInputs, among: _Among, first: int, alone: Drawn) -> tuple[int, Drawn]:
    """Return the last section that one flight from ``first`` on can take, and that flight."""
    why = _too_much(inputs, alone)
    if why is not None:
        raise InvalidInput(f"One section alone is too much for a flight: {why}", hint=_SMALLER, field="params")
    return splitting.grown(
        first,
        among.sections,
        alone,
        lambda last: among.flight(first, last),
        lambda drawn: _in_the_way(drawn) is None and _too_much(inputs, drawn) is None,
    )


def _in_the_way(drawn: Drawn) -> str | None:
    """Return which part of another asset a flight comes too near to; None when it keeps off all of them."""
    if not drawn.beside:
        return None
    places = [UP.times(TAKE_OFF_UP_M), *drawn.places]
    starts, ends = np.array(places[:-1]), np.array(places[1:])
    if nearness(drawn.beside, starts, ends).least_m.min() >= Limits().clearance_m:
        return None
    pairs = zip(pairwise(places), [drawn.steps[0], *drawn.steps], drawn.steps, strict=False)
    legs = tuple(
        tracks.Leg(number, 0.0, *ways, one.point.alt_m, other.point.alt_m, other.speed_mps)
        for number, (ways, one, other) in enumerate(pairs)
    )
    found = rules.closest(tracks.Track(LocalFrame(drawn.home), legs), drawn.beside)
    return f"{found.name} at {found.gap_m:.1f} m" if found.gap_m < Limits().clearance_m else None


def _too_high_or_low(inputs: SurveyInputs, drawn: Drawn) -> str | None:
    rise_m = max(step.point.alt_m for step in drawn.steps) - drawn.home.alt_m
    if rise_m > inputs.params.max_alt_rel_m:
        return f"It rises to {rise_m:.0f} m above home; the ceiling is {inputs.params.max_alt_rel_m:.0f} m."
    lowest_m = min(place.up for place in drawn.places)
    return f"It sinks to {lowest_m:.1f} m above home; {FLOOR_M:.0f} m are the least." if lowest_m < FLOOR_M else None


_SMALLER = "Fly faster, lower or nearer to home, or raise params.max_alt_rel_m."


def _too_much(inputs: SurveyInputs, drawn: Drawn) -> str | None:
    """Return why a flight is too long or too high, None when it is not."""
    if len(drawn.steps) > MAX_WAYPOINTS:
        return f"It has {len(drawn.steps)} waypoints; {MAX_WAYPOINTS} are sound."
    if (solids := len(drawn.cones) + len(drawn.passed)) > MAX_SOLIDS:
        return f"It passes {solids} parts of the asset and its neighbours; {MAX_SOLIDS} are sound."
    figures = estimate(inputs, drawn)
    if figures.battery_percent > BATTERY_PERCENT:
        return f"It takes {figures.battery_percent:.0f} % of the battery; {BATTERY_PERCENT:.0f} % are planned."
    if (why := _too_high_or_low(inputs, drawn)) is not None:
        return why
    if len(drawn.steps) * WAYPOINT_BYTES + solids * SOLID_BYTES < _SMALL_BYTES and not inputs.zones:
        return None
    size = checks.message_size(route_of(inputs, drawn, "pln-" + 20 * "0", 1))
    return size.sentence if size.verdict is Verdict.BLOCK else None


def _planned(inputs: SurveyInputs, drawn: Drawn, plan_id: str, version: int) -> Planned:
    route = route_of(inputs, drawn, plan_id, version)
    figures = estimate(inputs, drawn)
    found = check(inputs, drawn, route, figures)
    broken = next((one for one in found if one.verdict is Verdict.BLOCK and one.name not in _OPERATORS_OWN), None)
    if broken is not None:
        raise InvalidInput(broken.sentence, hint=broken.mend, field=_FIELDS.get(broken.name, "params"))
    return Planned(route, tuple(found), figures)


_OPERATORS_OWN = frozenset({"ground_resolution", "motion_blur"})
"""Checks of numbers the operator may insist on: such a plan is stored, blocked and explained."""
_FIELDS = {
    "wind": "params.wind_mps",
    "altitude": "params.max_alt_rel_m",
    "floor": "home",
    "obstacle_clearance": "params.standoff_m",
}


def route_of(inputs: SurveyInputs, drawn: Drawn, plan_id: str, version: int) -> Route:
    """Return a drawn flight as a route, its numbers rounded so that every machine makes the same."""
    home = rounded(drawn.home)
    waypoints = [
        Waypoint(
            seq=seq,
            point=rounded(step.point),
            speed_mps=round(step.speed_mps, 2),
            camera_yaw_deg=_yaw_deg(step.look),
            camera_pitch_deg=round(math.degrees(math.asin(max(-1.0, min(1.0, step.look.up)))), 2),
            action=step.action,
        )
        for seq, step in enumerate(drawn.steps)
    ]
    return Route(
        plan_id=plan_id,
        version=version,
        asset_id=inputs.asset_id,
        pattern=inputs.params.pattern,
        home=home,
        standoff_m=round(drawn.shot.distance_m, 2),
        fence=fence_round(home, [waypoint.point for waypoint in waypoints], inputs.params.max_alt_rel_m, inputs.zones),
        waypoints=tuple(waypoints),
        solids=(*solids_of(drawn.cones, LocalFrame(drawn.home), Limits().clearance_m), *drawn.passed),
    )


def fence_round(
    home: GeoPoint, points: Sequence[GeoPoint], max_alt_rel_m: float, zones: tuple[Zone, ...], beyond_m: float = 0.0
) -> Fence:
    """Return the fence of a flight: round home and everything that it reaches."""
    frame = LocalFrame(home)
    places = [Enu(0.0, 0.0, 0.0), *(frame.to_enu(point) for point in points)]
    east, north = ([place[axis] for place in places] for axis in (0, 1))
    centre = Enu((min(east) + max(east)) / 2, (min(north) + max(north)) / 2, 0.0)
    reach_m = max(math.hypot(place.east - centre.east, place.north - centre.north) for place in places)
    ground = frame.to_geo(centre).model_copy(update={"alt_m": home.alt_m})
    return Fence(
        centre=rounded(ground),
        radius_m=float(math.ceil(reach_m + beyond_m + FENCE_BEYOND_M)),
        max_alt_rel_m=max_alt_rel_m,
        zones=zones,
    )


def _yaw_deg(look: Enu) -> float:
    if math.hypot(look.east, look.north) < 1e-6:
        return 0.0
    return round(math.degrees(math.atan2(look.east, look.north)) % 360.0, 2) % 360.0


def estimate(inputs: SurveyInputs, drawn: Drawn) -> Estimates:
    """Return what a flight takes, from take-off to landing."""
    points = drawn.places
    start = UP.times(TAKE_OFF_UP_M)
    legs = estimates.legs_s(start, points, [step.speed_mps for step in drawn.steps])
    recording, video_s = False, 0.0
    for step, leg_s in zip(drawn.steps, legs, strict=True):
        video_s += leg_s if recording else 0.0
        recording = step.action is WaypointAction.START_VIDEO or (
            recording and step.action is not WaypointAction.STOP_VIDEO
        )
    speed_mps = max(step.speed_mps for step in drawn.steps)
    duration_s = TAKE_OFF_UP_M / estimates.CLIMB_MPS + sum(legs) + estimates.landing_s(max(0.0, points[-1].up))
    places = [start, *points]
    times = Times(
        duration_s=duration_s,
        distance_m=sum(b.minus(a).norm() for a, b in zip(places, points, strict=False)),
        video_s=video_s,
        battery_percent=estimates.battery_percent(duration_s, speed_mps, inputs.params.wind_mps or 0.0),
    )
    blur_px = drawn.shot.blur_px(record_speed_mps(drawn), inputs.params.shutter_s)
    return estimates.of_flight(times, drawn.shot, blur_px, drawn.inspected_m)


def record_speed_mps(drawn: Drawn) -> float:
    """Return the speed while recording."""
    return next(step.speed_mps for step in drawn.steps if step.action is WaypointAction.STOP_VIDEO)


def check(inputs: SurveyInputs, drawn: Drawn, route: Route, figures: Estimates) -> list[Check]:
    """Return every check of a route that time and weather do not change."""
    track = tracks.of_route(route, TAKE_OFF_UP_M)
    return_m = max(30.0, drawn.top_alt_m - route.home.alt_m)
    limits = Limits(max_alt_rel_m=inputs.params.max_alt_rel_m, return_alt_rel_m=math.ceil(return_m))
    return [
        *rules.judge(track, Surroundings(cones=drawn.cones + drawn.beside, limits=limits)),
        floor(route),
        _in_the_fence(route),
        *checks.pairs(route),
        *checks.graded(figures, 1.25 * inputs.params.gsd_mm_px, inputs.params.wind_mps),
        _camera(route),
        _coverage(drawn),
        checks.message_size(route),
    ]


def floor(route: Route) -> Check:
    """Say how low above home a route goes: a drone refuses one that goes down to its take-off."""
    frame = LocalFrame(route.home)
    heights_m = [frame.to_enu(waypoint.point).up for waypoint in route.waypoints]
    lowest = min(range(len(heights_m)), key=heights_m.__getitem__)
    row = Row(
        "floor", heights_m[lowest], FLOOR_M, "m",
        f"Waypoint {lowest} lies {{value:.1f}} m above home; the floor is {{limit:.1f}} m.",
        "Take off from lower ground, or fly higher.",
    )  # fmt: skip
    return row.decided(holds(row.value >= FLOOR_M - EPSILON_M), place_of(lowest, 0.0, route.waypoints[lowest].point))


def _in_the_fence(route: Route) -> Check:
    frame = LocalFrame(route.fence.centre)
    places = [frame.to_enu(waypoint.point) for waypoint in route.waypoints]
    reaches = [math.hypot(place.east, place.north) for place in places]
    value = max(reaches)
    sentence = "The route reaches {value:.1f} m from the middle of its fence; the fence leaves {limit:.1f} m."
    row = Row("fence_radius", value, route.fence.radius_m, "m", sentence, "Plan it again.")
    return row.decided(grade(value, route.fence.radius_m - 2.0, route.fence.radius_m))


def _camera(route: Route) -> Check:
    highest = max(waypoint.camera_pitch_deg for waypoint in route.waypoints) or 0.0  # level is not -0
    row = Row(
        "camera_limits", highest, 45.0, "deg",
        "The camera looks up to {value:.0f} degrees; the gimbal reaches {limit:.0f}.", "Fly higher.",
    )  # fmt: skip
    return row.decided(grade(highest, 45.0, 45.0))


def _coverage(drawn: Drawn) -> Check:
    if drawn.gaps:
        return Check(
            name="coverage",
            verdict=Verdict.WARN,
            sentence=f"Something is in the way: {'; '.join(drawn.gaps)}.",
            mend="Raise params.standoff_m, or look at the rest by another pattern.",
            value=float(len(drawn.gaps)),
            limit=0.0,
            unit="strips",
        )
    if drawn.coarse:
        return Check(
            name="coverage",
            verdict=Verdict.WARN,
            sentence=f"Too coarse to count as seen: {'; '.join(drawn.coarse)}.",
            mend="Use a longer lens.",
        )
    if drawn.passes_towers:
        return Check(
            name="coverage",
            verdict=Verdict.PASS,
            sentence="The conductors are looked at; towers and insulator strings are not, from all their sides.",
        )
    if drawn.rounds_towers:
        return Check(
            name="coverage",
            verdict=Verdict.PASS,
            sentence="The towers are looked at from all sides; insulator strings are not, where a tower hides them.",
        )
    return Check(name="coverage", verdict=Verdict.PASS, sentence="Everything wanted is looked at.")
