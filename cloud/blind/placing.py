"""Where a rectangle that a person drew lies on the asset, and how large it is, as a detection: one rule matches all.

The middle of the rectangle is looked along until it meets the asset: a blade, a turbine's tower, a mast, a wire or
tower of a line, the ground along a pipe. What the rectangle spans there is measured on the plane of that surface.
Errors are those of the pose that the drone states, as for a detector's boxes.
"""

from __future__ import annotations

import math
from typing import Protocol

from cloud.blind.along import Ground, Met, Wires
from contracts.findings import AuditFrame, Detection, Evidence
from contracts.geo import BoxNorm, Enu, LocalFrame
from contracts.optics import CameraIntrinsics, pixel_ray
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.shafts import ShaftHit, shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import SurfaceHit, TurbineGeometry
from contracts.vocabulary import DefectKind

CE90_PER_SIGMA = 2.1460
"""Radius that holds 90 % of a circular normal distribution, in sigmas: sqrt(-2 ln 0.1)."""
_DRAWN_SIGMA_SHARE = 0.1
"""1-sigma error of a side drawn by hand, as a share of it."""
_GRID = 5


class _Body:
    """A turbine or a mast: its blades and its tower, in the frame of its foot."""

    def __init__(self, body: TurbineGeometry | TelecomTower) -> None:
        self._body, self.local = body, body.frame()

    def meet(self, eye: Enu, ray: Enu) -> Met | None:
        """Return where a ray first meets a blade or the tower, a mast's being all of it."""
        body = self._body
        shaft = shaft_of(body).intersect(eye, ray)
        found = [_on_shaft(shaft, ray)] if shaft is not None else []
        blade = body.intersect(eye, ray) if isinstance(body, TurbineGeometry) else None
        if blade is not None and isinstance(body, TurbineGeometry):
            found.append(_on_blade(body, blade))
        return min(found, key=lambda met: met.distance_m, default=None)


class _Scene(Protocol):
    """What of an asset a camera may show."""

    local: LocalFrame

    def meet(self, eye: Enu, ray: Enu) -> Met | None:
        """Return where a ray in the scene's frame meets it first."""


def detection(mark_id: str, kind: DefectKind, box: BoxNorm, frame: AuditFrame, geometry: AnyShape | None) -> Detection:
    """Return what a person saw as a detection; without a place where the rectangle meets no side of the asset."""
    scene = _scene(geometry, frame)
    hit = _hit(box, frame, scene) if scene else None
    if hit is None or scene is None:
        return _made(mark_id, kind, _evidence(box, frame, None))
    along_m, across_m = _spans(box, frame, scene, hit)
    slant = max(0.2, math.cos(math.radians(hit.incidence_deg)))
    pointing_m = hit.distance_m * math.radians(frame.attitude_sigma_deg) / slant
    size_sigma_mm = 1000 * _DRAWN_SIGMA_SHARE * max(along_m, across_m)
    sigma_m = math.hypot(frame.pose_sigma_m, pointing_m, size_sigma_mm / 2000)
    return _made(mark_id, kind, _evidence(box, frame, hit)).model_copy(
        update={
            "place": hit.place,
            "point": scene.local.to_geo(hit.point),
            "ce90_m": CE90_PER_SIGMA * sigma_m,
            "length_mm": 1000 * along_m,
            "width_mm": 1000 * across_m,
            "size_sigma_mm": size_sigma_mm,
        }
    )


def _made(mark_id: str, kind: DefectKind, evidence: Evidence) -> Detection:
    return Detection(
        detection_id=mark_id, kind=kind, confidence=1.0, place=None, point=None, length_mm=0.0, width_mm=0.0,
        size_sigma_mm=0.0, evidence=(evidence,),
    )  # fmt: skip


def _evidence(box: BoxNorm, frame: AuditFrame, hit: Met | None) -> Evidence:
    distance_m = hit.distance_m if hit else frame.camera.focal_px / 1000  # 1 mm per pixel where nothing says better
    return Evidence(
        frame=frame.frame,
        box=box,
        confidence=1.0,
        gsd_mm_px=frame.camera.gsd_mm_px(distance_m),
        incidence_deg=min(90.0, hit.incidence_deg) if hit else 0.0,
        frame_key=frame.picture_key,
        frame_sha256=frame.picture_sha256,
    )


def _scene(geometry: AnyShape | None, frame: AuditFrame) -> _Scene | None:
    match geometry:
        case None:
            return None
        case PowerLine():
            return Wires(geometry, frame)
        case Pipeline():
            return Ground(geometry, frame)
        case _:
            return _Body(geometry)


def _hit(box: BoxNorm, frame: AuditFrame, scene: _Scene) -> Met | None:
    """Return where the middle meets the asset; else where the point of a grid nearest to the middle does."""
    eye = scene.local.to_enu(frame.frame.pose.point)
    shares = sorted(
        ((i / (_GRID + 1), j / (_GRID + 1)) for i in range(1, _GRID + 1) for j in range(1, _GRID + 1)),
        key=lambda at: (math.hypot(at[0] - 0.5, at[1] - 0.5), at),
    )
    return next((met for u, v in shares if (met := scene.meet(eye, _ray(box, frame, u, v))) is not None), None)


def _on_blade(turbine: TurbineGeometry, hit: SurfaceHit) -> Met:
    facet = turbine.facet(hit.place.blade, hit.place.side)
    share = hit.place.distance_to_root_m / turbine.blade_length_m
    across = facet.at(share, 1.0).minus(facet.at(share, 0.0)).unit()
    along = turbine.blade_axes(hit.place.blade)[0]
    return Met(hit.place, hit.point, hit.distance_m, facet.normal, along, across, hit.incidence_deg)


def _on_shaft(hit: ShaftHit, ray: Enu) -> Met:
    return Met(hit.place, hit.point, hit.distance_m, hit.normal, hit.up, hit.across, hit.incidence_deg(ray))


def _ray(box: BoxNorm, frame: AuditFrame, u: float, v: float) -> Enu:
    """Return the direction in which a place of the rectangle (shares of its width and height) is seen."""
    camera: CameraIntrinsics = frame.camera
    x_px = (box.x0 + u * (box.x1 - box.x0)) * camera.width_px
    y_px = (box.y0 + v * (box.y1 - box.y0)) * camera.height_px
    return pixel_ray(frame.frame.pose, camera, x_px, y_px)


def _spans(box: BoxNorm, frame: AuditFrame, scene: _Scene, hit: Met) -> tuple[float, float]:
    """Return how far (along, across), metres, the middles of the rectangle's sides lie apart on the surface's plane.

    Sides that see past the horizon of a grazing plane are taken at the range of the middle.
    """
    eye = scene.local.to_enu(frame.frame.pose.point)
    points = []
    for u, v in ((0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)):
        ray = _ray(box, frame, u, v)
        facing = -ray.dot(hit.normal)
        range_m = -hit.point.minus(eye).dot(hit.normal) / facing if facing > 0.05 else hit.distance_m
        points.append(eye.plus(ray, min(range_m, 2 * hit.distance_m)))

    def spread(axis: Enu) -> float:
        return max(p.dot(axis) for p in points) - min(p.dot(axis) for p in points)

    return spread(hit.along), spread(hit.across)
