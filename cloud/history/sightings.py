"""A finding as matching sees it: a place in component coordinates with its errors, a kind and a size. Pure.

The error of a place has two parts. What the flight's own position adds is shared by all it saw and moves each finding
by ``lever @ shift`` (shift: metres east, north, up); what is left is the finding's own. On a blade only the part of the
shift along the blade counts: across it, the edges are in the same picture. A round tower shows no edge to go
by: there the shift counts up it and round it. On a line it counts along only, on a pipe along and across.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud import places
from cloud.tables import Finding
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.parts import Part, parts_of, spans_of
from contracts.pipeline import Pipeline
from contracts.places import ChainagePlace, LineTowerPlace, PartPlace, SpanPlace, TowerPlace
from contracts.powerline import PowerLine
from contracts.shafts import Shaft, shaft_of
from contracts.shapes import AnyShape, frame_of
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, DefectKind

Vector = NDArray[np.float64]

CE90_SIGMAS = 2.146
"""90 % of a plane Gaussian lies within this many standard deviations of one axis."""
OWN_SIGMA_M = 0.12
"""Of a finding's centre against its flight's other findings, before its size is added."""
SIZE_SHARE = 0.08
"""A long defect's centre is less certain: this share of its extent is added to the own error."""
OPEN_SIGMA_M = 0.6
"""The own error of a finding that has a position and no place on a component."""
SHIFT_FLOOR_M = 0.25
"""A flight's shift is never believed to be smaller than this, per axis."""
OPEN = "open"
"""The surface of findings without a place on a component."""


class Ring(NamedTuple):
    """How a tower closes on itself: metres round it, clockwise from north, and its faces on the way."""

    girth_m: float
    faces: int
    first_m: float
    """Where the middle of face 0 lies."""

    def parts(self, first_m: float, last_m: float) -> tuple[str, ...]:
        """Return the faces between two places, as coverage names them."""
        step_m = self.girth_m / self.faces
        first, last = (round((at - self.first_m) / step_m) for at in (first_m, last_m))
        return tuple(sorted({f"face-{n % self.faces}" for n in range(first, last + 1)}))


class Sighting(NamedTuple):
    """One finding of one flight. ``place``: (2) along and across a surface, or (3) east, north, up; metres."""

    sighting_id: str
    surface: str
    kind: DefectKind
    place: Vector
    own: Vector
    """Covariance (d, d) of the part of the error that is not shared, m²."""
    lever: Vector
    """(d, 3): how a shift of the flight moves ``place``."""
    length_mm: float
    size_sigma_mm: float
    seen_at: datetime
    width_mm: float = 0.0
    ring: Ring | None = None
    """Where ``place`` runs round a tower."""
    parts: tuple[Part, ...] = ()
    """Where ``place`` runs along a line or a pipe: the parts about it, as coverage counts them."""

    def beside(self, other: Sighting) -> Vector:
        """Return the place, counted round the same way as that of another sighting on the same surface."""
        if self.ring is None:
            return self.place
        turns = round((other.place[1] - self.place[1]) / self.ring.girth_m)
        return np.array([self.place[0], self.place[1] + turns * self.ring.girth_m])


def sighting_of(finding: Finding, geometry: AnyShape | None) -> Sighting | None:
    """Return how a finding is matched, None when it has neither a place nor a position."""
    if geometry is None:
        return None
    there = places.part_place(finding)
    on_part = None if there is None else _on_part(finding, there, geometry)
    if on_part is not None:
        return on_part
    placed = finding.blade is not None and isinstance(geometry, TurbineGeometry)
    if placed and finding.distance_to_root_m is not None and finding.offset_m is not None:
        place = np.array([finding.distance_to_root_m, finding.offset_m])
        along, across = (_own_m(size) for size in (finding.length_mm, finding.width_mm))
        own = np.diag([along**2, (across / 2) ** 2])
        return _sighting(finding, f"{finding.blade}/{finding.side}", place, own, _blade_lever(geometry, finding.blade))
    if finding.lat_deg is None or finding.lon_deg is None or finding.alt_m is None:
        return None
    point = GeoPoint(lat_deg=finding.lat_deg, lon_deg=finding.lon_deg, alt_m=finding.alt_m)
    place = np.array(frame_of(geometry).to_enu(point))
    return _sighting(finding, OPEN, place, np.eye(3) * OPEN_SIGMA_M**2, np.eye(3))


