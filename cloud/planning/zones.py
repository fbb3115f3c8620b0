"""Where an aircraft must stay, and where it may not go: polygons and circles on the ground, with floor and ceiling.

Whole legs and circles are looked at, cut exactly where they cross an edge; distances are metres about home.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import shapely
import shapely.ops
import shapely.prepared
from pydantic import Field, model_validator
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.prepared import PreparedGeometry

from cloud.planning.tracks import CIRCLE_M, Leg, Track
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Corner, Zone, ZoneKind

_SHORT_M = 1e-6


class SiteZone(Zone):
    """A zone of a site; heights are above the WGS 84 ellipsoid, none means from the ground to the sky."""

    name: str = Field(min_length=1, max_length=80)
    floor_alt_m: float | None = Field(default=None, ge=-1000, le=20000, description="not in force below it")
    ceiling_alt_m: float | None = Field(default=None, ge=-1000, le=20000, description="not in force above it")

    @model_validator(mode="after")
    def _is_an_area(self) -> SiteZone:
        flat = Polygon([(corner.lon_deg, corner.lat_deg) for corner in self.corners])
        if self.corners and (not flat.is_valid or flat.area == 0.0):
            raise ValueError(f"corners: {shapely.is_valid_reason(flat)}")
        return self


class Crossing(NamedTuple):
    """Where a track breaks a zone's rule first, and for how far in that leg."""

    zone: SiteZone
    leg: Leg
    metre: float
    point: Enu
    length_m: float


def outline(zone: Zone, frame: LocalFrame) -> BaseGeometry:
    """Return a zone's ground in metres about the frame's origin."""
    if zone.centre is None or zone.radius_m is None:
        return Polygon([_level(corner, frame) for corner in zone.corners])
    # The ring's corners lie outside a circle to keep out of, and on a circle to stay in: never the unsafe way.
    quarter = max(8, math.ceil(math.pi / 4 / math.acos(zone.radius_m / (zone.radius_m + CIRCLE_M))))
    grown = 1.0 / math.cos(math.pi / 4 / quarter) if zone.kind is ZoneKind.KEEP_OUT else 1.0
    return Point(_level(zone.centre, frame)).buffer(zone.radius_m * grown, quad_segs=quarter)


def _level(corner: Corner, frame: LocalFrame) -> tuple[float, float]:
    place = frame.to_enu(GeoPoint(lat_deg=corner.lat_deg, lon_deg=corner.lon_deg, alt_m=frame.origin.alt_m))
    return place.east, place.north


def breaches(track: Track, zones: Iterable[SiteZone], kind: ZoneKind) -> list[Crossing]:
    """Return, for each zone of a kind whose rule a track breaks, where it does so first.

    A zone to keep out of may not be entered between its floor and ceiling; one to stay in must be kept to, each of
    them.
    """
    found = []
    for zone in zones:
        if zone.kind is not kind:
            continue
        ground = outline(zone, track.frame)
        prepared = shapely.prepared.prep(ground)
        rule = _entry if kind is ZoneKind.KEEP_OUT else _exit
        first = next((at for leg in track.legs if (at := rule(zone, ground, prepared, leg)) is not None), None)
        found += [first] if first is not None else []
    return found


def _entry(zone: SiteZone, ground: BaseGeometry, prepared: PreparedGeometry, leg: Leg) -> Crossing | None:
    band = _band(leg, zone)
    if band is None:
        return None
    line = _line(leg, *band)
    if not prepared.intersects(line):
        return None
    return _crossing(zone, leg, band, line, line.intersection(ground))


def _exit(zone: SiteZone, ground: BaseGeometry, prepared: PreparedGeometry, leg: Leg) -> Crossing | None:
    line = _line(leg, 0.0, 1.0)
    if not prepared.covers(line):
        return _crossing(zone, leg, (0.0, 1.0), line, line.difference(ground))
    band = _band(leg, zone)
    if band == (0.0, 1.0):
        return None
    share = 0.0 if band is None or band[0] > 0.0 else band[1]
    return Crossing(zone, leg, leg.from_m + share * leg.length_m, _at(leg, share), leg.length_m * (1.0 - share))


def _band(leg: Leg, zone: SiteZone) -> tuple[float, float] | None:
    """Return the part of a leg (shares) between a zone's floor and ceiling; None when there is none."""
    low, high = 0.0, 1.0
    rise = leg.end_alt_m - leg.start_alt_m
    for limit, sign in ((zone.floor_alt_m, 1.0), (zone.ceiling_alt_m, -1.0)):
        if limit is None:
            continue
        over = sign * (leg.start_alt_m - limit)
        slope = sign * rise
        if slope == 0.0:
            if over < 0.0:
                return None
        elif slope > 0.0:
            low = max(low, -over / slope)
        else:
            high = min(high, -over / slope)
    return (low, high) if low <= high else None


def _line(leg: Leg, low: float, high: float) -> BaseGeometry:
    start, end = _at(leg, low), _at(leg, high)
    if math.hypot(end.east - start.east, end.north - start.north) < _SHORT_M:
        return Point(start.east, start.north)
    return LineString([(start.east, start.north), (end.east, end.north)])


def _at(leg: Leg, share: float) -> Enu:
    return leg.start.plus(leg.end.minus(leg.start), share)


def _crossing(
    zone: SiteZone, leg: Leg, band: tuple[float, float], line: BaseGeometry, part: BaseGeometry
) -> Crossing | None:
    """Return where ``part`` of a line begins, as metres along its leg."""
    if part.is_empty:
        return None
    within = line.project(shapely.ops.nearest_points(part, _first_of(line))[0]) / line.length if line.length else 0.0
    share = band[0] + within * (band[1] - band[0])
    return Crossing(zone, leg, leg.from_m + share * leg.length_m, _at(leg, share), part.length)


def _first_of(line: BaseGeometry) -> Point:
    return Point(line.coords[0])
