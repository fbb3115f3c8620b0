"""A wind turbine as parametric surfaces: where (blade, side, distance to root) lies in the world, and back.

The blade is a straight frustum whose section is a trapezoid (thick at the leading edge), tapering towards one apex,
so each of the four sides is a plane. Good enough to place a finding within centimetres on a real
blade's outer two thirds; a scanned surface can replace it behind the same functions.

Frame: east-north-up metres about the tower foot. Rotor azimuth 0 is up, clockwise seen from upwind.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pydantic import Field

from contracts.geo import UP, Enu, Frozen, GeoPoint, LocalFrame
from contracts.vocabulary import Blade, BladeSide

PITCH_AXIS = 0.3
"""Share of the chord between leading edge and pitch axis."""
TRAILING_EDGE_THICKNESS = 0.3
"""Trailing edge thickness as a share of the leading edge thickness."""


class SurfacePlace(Frozen):
    """A place on a blade.

    ``offset_m`` runs across the side from its first edge: from the leading edge on PS and SS,
    from the pressure side on LE and TE.
    """

    blade: Blade
    side: BladeSide
    distance_to_root_m: float
    offset_m: float

    @property
    def surface(self) -> str:
        """Return the surface's name, such as ``A/LE``."""
        return f"{self.blade.value}/{self.side.value}"

    @property
    def along_m(self) -> float:
        """Return the distance to the root."""
        return self.distance_to_root_m

    @property
    def across_m(self) -> float:
        """Return the offset."""
        return self.offset_m

    def moved(self, along_m: float, across_m: float) -> SurfacePlace:
        """Return the place at other coordinates of the same side."""
        return self.model_copy(update={"distance_to_root_m": along_m, "offset_m": across_m})


class SurfaceHit(NamedTuple):
    """Where a ray meets a blade."""

    place: SurfacePlace
    point: Enu
    distance_m: float
    incidence_deg: float
    """Angle between the ray and the surface normal; 0 is square on."""


class Facet(NamedTuple):
    """One side of one blade: two edges from root to tip, and the outward unit normal."""

    first_root: Enu
    first_tip: Enu
    second_root: Enu
    second_tip: Enu
    normal: Enu

    def at(self, distance_share: float, offset_share: float) -> Enu:
        """Return the point at shares (0..1) of the blade length and of the local side width."""
        first = self.first_root.plus(self.first_tip.minus(self.first_root), distance_share)
        second = self.second_root.plus(self.second_tip.minus(self.second_root), distance_share)
        return first.plus(second.minus(first), offset_share)


