"""Whether a route may be flown: each check says pass, warn or block, where it is worst, and how to mend it.

Checks look at the finished route (its rounded coordinates), not at how the planner drew it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cloud.planning.estimates import Estimates
from cloud.planning.obstacles import Cone, Space, cones_of, distances_m
from cloud.planning.verdicts import EPSILON_M, Check, Row, Verdict, grade, holds, place_of
from contracts.geo import Enu
from contracts.routes import Route, Strip, WaypointAction
from contracts.topics import MAX_PAYLOAD_BYTES
from contracts.turbine import TurbineGeometry

_STEP_M = 0.5
_RESERVE_PERCENT = 30.0
_WARN_RESERVE_PERCENT = 40.0
_BLUR_WARN_PX, _BLUR_BLOCK_PX = 2.0, 5.0
_WIND_WARN_MPS, _WIND_BLOCK_MPS = 8.0, 12.0


class Sample(NamedTuple):
    """A point of the path, at most half a metre from the next."""

    segment: int
    metre: float
    point: Enu


def path_samples(start: Enu, points: Sequence[Enu]) -> Iterator[Sample]:
    """Yield the path from ``start`` over ``points``."""
    for number, (before, point) in enumerate(zip([start, *points], points, strict=False)):
        way = point.minus(before)
        count = max(1, math.ceil(way.norm() / _STEP_M))
        for step in range(count + 1):
            yield Sample(number, way.norm() * step / count, before.plus(way, step / count))


def geometric(route: Route, space: Space, turbine: TurbineGeometry, start: Enu) -> list[Check]:
    """Check clearance, fence, ceiling and floor along the whole path; ``space`` has no margin."""
    frame, cones = turbine.frame(), cones_of(turbine)
    samples = list(path_samples(start, [frame.to_enu(waypoint.point) for waypoint in route.waypoints]))
    kinds = {"tower": "the tower", "nacelle": "the nacelle", "blade": "a blade"}
    found = [_clearance(samples, space, cones, kind, words) for kind, words in kinds.items()]
    found += [_fence(samples, space), _ceiling(samples, space, route.fence.max_alt_rel_m), _floor(samples, space)]
    return [row.decided(verdict, place_of(at.segment, at.metre, frame.to_geo(at.point))) for row, verdict, at in found]


_Found = tuple[Row, Verdict, Sample]


def _clearance(samples: Sequence[Sample], space: Space, solid: tuple[Cone, ...], kind: str, words: str) -> _Found:
    cones = tuple(cone for cone in solid if cone.name.split()[0] == kind)
    gaps = distances_m(cones, np.array([sample.point for sample in samples])).min(axis=1)
    worst = samples[int(gaps.argmin())]
    value, limit = float(gaps.min()), space.limits_m[cones[0].name]
    sentence = f"The route passes {words} at {{value:.1f}} m; the limit is {{limit:.1f}} m."
    mend = "Raise params.standoff_m or leave the side out."
    return Row(f"clearance_{kind}", value, limit, "m", sentence, mend), holds(value >= limit - EPSILON_M), worst


def _fence(samples: Sequence[Sample], space: Space) -> _Found:
    worst = max(samples, key=lambda s: math.hypot(s.point.east, s.point.north))
    value, limit = math.hypot(worst.point.east, worst.point.north), space.fence_radius_m
    sentence = "The route reaches {value:.1f} m from the tower; the fence leaves {limit:.1f} m."
    mend = "Widen params.fence_radius_m, lower params.standoff_m or move home."
    return Row("fence", value, limit, "m", sentence, mend), holds(value <= limit + EPSILON_M), worst


def _ceiling(samples: Sequence[Sample], space: Space, limit: float) -> _Found:
    worst = max(samples, key=lambda s: s.point.up)
    value = worst.point.up - (space.ceiling_up_m - limit)
    sentence = "The route rises to {value:.1f} m above home; the ceiling is {limit:.1f} m."
    mend = "Raise params.max_alt_rel_m where the rules allow it."
    return Row("ceiling", value, limit, "m", sentence, mend), holds(value <= limit + EPSILON_M), worst


def _floor(samples: Sequence[Sample], space: Space) -> _Found:
    worst = min(samples, key=lambda s: s.point.up)
    value, limit = worst.point.up, space.floor_up_m
    sentence = "The route goes down to {value:.1f} m above the tower foot; the floor is {limit:.1f} m."
    mend = "Leave out the blade that hangs low, or turn the rotor."
    return Row("floor", value, limit, "m", sentence, mend), holds(value >= limit - EPSILON_M), worst


def pairs(route: Route) -> list[Check]:
    """Check that recordings start and stop in turn."""
    wanted = WaypointAction.START_VIDEO
    for waypoint in route.waypoints:
        if waypoint.action is WaypointAction.NONE:
            continue
        if waypoint.action is not wanted:
            sentence = f"Waypoint {waypoint.seq} is {waypoint.action.value} where {wanted.value} is due."
            return [Check(name="recording", verdict=Verdict.BLOCK, sentence=sentence, mend="Plan the route again.")]
        wanted = WaypointAction.STOP_VIDEO if wanted is WaypointAction.START_VIDEO else WaypointAction.START_VIDEO
    return [Check(name="recording", verdict=Verdict.PASS, sentence="Each recording that starts also stops.")]


def graded(estimates: Estimates, max_gsd_mm_px: float, wind_mps: float | None) -> list[Check]:
    """Check battery, ground resolution, motion blur and wind."""
    left, gsd, blur = 100.0 - estimates.battery_percent, estimates.gsd_mm_px, estimates.motion_blur_px
    battery = Row(
        "battery", left, _RESERVE_PERCENT, "%",
        f"The flight takes {estimates.duration_s:.0f} s and leaves {left:.0f} % of the battery; "
        "{limit:.0f} % must be left.",
        "Fly fewer blades at a time or raise params.speed_mps.",
    )  # fmt: skip
    resolution = Row(
        "ground_resolution", gsd, max_gsd_mm_px, "mm/px",
        "A pixel covers {value:.2f} mm; at most {limit:.2f} mm is allowed.",
        "Lower params.standoff_m or use a longer lens.",
    )  # fmt: skip
    sharpness = Row(
        "motion_blur", blur, _BLUR_BLOCK_PX, "px",
        "The image moves {value:.1f} px during the exposure; at most {limit:.1f} px is allowed.",
        "Lower params.speed_mps or params.shutter_s.",
    )  # fmt: skip
    checks = [
        battery.decided(grade(-left, -_WARN_RESERVE_PERCENT, -_RESERVE_PERCENT)),
        resolution.decided(grade(gsd, 0.8 * max_gsd_mm_px, max_gsd_mm_px)),
        sharpness.decided(grade(blur, _BLUR_WARN_PX, _BLUR_BLOCK_PX)),
    ]
    if wind_mps is not None:
        sentence = "The forecast wind is {value:.1f} m/s; the limit is {limit:.0f} m/s."
        wind = Row("wind", wind_mps, _WIND_BLOCK_MPS, "m/s", sentence, "Wait for less wind.")
        checks.append(wind.decided(grade(wind_mps, _WIND_WARN_MPS, _WIND_BLOCK_MPS)))
    return checks


def too_windy(wind_mps: float | None) -> bool:
    """Return whether nobody should fly in that wind."""
    return wind_mps is not None and wind_mps > _WIND_BLOCK_MPS


def message_size(route: Route) -> Check:
    """Check that begin_flight with this route fits into one message (quotes are escaped twice)."""
    text = route.model_dump_json()
    size, limit = len(text) + text.count('"') + 2_000, MAX_PAYLOAD_BYTES
    sentence = "The command with this route takes {value:.0f} of {limit:.0f} bytes."
    row = Row("message_size", float(size), float(limit), "bytes", sentence, "Fly fewer blades at a time.")
    return row.decided(holds(size <= limit))


def coverage(skipped: Iterable[Strip], trimmed: Iterable[tuple[Strip, float, float]]) -> Check:
    """Say what the route will not look at."""
    gaps = [f"blade {strip.blade.value} {strip.side.value} not at all" for strip in skipped]
    gaps += [f"blade {s.blade.value} {s.side.value} only {first:.1f} m to {last:.1f} m" for s, first, last in trimmed]
    if not gaps:
        return Check(name="coverage", verdict=Verdict.PASS, sentence="Every wanted side is looked at in full.")
    return Check(
        name="coverage",
        verdict=Verdict.WARN,
        sentence=f"Tower or nacelle are in the way: {'; '.join(gaps)}.",
        mend="Turn the rotor and fly the rest, or raise params.standoff_m.",
        value=float(len(gaps)),
        limit=0.0,
        unit="sides",
    )
