"""From inputs to a route with its checks and estimates: pure, and the same bytes for the same inputs."""

from __future__ import annotations

import math
from typing import NamedTuple

from cloud.planning import checks, estimates
from cloud.planning.bodies import rounded, solids_of
from cloud.planning.drawing import CLEARANCE_M, TAKE_OFF_UP_M, Draft, draw, space_of
from cloud.planning.estimates import Estimates, Times
from cloud.planning.pattern import PlanInputs
from cloud.planning.photography import Shot
from cloud.planning.verdicts import Check
from contracts.geo import UP, Enu
from contracts.routes import Fence, Route, Waypoint, WaypointAction

_FULL_M = 0.01


class Planned(NamedTuple):
    """A route with what was found out about it."""

    route: Route
    checks: tuple[Check, ...]
    estimates: Estimates


def plan(inputs: PlanInputs, plan_id: str, version: int) -> Planned:
    """Plan a route.

    Raises:
        InvalidInput: Nothing can be flown with these inputs; the field says what to change.

    """
    draft = draw(inputs)
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
        *checks.geometric(route, space_of(inputs), inputs.geometry.frame(), start),
        *checks.pairs(route),
        *checks.graded(figures, inputs.blades.max_gsd_mm_px, inputs.blades.wind_mps),
        checks.coverage(draft.skipped, trimmed),
        checks.message_size(route),
    ]


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
    return Route(
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
        solids=solids_of(draft.space.cones, frame, CLEARANCE_M),
    )


def _camera(look: Enu, turbine_yaw_deg: float) -> tuple[float, float]:
    """Return (yaw, pitch) of a direction; straight up or down keeps the image upright towards the rotor."""
    level = math.hypot(look.east, look.north)
    yaw_deg = math.degrees(math.atan2(look.east, look.north)) if level > 1e-3 else turbine_yaw_deg + 180.0
    return round(yaw_deg % 360.0, 2) % 360.0, round(math.degrees(math.atan2(look.up, level)), 2)
