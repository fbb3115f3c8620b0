"""Go or no-go over the whole of a track: fences, no-fly zones, heights, ground, obstacles, circles, the way home.

Every rule works on any track, our own or imported, and says the worst segment and metre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cloud.planning.bounds import nearness
from cloud.planning.obstacles import Cone, Points, distances_m
from cloud.planning.terrain import Terrain
from cloud.planning.tracks import Leg, Samples, Track, geodetic
from cloud.planning.verdicts import EPSILON_M, Check, Row, Verdict, Worst, grade, holds, place_of
from cloud.planning.zones import Crossing, SiteZone, breaches
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.routes import ZoneKind

GRAVITY_MPS2 = 9.81
_RETURNS_LOOKED_AT = 60
_STEP_M = 2.0
_TOUCH_M = 1.0
"""Nearer to a solid thing than this, a return counts as flying into it."""


@dataclass(frozen=True)
class Limits:
    """What the aircraft and its owner allow."""

    max_alt_rel_m: float = 120.0
    min_ground_m: float = 5.0
    """Above the ground, anywhere but on take-off and landing."""
    warn_ground_m: float = 10.0
    clearance_m: float = 4.0
    """From obstacles."""
    return_alt_rel_m: float = 30.0
    """The autopilot climbs at least to this before it flies home."""
    max_bank_deg: float = 25.0
    max_speed_mps: float = 15.0


@dataclass(frozen=True)
class Surroundings:
    """What is round a track: zones, ground, solid things in the track's frame."""

    zones: tuple[SiteZone, ...] = ()
    terrain: Terrain | None = None
    cones: tuple[Cone, ...] = ()
    limits: Limits = field(default_factory=Limits)


def judge(track: Track, around: Surroundings) -> list[Check]:
    """Return every check of a track that needs nothing but space."""
    samples = track.samples(_STEP_M)
    found = [
        zone_check("fence", breaches(track, around.zones, ZoneKind.STAY_IN), track.frame),
        zone_check("no_fly", breaches(track, around.zones, ZoneKind.KEEP_OUT), track.frame),
        altitude(track, samples, around.limits),
        speed(track, around.limits),
    ]
    if around.terrain is not None:
        found.append(ground(track, around.terrain, around.limits))
    if around.cones:
        found.append(obstacles(track, around))
    return [*found, *circles(track, around.limits), returns(track, around)]


def zone_check(name: str, crossings: Sequence[Crossing], frame: LocalFrame) -> Check:
    """Say whether every zone's rule is kept, and if not, where the first breach is."""
    words = {"fence": ("leaves the fence", "inside every fence"), "no_fly": ("enters", "outside every no-fly zone")}
    if not crossings:
        return Check(name=name, verdict=Verdict.PASS, sentence=f"The whole route stays {words[name][1]}.")
    first = min(crossings, key=lambda crossing: (crossing.leg.segment, crossing.metre))
    crossed = f"{words[name][0]} {first.zone.name!r}" + (f" and {len(crossings) - 1} more" if crossings[1:] else "")
    return Check(
        name=name,
        verdict=Verdict.BLOCK,
        sentence=f"The {first.leg.word} of segment {first.leg.segment} {crossed} at metre {first.metre:.1f},"
        f" for {first.length_m:.1f} m.",
        mend="Move the waypoints at the ends of that segment so that the line between them keeps the zone's rule.",
        value=round(first.length_m, 2),
        limit=0.0,
        unit="m",
        worst=place_of(first.leg.segment, first.metre, frame.to_geo(first.point)),
    )


def altitude(track: Track, samples: Samples, limits: Limits) -> Check:
    """Say how high above home the track goes."""
    home_m = track.frame.origin.alt_m
    index = int(samples.alt_m.argmax())
    row = Row(
        "altitude", float(samples.alt_m[index]) - home_m, limits.max_alt_rel_m, "m",
        "The route rises to {value:.1f} m above home; the ceiling is {limit:.1f} m.",
        "Fly lower, or raise the ceiling where the rules allow it.",
    )  # fmt: skip
    return row.decided(holds(row.value <= row.limit + EPSILON_M), _worst(track, samples, index))


def speed(track: Track, limits: Limits) -> Check:
    """Say how fast the track is flown."""
    fastest = max(track.legs, key=lambda leg: leg.speed_mps)
    row = Row(
        "speed", fastest.speed_mps, limits.max_speed_mps, "m/s",
        "The route is flown at up to {value:.1f} m/s; the aircraft does {limit:.1f} m/s.", "Lower the speed.",
    )  # fmt: skip
    place = place_of(fastest.segment, fastest.from_m, track.frame.to_geo(fastest.start))
    return row.decided(holds(row.value <= row.limit), place)