class TurbineGeometry(Frozen):
    """Dimensions and stopped position of one turbine. Defaults are those of an 850 kW machine."""

    foot: GeoPoint
    hub_height_m: float = Field(default=55.0, gt=5, le=250)
    yaw_deg: float = Field(default=240.0, description="compass bearing the rotor faces (upwind)")
    rotor_azimuth_deg: float = Field(default=0.0, description="of blade A; 0 is up")
    blade_pitch_deg: float = Field(default=0.0, description="0: chord in the rotor plane; 90: feathered")
    blade_length_m: float = Field(default=25.0, gt=1, le=150)
    root_radius_m: float = Field(default=1.2, gt=0, le=20, description="hub centre to blade root")
    root_chord_m: float = Field(default=2.2, gt=0, le=20)
    root_thickness_m: float = Field(default=0.7, gt=0, le=20)
    taper: float = Field(default=0.25, gt=0, lt=1, description="tip section over root section")
    overhang_m: float = Field(default=4.0, ge=0, le=30, description="hub centre ahead of the tower axis")
    tower_base_radius_m: float = Field(default=1.9, gt=0, le=20)
    tower_top_radius_m: float = Field(default=1.1, gt=0, le=20)
    nacelle_length_m: float = Field(default=8.0, gt=0, le=60)
    nacelle_radius_m: float = Field(default=1.7, gt=0, le=20)

    def frame(self) -> LocalFrame:
        """Return the local frame at the tower foot."""
        return LocalFrame(self.foot)

    def axis(self) -> Enu:
        """Return the horizontal unit vector pointing upwind along the rotor axis."""
        yaw = math.radians(self.yaw_deg)
        return Enu(math.sin(yaw), math.cos(yaw), 0.0)

    def hub(self) -> Enu:
        """Return the hub centre."""
        return self.axis().times(self.overhang_m).plus(UP, self.hub_height_m)

    def blade_axes(self, blade: Blade) -> tuple[Enu, Enu, Enu]:
        """Return unit vectors (root to tip, towards the leading edge, towards the pressure side)."""
        axis = self.axis()
        right = UP.cross(axis)
        azimuth = math.radians(self.rotor_azimuth_deg + 120.0 * "ABC".index(blade.value))
        span = UP.times(math.cos(azimuth)).plus(right, math.sin(azimuth))
        turning = UP.times(-math.sin(azimuth)).plus(right, math.cos(azimuth))
        pitch = math.radians(self.blade_pitch_deg)
        leading = turning.times(math.cos(pitch)).plus(axis, math.sin(pitch))
        pressure = axis.times(math.cos(pitch)).plus(turning, -math.sin(pitch))
        return span, leading, pressure

    def scale_at(self, distance_to_root_m: float) -> float:
        """Return the section's size at a distance from the root, relative to the root section."""
        return 1.0 - (1.0 - self.taper) * distance_to_root_m / self.blade_length_m

    def side_width_m(self, side: BladeSide, distance_to_root_m: float) -> float:
        """Return the width of a side at a distance from the root."""
        scale = self.scale_at(distance_to_root_m)
        if side is BladeSide.LE:
            return self.root_thickness_m * scale
        if side is BladeSide.TE:
            return self.root_thickness_m * TRAILING_EDGE_THICKNESS * scale
        return math.hypot(self.root_chord_m, self.root_thickness_m * (1 - TRAILING_EDGE_THICKNESS) / 2) * scale

    def facet(self, blade: Blade, side: BladeSide) -> Facet:
        """Return one side of one blade."""
        span, leading, pressure = self.blade_axes(blade)
        root = self.hub().plus(span, self.root_radius_m)
        ahead = self.root_chord_m * PITCH_AXIS
        behind = ahead - self.root_chord_m
        half, thin = self.root_thickness_m / 2, self.root_thickness_m * TRAILING_EDGE_THICKNESS / 2
        first, second = {
            BladeSide.PS: ((ahead, half), (behind, thin)),
            BladeSide.SS: ((ahead, -half), (behind, -thin)),
            BladeSide.LE: ((ahead, half), (ahead, -half)),
            BladeSide.TE: ((behind, thin), (behind, -thin)),
        }[side]

        def corner(section: tuple[float, float], scale: float, along_m: float) -> Enu:
            return root.plus(span, along_m).plus(leading, section[0] * scale).plus(pressure, section[1] * scale)

        tip = (self.taper, self.blade_length_m)
        first_root, first_tip = corner(first, 1.0, 0.0), corner(first, *tip)
        second_root, second_tip = corner(second, 1.0, 0.0), corner(second, *tip)
        outward = {
            BladeSide.PS: pressure,
            BladeSide.SS: pressure.times(-1),
            BladeSide.LE: leading,
            BladeSide.TE: leading.times(-1),
        }[side]
        normal = first_tip.minus(first_root).cross(second_root.minus(first_root)).unit()
        if normal.dot(outward) < 0:
            normal = normal.times(-1)
        return Facet(first_root, first_tip, second_root, second_tip, normal)

    def surface_point(self, place: SurfacePlace) -> Enu:
        """Return where a place lies, metres east-north-up of the tower foot."""
        width = self.side_width_m(place.side, place.distance_to_root_m)
        return self.facet(place.blade, place.side).at(
            place.distance_to_root_m / self.blade_length_m, place.offset_m / width
        )

    def intersect(self, origin: Enu, direction: Enu) -> SurfaceHit | None:
        """Return the first blade side a ray (unit ``direction``) meets from outside, or None."""
        hits = (self._intersect_facet(origin, direction, b, s) for b in Blade for s in BladeSide)
        return min((h for h in hits if h is not None), key=lambda h: h.distance_m, default=None)

    def _intersect_facet(self, origin: Enu, direction: Enu, blade: Blade, side: BladeSide) -> SurfaceHit | None:
        facet = self.facet(blade, side)
        facing = -direction.dot(facet.normal)
        if facing <= 1e-6:
            return None
        distance = -facet.first_root.minus(origin).dot(facet.normal) / facing
        if distance <= 0:
            return None
        point = origin.plus(direction, distance)
        span, _, _ = self.blade_axes(blade)
        along = point.minus(facet.first_root).dot(span)
        share = along / self.blade_length_m
        first, second = facet.at(share, 0.0), facet.at(share, 1.0)
        across = second.minus(first)
        offset_share = point.minus(first).dot(across) / across.dot(across) if across.norm() > 0 else 0.0
        if not (0.0 <= share <= 1.0 and 0.0 <= offset_share <= 1.0):
            return None
        place = SurfacePlace(blade=blade, side=side, distance_to_root_m=along, offset_m=offset_share * across.norm())
        return SurfaceHit(place, point, distance, math.degrees(math.acos(min(1.0, facing))))
