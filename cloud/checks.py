"""Whether a route may be flown: each check says pass, warn or block, where it is worst, and how to mend it.

Checks look at the finished route (its rounded coordinates), not at how the planner drew it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from cloud.estimates import Estimates
from cloud.obstacles import Space
from contracts.geo import Enu, Frozen, GeoPoint, LocalFrame
from contracts.routes import Route, Strip, WaypointAction
from contracts.topics import MAX_PAYLOAD_BYTES

_STEP_M = 0.5
_RESERVE_PERCENT = 30.0
_WARN_RESERVE_PERCENT = 40.0
_BLUR_WARN_PX, _BLUR_BLOCK_PX = 2.0, 5.0
_WIND_WARN_MPS, _WIND_BLOCK_MPS = 8.0, 12.0
_STANDOFF_TOLERANCE_M = 0.05
_EPSILON_M = 0.005


class Verdict(StrEnum):
    """May it fly?"""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    BLOCK = "block"


class Worst(Frozen):
    """Where on the route a check is closest to its limit. ``segment`` ends at the waypoint of that number."""

    segment: int
    metre: float
    lat_deg: float
    lon_deg: float
    alt_m: float


class Check(Frozen):
    """One verdict and its reason in plain words."""

    name: str
    verdict: Verdict
    sentence: str
    mend: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    worst: Worst | None = None


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


def geometric(route: Route, space: Space, frame: LocalFrame, start: Enu) -> list[Check]:
    """Check clearance, fence, ceiling and floor along the whole path; ``space`` has no margin."""
    samples = list(path_samples(start, [frame.to_enu(waypoint.point) for waypoint in route.waypoints]))
    kinds = {"tower": "the tower", "nacelle": "the nacelle", "blade": "a blade"}
    checks = [_clearance(samples, space, frame, kind, words) for kind, words in kinds.items()]
    fence = min(samples, key=lambda s: -math.hypot(s.point.east, s.point.north))
    highest, lowest = max(samples, key=lambda s: s.point.up), min(samples, key=lambda s: s.point.up)
    reach_m, ceiling_m = math.hypot(fence.point.east, fence.point.north), space.ceiling_up_m
    checks.append(
        _limit(
            "fence", reach_m <= space.fence_radius_m + _EPSILON_M, reach_m, space.fence_radius_m, fence, frame,
            "The route reaches {value:.1f} m from the tower; the fence leaves {limit:.1f} m.",
            "Widen params.fence_radius_m, lower params.standoff_m or move home.",
        )
    )
    home_up_m = ceiling_m - route.fence.max_alt_rel_m
    checks.append(
        _limit(
            "ceiling", highest.point.up <= ceiling_m + _EPSILON_M, highest.point.up - home_up_m,
            route.fence.max_alt_rel_m, highest, frame,
            "The route rises to {value:.1f} m above home; the ceiling is {limit:.1f} m.",
            "Raise params.max_alt_rel_m where the rules allow it.",
        )
    )
    checks.append(
        _limit(
            "floor", lowest.point.up >= space.floor_up_m - _EPSILON_M, lowest.point.up, space.floor_up_m, lowest, frame,
            "The route goes down to {value:.1f} m above the tower foot; the floor is {limit:.1f} m.",
            "Leave out the blade that hangs low, or turn the rotor.",
        )
    )
    return checks


def _clearance(samples: Sequence[Sample], space: Space, frame: LocalFrame, kind: str, words: str) -> Check:
    cones = [cone for cone in space.cones if cone.name.split()[0] == kind]
    worst = min(samples, key=lambda s: min(cone.distance_m(s.point) for cone in cones))
    value = min(cone.distance_m(worst.point) for cone in cones)
    limit = space.limits_m[cones[0].name]
    return _limit(
        f"clearance_{kind}", value >= limit - _EPSILON_M, value, limit, worst, frame,
        f"The route passes {words} at {{value:.1f}} m; the limit is {{limit:.1f}} m.",
        "Raise params.standoff_m or leave the side out.",
    )


def _limit(  # noqa: PLR0913 - a table row
    name: str, holds: bool, value: float, limit: float, at: Sample, frame: LocalFrame, sentence: str, mend: str
) -> Check:
    return Check(
        name=name,
        verdict=Verdict.PASS if holds else Verdict.BLOCK,
        sentence=sentence.format(value=value, limit=limit),
        mend="" if holds else mend,
        value=round(value, 2),
        limit=round(limit, 2),
        unit="m",
        worst=_place(at, frame.to_geo(at.point)),
    )


def _place(at: Sample, point: GeoPoint) -> Worst:
    return Worst(
        segment=at.segment,
        metre=round(at.metre, 2),
        lat_deg=round(point.lat_deg, 8),
        lon_deg=round(point.lon_deg, 8),
        alt_m=round(point.alt_m, 2),
    )


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
    left = 100.0 - estimates.battery_percent
    checks = [
        _grade(
            "battery", -left, -_WARN_RESERVE_PERCENT, -_RESERVE_PERCENT, left, _RESERVE_PERCENT, "%",
            f"The flight takes {estimates.duration_s:.0f} s and leaves {left:.0f} % of the battery; "
            f"{_RESERVE_PERCENT:.0f} % must be left.",
            "Fly fewer blades at a time or raise params.speed_mps.",
        ),
        _grade(
            "ground_resolution", estimates.gsd_mm_px, 0.8 * max_gsd_mm_px, max_gsd_mm_px,
            estimates.gsd_mm_px, max_gsd_mm_px, "mm/px",
            f"A pixel covers {estimates.gsd_mm_px:.2f} mm; at most {max_gsd_mm_px:.2f} mm is allowed.",
            "Lower params.standoff_m or use a longer lens.",
        ),
        _grade(
            "motion_blur", estimates.motion_blur_px, _BLUR_WARN_PX, _BLUR_BLOCK_PX,
            estimates.motion_blur_px, _BLUR_BLOCK_PX, "px",
            f"The image moves {estimates.motion_blur_px:.1f} px during the exposure.",
            "Lower params.speed_mps or params.shutter_s.",
        ),
    ]
    if wind_mps is not None:
        checks.append(
            _grade(
                "wind", wind_mps, _WIND_WARN_MPS, _WIND_BLOCK_MPS, wind_mps, _WIND_BLOCK_MPS, "m/s",
                f"The forecast wind is {wind_mps:.1f} m/s; the limit is {_WIND_BLOCK_MPS:.0f} m/s.",
                "Wait for less wind.",
            )
        )
    return checks


def _grade(  # noqa: PLR0913 - a table row
    name: str, measure: float, warn: float, block: float, value: float, limit: float, unit: str, sentence: str, mend: str
) -> Check:
    verdict = Verdict.BLOCK if measure > block else Verdict.WARN if measure > warn else Verdict.PASS
    return Check(
        name=name,
        verdict=verdict,
        sentence=sentence,
        mend="" if verdict is Verdict.PASS else mend,
        value=round(value, 2),
        limit=round(limit, 2),
        unit=unit,
    )


def message_size(route: Route) -> Check:
    """Check that begin_flight with this route fits into one message (quotes are escaped twice)."""
    text = route.model_dump_json()
    size = len(text) + text.count('"') + 2_000
    return Check(
        name="message_size",
        verdict=Verdict.PASS if size <= MAX_PAYLOAD_BYTES else Verdict.BLOCK,
        sentence=f"The command with this route takes {size} of {MAX_PAYLOAD_BYTES} bytes.",
        mend="" if size <= MAX_PAYLOAD_BYTES else "Fly fewer blades at a time.",
        value=float(size),
        limit=float(MAX_PAYLOAD_BYTES),
        unit="bytes",
    )


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