def ground(track: Track, terrain: Terrain, limits: Limits) -> Check:
    """Say how near the track comes to the ground, between waypoints too."""
    level = Track(track.frame, tuple(leg for leg in track.legs if leg.word != "climb"))
    samples = level.samples(terrain.step_m)
    lat_deg, lon_deg = level.geodetic(samples)
    above = samples.alt_m - terrain.heights_m(lat_deg, lon_deg)
    unknown = np.isnan(above)
    if unknown.any():
        index = int(unknown.argmax())
        return Check(
            name="terrain",
            verdict=Verdict.WARN,
            sentence=f"The ground below segment {samples.segment[index]} is in no elevation file;"
            f" {100 * unknown.mean():.0f} % of the route is unjudged.",
            mend="Add an elevation file that covers the route.",
            worst=_worst(level, samples, index),
        )
    index = int(above.argmin())
    row = Row(
        "terrain", float(above[index]), limits.min_ground_m, "m",
        f"The route passes {{value:.1f}} m above the ground in segment {samples.segment[index]}"
        f" at metre {samples.metre[index]:.1f}; the least is {{limit:.1f}} m.",
        "Raise that segment's waypoints, or put one more between them.",
    )  # fmt: skip
    verdict = grade(-row.value, -limits.warn_ground_m, -limits.min_ground_m + EPSILON_M)
    return row.decided(verdict, _worst(level, samples, index))


class Closest(NamedTuple):
    """Where a track comes nearest to solid things."""

    gap_m: float
    name: str
    worst: Worst


def closest(track: Track, cones: tuple[Cone, ...]) -> Closest:
    """Return what a track comes nearest to, and where."""
    near = nearness(cones, *_ends(track))
    # Some sample lies within half a step of any place; the legs that stay farther off hold none that is nearer.
    nearer = near.least_m.min(axis=1) <= near.seen_m.min() + _STEP_M
    legs = Track(track.frame, tuple(leg for leg, kept in zip(track.legs, nearer.tolist(), strict=True) if kept))
    samples = legs.samples(_STEP_M)
    gaps = distances_m(cones, samples.points)
    index, which = divmod(int(gaps.argmin()), gaps.shape[1])
    return Closest(float(gaps[index, which]), cones[which].name, _worst(legs, samples, index))


def obstacles(track: Track, around: Surroundings) -> Check:
    """Say how near the track comes to solid things."""
    found = closest(track, around.cones)
    name = found.name.replace("{", "{{").replace("}", "}}")  # people give names
    row = Row(
        "obstacle_clearance", found.gap_m, around.limits.clearance_m, "m",
        f"The route passes {name} at {{value:.1f}} m; the limit is {{limit:.1f}} m.",
        "Move the segment away from it.",
    )  # fmt: skip
    # Between two samples the track may come half a step nearer at most; planned routes carry that margin.
    return row.decided(holds(row.value >= row.limit - EPSILON_M), found.worst)


def _ends(track: Track) -> tuple[Points, Points]:
    return np.array([leg.start for leg in track.legs]), np.array([leg.end for leg in track.legs])


def circles(track: Track, limits: Limits) -> list[Check]:
    """Say whether circles can be flown at their speed: ``r >= v^2 / (g tan bank)``."""
    if not track.circles:
        return []
    tightest = min(track.circles, key=lambda circle: circle.radius_m - _least_radius_m(circle.speed_mps, limits))
    row = Row(
        "loiter_radius", tightest.radius_m, _least_radius_m(tightest.speed_mps, limits), "m",
        f"The circle of segment {tightest.segment} has a radius of {{value:.1f}} m; at {tightest.speed_mps:.1f} m/s"
        " at least {limit:.1f} m are needed.",
        "Widen the circle or fly it slower.",
    )  # fmt: skip
    return [row.decided(holds(row.value >= row.limit), place_of(tightest.segment, 0.0, tightest.centre))]


def _least_radius_m(speed_mps: float, limits: Limits) -> float:
    return speed_mps**2 / (GRAVITY_MPS2 * math.tan(math.radians(limits.max_bank_deg)))


