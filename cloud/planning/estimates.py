"""What a route will take: time, distance, battery, storage, ground resolution, motion blur."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cloud.planning.photography import FRAMES_PER_S, Shot
from contracts.geo import Enu, Frozen

ACCEL_MPS2 = 3.0
BRAKE_MPS2 = 2.0
CLIMB_MPS = 3.0
DESCENT_MPS = 3.0
RETURN_SPEED_MPS = 8.0
_LANDING_MPS = 1.0
_SLOW_LANDING_M = 5.0
ENDURANCE_S = 1500.0
"""Hover time of a full battery; flying square legs costs about as much."""
VIDEO_BYTES_PER_S = 7_500_000
"""4K H.264 at 60 Mbit/s."""
UPLOAD_BITS_PER_S = 50_000_000


class Estimates(Frozen):
    """Figures an operator decides by. Times are conservative: a stop at every waypoint, no wind."""

    duration_s: float
    distance_m: float
    video_s: float
    battery_percent: float
    storage_bytes: int
    gsd_mm_px: float
    motion_blur_px: float
    inspected_m: float
    """Metres of blade sides, conductors, strips looked at."""
    images: int = 0
    """Frames that are looked at, one a second at least."""
    upload_s: float = 0.0
    """At 50 Mbit/s."""


def leg_s(way: Enu, speed_mps: float) -> float:
    """Return the time of a straight leg from stop to stop; climbing and sinking are slower than level flight."""
    length_m = way.norm()
    if length_m < 1e-6:
        return 0.0
    limit_mps = CLIMB_MPS if way.up > 0 else DESCENT_MPS
    speed = min(speed_mps, limit_mps * length_m / abs(way.up)) if abs(way.up) > 1e-6 else speed_mps
    ramps_m = speed**2 * (1 / ACCEL_MPS2 + 1 / BRAKE_MPS2) / 2
    if length_m < ramps_m:
        return math.sqrt(2 * length_m * (1 / ACCEL_MPS2 + 1 / BRAKE_MPS2))
    return length_m / speed + speed / (2 * ACCEL_MPS2) + speed / (2 * BRAKE_MPS2)


def legs_s(start: Enu, points: Sequence[Enu], speeds_mps: Iterable[float]) -> list[float]:
    """Return the time of each leg of a path."""
    return [
        leg_s(point.minus(before), speed)
        for before, point, speed in zip([start, *points], points, speeds_mps, strict=False)
    ]


def landing_s(height_m: float) -> float:
    """Return how long landing from a height takes: the last metres slowly."""
    slow_m = min(height_m, _SLOW_LANDING_M)
    return (height_m - slow_m) / DESCENT_MPS + slow_m / _LANDING_MPS


def battery_percent(duration_s: float, speed_mps: float, wind_mps: float) -> float:
    """Return the share of a full battery that a flight takes against the wind.

    Hover power is the measure. Drag grows with the cube of the airspeed, at worst speed plus wind: ten percent more
    at 12.5 m/s through the air.
    """
    return 100.0 * duration_s / ENDURANCE_S * (1.0 + ((speed_mps + wind_mps) / 27.0) ** 3)


class Times(NamedTuple):
    """What flying takes."""

    duration_s: float
    distance_m: float
    video_s: float
    battery_percent: float


def of_flight(times: Times, shot: Shot, blur_px: float, inspected_m: float) -> Estimates:
    """Return the figures, rounded for people."""
    storage_bytes = round(times.video_s * VIDEO_BYTES_PER_S)
    return Estimates(
        duration_s=round(times.duration_s, 1),
        distance_m=round(times.distance_m, 1),
        video_s=round(times.video_s, 1),
        battery_percent=round(times.battery_percent, 1),
        storage_bytes=storage_bytes,
        gsd_mm_px=round(shot.gsd_mm_px, 3),
        motion_blur_px=round(blur_px, 2),
        inspected_m=round(inspected_m, 1),
        images=math.ceil(times.video_s * FRAMES_PER_S),
        upload_s=round(8.0 * storage_bytes / UPLOAD_BITS_PER_S, 1),
    )
