"""Upright tapering bodies: a wind turbine's round tower, a mast's flat faces. Where a ray meets one, and back."""

from __future__ import annotations

import math
from typing import NamedTuple

from contracts.geo import UP, Enu
from contracts.places import TowerPlace, turn_deg
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry


class ShaftHit(NamedTuple):
    """Where a ray meets a shaft."""

    place: TowerPlace
    point: Enu
    distance_m: float
    normal: Enu

    @property
    def across(self) -> Enu:
        """Return the level unit vector clockwise round the surface, seen from above."""
        return self.normal.cross(UP).unit()

    @property
    def up(self) -> Enu:
        """Return the unit vector up the surface."""
        return self.across.cross(self.normal)

    def incidence_deg(self, ray: Enu) -> float:
        """Return how far from square a unit ray meets the surface."""
        return math.degrees(math.acos(min(1.0, -ray.dot(self.normal))))


class Shaft(NamedTuple):
    """A body about a vertical axis, from its foot up; ``radius`` is to the corners where it has flat faces.

    Face 0 looks along ``face_bearing_deg``, the others follow clockwise. A round one's faces are only names: its
    eighths.
    """

    foot: Enu
    height_m: float
    base_radius_m: float
    top_radius_m: float
    faces: int = 8
    face_bearing_deg: float = 0.0
    is_round: bool = True

    @property
    def slope(self) -> float:
        """Return how much the radius grows per metre up; negative where it tapers."""
        return (self.top_radius_m - self.base_radius_m) / self.height_m

    def radius_at(self, height_m: float) -> float:
        """Return the radius at a height."""
        return self.base_radius_m + self.slope * height_m

    def bearing_of(self, face: int) -> float:
        """Return the compass bearing a face looks along."""
        return (self.face_bearing_deg + 360.0 * face / self.faces) % 360.0

    def face_at(self, bearing_deg: float) -> int:
        """Return the face at a bearing from the axis."""
        return round(turn_deg(self.face_bearing_deg, bearing_deg) * self.faces / 360.0) % self.faces

    def place(self, height_m: float, bearing_deg: float) -> TowerPlace:
        """Return the place at a height and a bearing from the axis."""
        bearing = bearing_deg % 360.0 % 360.0
        face = self.face_at(bearing)
        return TowerPlace(
            face=face,
            faces=self.faces,
            face_bearing_deg=self.bearing_of(face),
            bearing_deg=bearing,
            radius_m=self.radius_at(height_m),
            is_round=self.is_round,
            height_m=height_m,
        )

    def point_of(self, place: TowerPlace) -> Enu:
        """Return where a place lies, in the frame of ``foot``."""
        away = self.radius_at(place.height_m)
        if not self.is_round:
            off = math.radians(turn_deg(self.bearing_of(self.face_at(place.bearing_deg)), place.bearing_deg))
            away *= math.cos(math.pi / self.faces) / math.cos(off)
        return self.foot.plus(level(place.bearing_deg), away).plus(UP, place.height_m)

    def normal_at(self, bearing_deg: float) -> Enu:
        """Return the outward unit normal at a bearing from the axis."""
        inset = 1.0
        if not self.is_round:
            bearing_deg, inset = self.bearing_of(self.face_at(bearing_deg)), math.cos(math.pi / self.faces)
        return level(bearing_deg).plus(UP, -self.slope * inset).unit()

    def intersect(self, origin: Enu, direction: Enu) -> ShaftHit | None:
        """Return where a ray (unit ``direction``) first meets the surface from outside, or None."""
        start = origin.minus(self.foot)
        met = self._meet_round(start, direction) if self.is_round else self._meet_faces(start, direction)
        if met is None:
            return None
        here = start.plus(direction, met)
        bearing = math.degrees(math.atan2(here.east, here.north))
        return ShaftHit(self.place(here.up, bearing), here.plus(self.foot), met, self.normal_at(bearing))

    def _meet_round(self, start: Enu, ray: Enu) -> float | None:
        """Solve |level part of the ray| = radius at its height, a quadratic in the distance."""
        radius, growth = self.radius_at(start.up), self.slope * ray.up
        a = ray.east**2 + ray.north**2 - growth**2
        b = start.east * ray.east + start.north * ray.north - radius * growth
        c = start.east**2 + start.north**2 - radius**2
        inside = b * b - a * c
        if abs(a) < 1e-12 or inside < 0 or (c <= 0 and 0 <= start.up <= self.height_m):
            return None
        root = math.sqrt(inside)
        return self._first(start, ray, ((-b - root) / a, (-b + root) / a))

    def _meet_faces(self, start: Enu, ray: Enu) -> float | None:
        inset = math.cos(math.pi / self.faces)
        found = []
        for face in range(self.faces):
            outward = level(self.bearing_of(face))
            closing = ray.dot(outward) - self.slope * inset * ray.up
            gap = start.dot(outward) - self.radius_at(start.up) * inset
            if closing < -1e-9 and gap > 0:
                met = gap / -closing
                here = start.plus(ray, met)
                if self.face_at(math.degrees(math.atan2(here.east, here.north))) == face:
                    found.append(met)
        return self._first(start, ray, found)

    def _first(self, start: Enu, ray: Enu, distances_m: tuple[float, ...] | list[float]) -> float | None:
        """Return the nearest distance ahead at which the ray comes in through the side, between foot and top."""
        for met in sorted(distances_m):
            here = start.plus(ray, met)
            if met <= 0 or not 0.0 <= here.up <= self.height_m or self.radius_at(here.up) <= 0:
                continue
            bearing = math.degrees(math.atan2(here.east, here.north))
            return met if ray.dot(self.normal_at(bearing)) < -1e-6 else None
        return None


def level(bearing_deg: float) -> Enu:
    """Return the horizontal unit vector along a compass bearing."""
    bearing = math.radians(bearing_deg)
    return Enu(math.sin(bearing), math.cos(bearing), 0.0)


def shaft_of(geometry: TurbineGeometry | TelecomTower) -> Shaft:
    """Return a turbine's tower or a mast, in the frame of its foot: the very measures that are flown round."""
    foot = Enu(0.0, 0.0, 0.0)
    if isinstance(geometry, TelecomTower):
        size = (geometry.height_m, geometry.base_radius_m, geometry.top_radius_m)
        return Shaft(foot, *size, geometry.faces, geometry.face_bearing_deg, is_round=False)
    # The planner's cone goes on to the hub; the tower ends where the nacelle begins, on the same cone.
    whole = Shaft(foot, geometry.hub_height_m, geometry.tower_base_radius_m, geometry.tower_top_radius_m)
    top_m = geometry.hub_height_m - geometry.nacelle_radius_m
    return whole._replace(height_m=top_m, top_radius_m=whole.radius_at(top_m))