class _Trouble(NamedTuple):
    """Something in the way home: how far inside its limit, what, and from where (index of the sample)."""

    short_m: float
    words: str
    origin: int


def returns(track: Track, around: Surroundings) -> Check:
    """Say whether the autopilot can come home from anywhere: straight up to the return height, straight home."""
    samples = track.samples(max(_STEP_M, sum(leg.length_m for leg in track.legs) / _RETURNS_LOOKED_AT))
    home_alt_m, up_m = track.frame.origin.alt_m, around.limits.return_alt_rel_m
    ways = [way for index in range(len(samples.segment)) for way in _way_home(samples, index, home_alt_m, up_m)]
    found = _troubles(Track(track.frame, tuple(ways)), around)
    if not found:
        return Check(
            name="return_path",
            verdict=Verdict.PASS,
            sentence=f"The way home at {up_m:.0f} m or higher is clear from everywhere on the route.",
        )
    worst = max(found)
    return Check(
        name="return_path",
        verdict=Verdict.WARN,
        sentence=f"Coming home from segment {samples.segment[worst.origin]} the aircraft {worst.words}.",
        mend="Raise the return height, move home, or be ready to fly it back by hand from there.",
        value=round(worst.short_m, 2),
        limit=0.0,
        unit="m",
        worst=_worst(track, samples, worst.origin),
    )


def _way_home(samples: Samples, index: int, home_alt_m: float, up_m: float) -> tuple[Leg, Leg]:
    """Return the climb and the straight way; ``segment`` tells from which sample."""
    here, alt_m = Enu(*samples.points[index].tolist()), float(samples.alt_m[index])
    top_m = max(alt_m, home_alt_m + up_m)
    above = here.plus(UP, top_m - alt_m)
    climb = Leg(index, 0.0, here, above, alt_m, top_m, 3.0, "climb")
    return climb, Leg(index, 0.0, above, UP.times(top_m - home_alt_m), top_m, top_m, 8.0, "return")


def _troubles(ways: Track, around: Surroundings) -> list[_Trouble]:
    """Return what is in the way of some return: zones, obstacles nearer than a metre, the ground."""
    entered = breaches(ways, around.zones, ZoneKind.KEEP_OUT)
    found = [_Trouble(at.length_m, f"enters {at.zone.name!r}", at.leg.segment) for at in entered]
    for word in ("climb", "return"):
        legs = tuple(leg for leg in ways.legs if leg.word == word)
        found += _touches(Track(ways.frame, legs), around.cones)
    if around.terrain is not None:
        samples = ways.samples(_STEP_M)
        lat_deg, lon_deg = geodetic(ways.frame, samples.points)
        above = np.nan_to_num(samples.alt_m - around.terrain.heights_m(lat_deg, lon_deg), nan=math.inf)
        index = int(above.argmin())
        if (above_m := float(above[index])) < around.limits.min_ground_m:
            words = f"is {above_m:.1f} m above the ground"
            found.append(_Trouble(around.limits.min_ground_m - above_m, words, int(samples.segment[index])))
    return found


def _touches(ways: Track, cones: tuple[Cone, ...]) -> list[_Trouble]:
    """Return the solid thing that some way comes nearest to, when it is nearer than a metre."""
    lowest_m = min(min(leg.start.up, leg.end.up) for leg in ways.legs) - _TOUCH_M
    tall = tuple(cone for cone in cones if cone.highest_m > lowest_m)
    if not tall:
        return []
    close = (nearness(tall, *_ends(ways)).least_m.min(axis=1) < _TOUCH_M).tolist()
    if not any(close):
        return []
    samples = Track(ways.frame, tuple(leg for leg, kept in zip(ways.legs, close, strict=True) if kept)).samples(_STEP_M)
    gaps = distances_m(tall, samples.points)
    index, which = divmod(int(gaps.argmin()), gaps.shape[1])
    if (gap_m := float(gaps[index, which])) >= _TOUCH_M:
        return []
    words = f"passes {tall[which].name} at {gap_m:.1f} m"
    return [_Trouble(_TOUCH_M - gap_m, words, int(samples.segment[index]))]


def _worst(track: Track, samples: Samples, index: int) -> Worst:
    lat_deg, lon_deg = geodetic(track.frame, samples.points[index : index + 1])
    point = GeoPoint(lat_deg=float(lat_deg[0]), lon_deg=float(lon_deg[0]), alt_m=float(samples.alt_m[index]))
    return place_of(int(samples.segment[index]), float(samples.metre[index]), point)
