"""Places and directions: WGS 84 points, local east-north-up metres, poses.

Altitudes are metres above the WGS 84 ellipsoid unless a name says otherwise (``*_rel_m`` is above take-off).
Angles are degrees; yaw is clockwise from true north, pitch is positive upwards, roll positive right side down.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

_A_M = 6378137.0
_F = 1 / 298.257223563
_E2 = _F * (2 - _F)

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Frozen(BaseModel):
    """Base of every contract model: immutable, unknown fields refused, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GeoPoint(Frozen):
    """A WGS 84 point."""

    lat_deg: float = Field(ge=-90, le=90)
    lon_deg: float = Field(ge=-180, le=180)
    alt_m: float = Field(ge=-1000, le=20000, description="above the WGS 84 ellipsoid")


class Enu(NamedTuple):
    """A vector in a local east-north-up frame, metres (or unitless for directions)."""

    east: float
    north: float
    up: float

    def plus(self, other: Enu, scale: float = 1.0) -> Enu:
        """Return ``self + scale * other``."""
        return Enu(self.east + scale * other.east, self.north + scale * other.north, self.up + scale * other.up)

    def minus(self, other: Enu) -> Enu:
        """Return ``self - other``."""
        return Enu(self.east - other.east, self.north - other.north, self.up - other.up)

    def times(self, scale: float) -> Enu:
        """Return ``scale * self``."""
        return Enu(self.east * scale, self.north * scale, self.up * scale)

    def dot(self, other: Enu) -> float:
        """Return the scalar product."""
        return self.east * other.east + self.north * other.north + self.up * other.up

    def cross(self, other: Enu) -> Enu:
        """Return the vector product."""
        return Enu(
            self.north * other.up - self.up * other.north,
            self.up * other.east - self.east * other.up,
            self.east * other.north - self.north * other.east,
        )

    def norm(self) -> float:
        """Return the length."""
        return math.sqrt(self.dot(self))

    def unit(self) -> Enu:
        """Return the direction; the vector must not be zero."""
        return self.times(1.0 / self.norm())


UP = Enu(0.0, 0.0, 1.0)


class LocalFrame:
    """East-north-up metres about an origin, through earth-centred coordinates (exact, any distance)."""

    def __init__(self, origin: GeoPoint) -> None:
        self.origin = origin
        lat, lon = math.radians(origin.lat_deg), math.radians(origin.lon_deg)
        sin_lat, cos_lat, sin_lon, cos_lon = math.sin(lat), math.cos(lat), math.sin(lon), math.cos(lon)
        self.ecef = _to_ecef(origin)
        self.east = Enu(-sin_lon, cos_lon, 0.0)
        self.north = Enu(-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat)
        self.up = Enu(cos_lat * cos_lon, cos_lat * sin_lon, sin_lat)

    def to_enu(self, point: GeoPoint) -> Enu:
        """Return ``point`` in this frame, metres."""
        delta = _to_ecef(point).minus(self.ecef)
        return Enu(delta.dot(self.east), delta.dot(self.north), delta.dot(self.up))

    def to_geo(self, vector: Enu) -> GeoPoint:
        """Return the WGS 84 point of a vector in this frame."""
        ecef = self.ecef.plus(self.east, vector.east).plus(self.north, vector.north).plus(self.up, vector.up)
        return _from_ecef(ecef)


def _to_ecef(point: GeoPoint) -> Enu:
    lat, lon, alt_m = math.radians(point.lat_deg), math.radians(point.lon_deg), point.alt_m
    sin_lat = math.sin(lat)
    radius = _A_M / math.sqrt(1 - _E2 * sin_lat**2)
    across = (radius + alt_m) * math.cos(lat)
    return Enu(across * math.cos(lon), across * math.sin(lon), (radius * (1 - _E2) + alt_m) * sin_lat)


def _from_ecef(ecef: Enu) -> GeoPoint:
    """Bowring's start, then Newton-like passes until one changes nothing: below 1 µm within 20 km of the ellipsoid."""
    x, y, z = ecef
    p = math.hypot(x, y)
    lat = math.atan2(z, p * (1 - _E2))
    alt = 0.0
    for _ in range(5):
        before, sin_lat = lat, math.sin(lat)
        radius = _A_M / math.sqrt(1 - _E2 * sin_lat**2)
        alt = p * math.cos(lat) + z * sin_lat - _A_M**2 / radius
        lat = math.atan2(z, p * (1 - _E2 * radius / (radius + alt)))
        if lat == before:
            break
    return GeoPoint(lat_deg=math.degrees(lat), lon_deg=math.degrees(math.atan2(y, x)), alt_m=alt)


class Pose(Frozen):
    """Where a camera is and where its optical axis points."""

    point: GeoPoint
    yaw_deg: Finite
    pitch_deg: float = Field(ge=-90, le=90)
    roll_deg: Finite = 0.0


class BoxNorm(Frozen):
    """A box in an image as fractions of its width and height (0..1), corners (x0, y0) and (x1, y1)."""

    x0: float = Field(ge=0, le=1)
    y0: float = Field(ge=0, le=1)
    x1: float = Field(ge=0, le=1)
    y1: float = Field(ge=0, le=1)


def interpolate_yaw_deg(start_deg: float, end_deg: float, share: float) -> float:
    """Return the yaw ``share`` (0..1) of the way from one to the other, the short way round, in [0, 360)."""
    turn = (end_deg - start_deg + 180.0) % 360.0 - 180.0
    return (start_deg + share * turn) % 360.0
