"""Aims test cameras at places on a blade."""

from __future__ import annotations

import math

from contracts.geo import Pose
from contracts.turbine import SurfacePlace, TurbineGeometry

SIDEWAYS = 0.3


def pose_at(geometry: TurbineGeometry, place: SurfacePlace, standoff_m: float = 10.0, lean: float = SIDEWAYS) -> Pose:
    """Return a pose that looks at a place from ``standoff_m``, leaned off the normal towards the blade's tip."""
    normal = geometry.facet(place.blade, place.side).normal
    span, _, _ = geometry.blade_axes(place.blade)
    point = geometry.surface_point(place)
    away = normal.plus(span, lean).unit()
    forward = away.times(-1.0)
    return Pose(
        point=geometry.frame().to_geo(point.plus(away, standoff_m)),
        yaw_deg=math.degrees(math.atan2(forward.east, forward.north)),
        pitch_deg=math.degrees(math.asin(forward.up)),
    )
