"""From inputs to a route with its checks and estimates: pure, and the same bytes for the same inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cloud.planning import bodies, checks, estimates, rules, splitting, tracks
from cloud.planning.bodies import rounded, solids_of
from cloud.planning.drawing import CLEARANCE_M, TAKE_OFF_UP_M, Draft, Pen, draw, space_of, strips_of
from cloud.planning.estimates import Estimates, Times
from cloud.planning.flying import Planned
from cloud.planning.obstacles import cones_of
from cloud.planning.pattern import PlanInputs
from cloud.planning.photography import Shot
from cloud.planning.rules import Limits, Surroundings
from cloud.planning.splitting import BATTERY_PERCENT, MAX_SOLIDS
from cloud.planning.verdicts import Check, Row, Verdict, holds, place_of
from cloud.stretches import Stretch
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, LocalFrame
from contracts.routes import Fence, Route, Strip, Waypoint, WaypointAction

_FULL_M = 0.01
_ROUNDED_DEG = 0.01
_SKETCH = ("pln-" + 20 * "0", 1)


def flights(inputs: PlanInputs, name: Callable[[int], tuple[str, int]]) -> list[Planned]:
    """Return every flight over the wanted sides, each from home and back; no side is cut between two of them.

    In more wind than may be flown there is one flight, blocked and explained.

    Args:
        inputs: What the operator wants.
        name: Gives plan id and version of part n (from 1).

    Raises:
        InvalidInput: Nothing can be flown with these inputs, or one side alone is too much for a flight.

    """
    pen = Pen(inputs)
    whole = pen.draw(strips_of(inputs))
    if checks.too_windy(inputs.blades.wind_mps) or _fits(inputs, whole):
        return [_planned(inputs, whole, *name(1))]
    planned: list[Planned] = []
    for number, draft in enumerate(_split(inputs, pen, [flown.strip for flown in whole.passes]), start=1):
        # What no flight looks at is said by the first of them.
        missed = draft.skipped + whole.skipped if number == 1 else draft.skipped
        flight = _planned(inputs, draft._replace(skipped=missed), *name(number))
        planned.append(flight._replace(stretch=_stretch(draft, [flown.strip for flown in whole.passes])))
    return planned


def _stretch(draft: Draft, strips: Sequence[Strip]) -> Stretch | None:
    sides = tuple(f"{flown.strip.blade.value} {flown.strip.side.value}" for flown in draft.passes)
    numbers = [strips.index(flown.strip) for flown in draft.passes]
    if not numbers:
        return None
    return Stretch(first=min(numbers), last=max(numbers), of=len(strips), sides=sides).unless_all()


def _split(inputs: PlanInputs, pen: Pen, strips: Sequence[Strip]) -> list[Draft]:
    drafts: list[Draft] = []
    first = 0
    while first < len(strips):
        alone = pen.draw(strips[first : first + 1])
        _refuse_too_much(inputs, alone)
        last, draft = splitting.grown(
            first,
            len(strips),
            alone,
            lambda last, first=first: pen.draw(strips[first : last + 1]),  # type: ignore[misc]
            lambda drawn: _fits(inputs, drawn),
        )
        drafts.append(draft)
        first = last + 1
    return drafts


def _fits(inputs: PlanInputs, draft: Draft) -> bool:
    route = route_of(inputs, draft, *_SKETCH)
    return (
        estimate(inputs, draft, route).battery_percent <= BATTERY_PERCENT
        and len(route.solids) <= MAX_SOLIDS
        and checks.message_size(route).verdict is Verdict.PASS
    )


def _refuse_too_much(inputs: PlanInputs, draft: Draft) -> None:
    """Refuse one side that battery, message or drone have no room for; it may take what only warns."""
    route = route_of(inputs, draft, *_SKETCH)
    found = [
        *checks.graded(estimate(inputs, draft, route), inputs.blades.max_gsd_mm_px, None),
        checks.message_size(route),
    ]
    why = next((one.sentence for one in found if one.name in _OF_A_FLIGHT and one.verdict is Verdict.BLOCK), None)
    if len(route.solids) > MAX_SOLIDS:
        why = f"It passes {len(route.solids)} parts of the asset and its neighbours; {MAX_SOLIDS} are sound."
    if why is not None:
        raise InvalidInput(
            f"One side alone is too much for a flight: {why}",
            hint="Fly faster (params.transit_speed_mps), or from nearer to the turbine.",
            field="params",
        )


_OF_A_FLIGHT = frozenset({"battery", "message_size"})


def plan(inputs: PlanInputs, plan_id: str, version: int) -> Planned:
    """Plan one flight over everything, whatever it takes.

    Raises:
        InvalidInput: Nothing can be flown with these inputs; the field says what to change.

    """
    return _planned(inputs, draw(inputs), plan_id, version)


def _planned(inputs: PlanInputs, draft: Draft, plan_id: str, version: int) -> Planned:
    route = route_of(inputs, draft, plan_id, version)
    figures = estimate(inputs, draft, route)
    return Planned(route, tuple(check(inputs, draft, route, figures)), figures)


def check(inputs: PlanInputs, draft: Draft, route: Route, figures: Estimates) -> list[Check]:
    """Return every check of a route."""
    start = draft.home.plus(UP, TAKE_OFF_UP_M)
    trimmed = [
        (p.strip, p.first_m, p.last_m)
        for p in draft.passes
        if p.first_m > inputs.blades.start_at_m + _FULL_M or p.last_m < inputs.geometry.blade_length_m - _FULL_M
    ]
    return [
        *checks.geometric(route, space_of(inputs), inputs.geometry, start),
        *_surrounded(inputs, route),
        _camera_reach(inputs, route),
        *checks.pairs(route),
        *checks.graded(figures, inputs.blades.max_gsd_mm_px, inputs.blades.wind_mps),
        checks.coverage(draft.skipped, trimmed),
        checks.message_size(route),
    ]


def _camera_reach(inputs: PlanInputs, route: Route) -> Check:
    """Say how far up the camera looks while it records; on the ways between it may look as far as it can."""
    recorded = [waypoint for waypoint in route.waypoints if waypoint.strip is not None]
    highest = max(recorded, key=lambda waypoint: waypoint.camera_pitch_deg)
    row = Row(
        "camera_limits", highest.camera_pitch_deg, inputs.blades.max_camera_pitch_deg, "deg",
        "The camera looks up to {value:.0f} degrees; the gimbal reaches {limit:.0f}.", "Turn the rotor.",
    )  # fmt: skip
    return row.decided(holds(row.value <= row.limit + _ROUNDED_DEG), place_of(highest.seq, 0.0, highest.point))


def _surrounded(inputs: PlanInputs, route: Route) -> list[Check]:
    """Check the clearance to other assets, and the way home between them and round the turbine itself."""
    track = tracks.of_route(route, TAKE_OFF_UP_M)
    own = bodies.of_asset(inputs.geometry, track.frame)
    beside, _ = bodies.Beside(inputs.neighbours).about(track.frame, _path_of(route))
    top_m = max(cone.highest_m for cone in own) + CLEARANCE_M
    limits = Limits(return_alt_rel_m=math.ceil(min(max(30.0, top_m), route.fence.max_alt_rel_m)))
    found = [rules.returns(track, Surroundings(cones=own + beside, limits=limits))]
    return [rules.obstacles(track, Surroundings(cones=beside, limits=limits)), *found] if beside else found


def _path_of(route: Route) -> list[Enu]:
    frame = LocalFrame(route.home)
    return [Enu(0.0, 0.0, 0.0), *(frame.to_enu(waypoint.point) for waypoint in route.waypoints)]


def estimate(inputs: PlanInputs, draft: Draft, route: Route) -> Estimates:
    """Return what flying the route from take-off to landing will take."""
    start = draft.home.plus(UP, TAKE_OFF_UP_M)
    points = draft.flown.points
    legs = estimates.legs_s(start, points, [waypoint.speed_mps for waypoint in route.waypoints])
    video_s = sum(
        leg for leg, waypoint in zip(legs, route.waypoints, strict=True) if waypoint.action is WaypointAction.STOP_VIDEO
    )
    height_m = points[-1].up - draft.home.up
    duration_s = TAKE_OFF_UP_M / estimates.CLIMB_MPS + sum(legs) + estimates.landing_s(height_m)
    shot = Shot(inputs.camera, inputs.blades.standoff_m)
    speed_mps = inputs.blades.transit_speed_mps
    times = Times(
        duration_s=duration_s,
        distance_m=sum(b.minus(a).norm() for a, b in zip([start, *points], points, strict=False)),
        video_s=video_s,
        battery_percent=estimates.battery_percent(duration_s, speed_mps, inputs.blades.wind_mps or 0.0),
    )
    blur_px = shot.blur_px(inputs.blades.speed_mps, inputs.blades.shutter_s)
    return estimates.of_flight(times, shot, blur_px, sum(p.last_m - p.first_m for p in draft.passes))


def route_of(inputs: PlanInputs, draft: Draft, plan_id: str, version: int) -> Route:
    """Return the drawn path as a route. Coordinates are rounded to a millimetre, so every machine makes the same."""
    params, frame = inputs.blades, inputs.geometry.frame()
    waypoints = []
    for seq, (point, look, action, strip) in enumerate(zip(*draft.flown, strict=True)):
        yaw_deg, pitch_deg = _camera(look, inputs.geometry.yaw_deg)
        on_pass = action is WaypointAction.STOP_VIDEO
        waypoints.append(
            Waypoint(
                seq=seq,
                point=rounded(frame.to_geo(point)),
                speed_mps=params.speed_mps if on_pass else params.transit_speed_mps,
                camera_yaw_deg=yaw_deg,
                camera_pitch_deg=pitch_deg,
                action=action,
                strip=strip,
            )
        )
    made = Route(
        plan_id=plan_id,
        version=version,
        asset_id=inputs.asset_id,
        pattern="blades",
        home=rounded(inputs.home),
        standoff_m=params.standoff_m,
        fence=Fence(
            centre=rounded(inputs.geometry.foot),
            radius_m=params.fence_radius_m,
            max_alt_rel_m=params.max_alt_rel_m,
            zones=inputs.zones,
        ),
        waypoints=tuple(waypoints),
        solids=solids_of(cones_of(inputs.geometry), frame, CLEARANCE_M),
    )
    if not inputs.neighbours:
        return made
    passed = bodies.Beside(inputs.neighbours).about(LocalFrame(made.home), _path_of(made))[1]
    return made.model_copy(update={"solids": (*made.solids, *passed)})


def _camera(look: Enu, turbine_yaw_deg: float) -> tuple[float, float]:
    """Return (yaw, pitch) of a direction; straight up or down keeps the image upright towards the rotor."""
    level = math.hypot(look.east, look.north)
    yaw_deg = math.degrees(math.atan2(look.east, look.north)) if level > 1e-3 else turbine_yaw_deg + 180.0
    return round(yaw_deg % 360.0, 2) % 360.0, round(math.degrees(math.atan2(look.up, level)), 2)
