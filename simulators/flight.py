"""Vehicle dynamics: a multicopter as a point mass with limited acceleration, and the camera gimbal it carries.

Everything is pure arithmetic in local east-north-up metres and seconds: same state and inputs, same result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.geo import Enu

GRAVITY_MPS2 = 9.80665
REST = Enu(0.0, 0.0, 0.0)


class Limits(NamedTuple):
    """What the airframe and its position controller can do."""

    accel_mps2: float = 4.0
    brake_mps2: float = 3.0
    """Deceleration planned for a stop; below ``accel_mps2`` so that a reserve is left to correct with."""
    climb_mps: float = 5.0
    descent_mps: float = 5.0
    position_gain_per_s: float = 1.5
    velocity_lag_s: float = 0.1
    lean_lag_s: float = 0.2
    yaw_rate_dps: float = 45.0
    gimbal_rate_dps: float = 60.0


class Leg(NamedTuple):
    """A straight line to fly, with a smooth stop at its end."""

    start: Enu
    end: Enu
    speed_mps: float
    """Along the line; climb and descent limits apply on top. Zero means: stop where you are."""


@dataclass(slots=True)
class Body:
    """Where the airframe is and how it moves. Yaw is clockwise from north, pitch nose up, roll right side down."""

    position: Enu = REST
    velocity: Enu = REST
    lean: Enu = REST
    """Horizontal specific force the rotors make (low-passed), m/s²: it tilts the airframe."""
    yaw_deg: float = 0.0


@dataclass(slots=True)
class Gimbal:
    """Where the camera looks in the earth frame, and where it was told to look."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    yaw_goal_deg: float = 0.0
    pitch_goal_deg: float = 0.0


@dataclass(slots=True)
class Craft:
    """The whole moving thing."""

    body: Body = field(default_factory=Body)
    gimbal: Gimbal = field(default_factory=Gimbal)


def turn_deg(start_deg: float, end_deg: float) -> float:
    """Return the signed shortest turn from one direction to another, in [-180, 180)."""
    return (end_deg - start_deg + 180.0) % 360.0 - 180.0


def slew_deg(value_deg: float, goal_deg: float, most_deg: float) -> float:
    """Return ``value_deg`` turned towards ``goal_deg`` the short way round by at most ``most_deg``."""
    turn = turn_deg(value_deg, goal_deg)
    if abs(turn) <= most_deg:
        return goal_deg
    return value_deg + math.copysign(most_deg, turn)


def approach_speed(distance_m: float, gain_per_s: float, brake_mps2: float) -> float:
    """Return the speed from which a stop within ``distance_m`` is possible: linear near, square root far."""
    linear_m = brake_mps2 / gain_per_s**2
    if distance_m <= linear_m:
        return gain_per_s * distance_m
    return math.sqrt(2.0 * brake_mps2 * (distance_m - linear_m / 2.0))


def shorten(vector: Enu, most: float) -> Enu:
    """Return ``vector``, scaled down to length ``most`` if it is longer."""
    length = vector.norm()
    return vector.times(most / length) if length > most else vector


def wanted_velocity(position: Enu, leg: Leg, limits: Limits) -> Enu:
    """Return the velocity that tracks ``leg``: along it, plus a correction towards the line."""
    to_go = leg.end.minus(position)
    distance_m = to_go.norm()
    if distance_m < 1e-6 or leg.speed_mps <= 0.0:
        return REST
    speed = min(leg.speed_mps, approach_speed(distance_m, limits.position_gain_per_s, limits.brake_mps2))
    wanted = to_go.times(speed / distance_m).plus(_off_line(position, leg), -limits.position_gain_per_s)
    wanted = shorten(wanted, min(leg.speed_mps, max(speed, 0.2)))
    limit = limits.climb_mps if wanted.up > 0.0 else limits.descent_mps
    return wanted.times(limit / abs(wanted.up)) if abs(wanted.up) > limit else wanted


def _off_line(position: Enu, leg: Leg) -> Enu:
    """Return the vector from the nearest point of the leg's line to ``position``."""
    along = leg.end.minus(leg.start)
    length = along.norm()
    if length < 0.5:
        return REST
    along = along.times(1.0 / length)
    offset = position.minus(leg.start)
    return offset.plus(along, -offset.dot(along))


def stopping_point(body: Body, limits: Limits) -> Enu:
    """Return where the body comes to rest if it brakes now."""
    speed = body.velocity.norm()
    lead_s = speed / (2.0 * limits.brake_mps2) + limits.velocity_lag_s
    ahead = body.position.plus(body.velocity, lead_s)
    return Enu(ahead.east, ahead.north, max(ahead.up, 0.0))


def move(body: Body, wanted: Enu, wind: Enu, limits: Limits, dt_s: float) -> None:
    """Advance ``body`` by one step towards the velocity ``wanted``; the ground stops it."""
    pull = shorten(wanted.minus(body.velocity).times(1.0 / limits.velocity_lag_s), limits.accel_mps2)
    velocity = body.velocity.plus(pull, dt_s)
    position = body.position.plus(body.velocity.plus(velocity), dt_s / 2.0)
    if position.up <= 0.0 and velocity.up <= 0.0:
        position, velocity, pull = Enu(position.east, position.north, 0.0), REST, REST
    air = wind.minus(velocity)
    drag = air.times(0.012 * air.norm()) if position.up > 0.0 else REST
    share = min(dt_s / limits.lean_lag_s, 1.0)
    body.lean = body.lean.plus(pull.minus(drag).minus(body.lean), share)
    body.position, body.velocity = position, velocity


def fall(body: Body, dt_s: float) -> None:
    """Advance a body whose motors are off."""
    velocity = body.velocity.plus(Enu(0.0, 0.0, -GRAVITY_MPS2), dt_s)
    position = body.position.plus(velocity, dt_s)
    if position.up <= 0.0:
        position, velocity = Enu(position.east, position.north, 0.0), REST
    body.position, body.velocity, body.lean = position, velocity, REST


def point(craft: Craft, limits: Limits, dt_s: float, *, flying: bool) -> None:
    """Turn the camera towards its goal, and in flight the nose after the camera."""
    gimbal, body, most = craft.gimbal, craft.body, limits.gimbal_rate_dps * dt_s
    gimbal.yaw_deg = slew_deg(gimbal.yaw_deg, gimbal.yaw_goal_deg, most) % 360.0
    gimbal.pitch_deg += max(-most, min(most, gimbal.pitch_goal_deg - gimbal.pitch_deg))
    if flying:
        body.yaw_deg = slew_deg(body.yaw_deg, gimbal.yaw_deg, limits.yaw_rate_dps * dt_s) % 360.0


def attitude_deg(body: Body) -> tuple[float, float]:
    """Return (roll, pitch) of the airframe: it leans into the acceleration it makes."""
    yaw = math.radians(body.yaw_deg)
    ahead = body.lean.east * math.sin(yaw) + body.lean.north * math.cos(yaw)
    right = body.lean.east * math.cos(yaw) - body.lean.north * math.sin(yaw)
    lift = GRAVITY_MPS2 + body.lean.up
    return math.degrees(math.atan2(right, lift)), -math.degrees(math.atan2(ahead, lift))