def shift_prior(findings: list[Finding]) -> Vector:
    """Return the covariance (3, 3) of a flight's shift, from how well its findings say they are placed."""
    stated = [f.ce90_m for f in findings if f.ce90_m is not None]
    sigma_m = max(SHIFT_FLOOR_M, float(np.median(stated)) / CE90_SIGMAS if stated else 1.0)
    return np.eye(3) * sigma_m**2


def _on_part(finding: Finding, place: PartPlace, geometry: AnyShape) -> Sighting | None:
    """Return a finding on what is no blade; None where the asset's geometry is another one by now."""
    match place, geometry:
        case TowerPlace(), TurbineGeometry() | TelecomTower():
            return _on_tower(finding, place, shaft_of(geometry))
        case SpanPlace(), PowerLine() if place.span < len(geometry.towers) - 1:
            return _on_span(finding, place, geometry)
        case LineTowerPlace(), PowerLine() if place.tower < len(geometry.towers):
            own = np.diag([_own_m(finding.length_mm) ** 2, max(1.0, geometry.half_width_m) ** 2])
            lever = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
            return _sighting(finding, place.surface, np.array([place.height_m, 0.0]), own, lever)
        case ChainagePlace(), Pipeline():
            return _on_pipe(finding, place, geometry)
        case _:
            return None


def _on_span(finding: Finding, place: SpanPlace, line: PowerLine) -> Sighting:
    """Return a finding by its chainage and its conductor; one that is not told may be any of them."""
    along = line.span(place.span).along()
    across_m = max(1.0, line.half_width_m) if place.conductor is None else OWN_SIGMA_M
    own = np.diag([_own_m(finding.length_mm) ** 2, across_m**2])
    here, lever = np.array([place.chainage_m, place.across_m]), np.array([along, (0.0, 0.0, 0.0)])
    about = spans_of(line, range(max(0, place.span - 1), place.span + 2))
    return _sighting(finding, place.surface, here, own, lever)._replace(parts=about)


def _on_pipe(finding: Finding, place: ChainagePlace, pipe: Pipeline) -> Sighting:
    along_m, across_m = (_own_m(size) for size in (finding.length_mm, finding.width_mm))
    chainages = pipe.chainages_m()
    piece = min(max(bisect_right(chainages, place.chainage_m) - 1, 0), len(chainages) - 2)
    way = LocalFrame(pipe.centre_line[piece]).to_enu(pipe.centre_line[piece + 1])
    along = Enu(way.east, way.north, 0.0).unit()
    here, lever = np.array([place.chainage_m, place.offset_m]), np.array([along, UP.cross(along)])
    made = _sighting(finding, place.surface, here, np.diag([along_m**2, across_m**2]), lever)
    return made._replace(parts=parts_of(pipe), width_mm=finding.width_mm)


def _on_tower(finding: Finding, place: TowerPlace, shaft: Shaft) -> Sighting:
    """Return a finding by its height and its way round a tower, taken to be as wide as half way up all along."""
    girth_m = shaft.place(shaft.height_m / 2, 0.0).girth_m
    wider = girth_m / place.girth_m
    up, across = (_own_m(size) for size in (finding.length_mm, finding.width_mm))
    own = np.diag([up**2, (wider * across) ** 2])
    bearing = math.radians(place.bearing_deg if place.is_round else place.face_bearing_deg)
    lever = np.array([[0.0, 0.0, 1.0], [wider * math.cos(bearing), -wider * math.sin(bearing), 0.0]])
    ring = Ring(girth_m, shaft.faces, shaft.face_bearing_deg / 360.0 * girth_m)
    here = np.array([place.height_m, place.way_round * girth_m])
    return _sighting(finding, place.surface, here, own, lever)._replace(ring=ring, width_mm=wider * finding.width_mm)


def _sighting(finding: Finding, surface: str, place: Vector, own: Vector, lever: Vector) -> Sighting:
    return Sighting(
        sighting_id=finding.finding_id,
        surface=surface,
        kind=DefectKind(finding.kind),
        place=place,
        own=own,
        lever=lever,
        length_mm=finding.length_mm,
        size_sigma_mm=finding.size_sigma_mm,
        seen_at=finding.detected_at,
    )


def _own_m(size_mm: float) -> float:
    return math.hypot(OWN_SIGMA_M, SIZE_SHARE * size_mm / 1000)


def _blade_lever(geometry: AnyShape, blade: str | None) -> Vector:
    if not isinstance(geometry, TurbineGeometry) or blade is None:
        raise ValueError("a lever needs a blade of a known turbine")
    span, _, _ = geometry.blade_axes(Blade(blade))
    return np.array([list(span), [0.0, 0.0, 0.0]])
