"""Makes what vision would say: detections and batches, with plain numbers in and contract models out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.findings import AuditBox, AuditFrame, CoverageCell, Detection, DetectionBatch, Evidence, Frame, ModelCard
from contracts.geo import BoxNorm, GeoPoint, Pose
from contracts.ids import parse_segment_id
from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace
from contracts.vocabulary import Blade, BladeSide, DefectKind

AT = datetime(2026, 11, 20, 16, 41, 38, tzinfo=UTC)
MODEL = ModelCard(name="blade-n", sha256="ab" * 32, threshold=0.3)
POINT = GeoPoint(lat_deg=54.78, lon_deg=8.86, alt_m=90.0)


def detection(
    name: str,
    *,
    segment: str = "flt-1.00000",
    kind: DefectKind = DefectKind.CRACK,
    blade: Blade = Blade.A,
    side: BladeSide = BladeSide.PS,
    root_m: float | None = 10.0,
    offset_m: float = 0.6,
    length_mm: float = 200.0,
    width_mm: float = 20.0,
    confidence: float = 0.9,
    ce90_m: float | None = 0.1,
    incidence_deg: float = 15.0,
    frames: int = 2,
    point: GeoPoint | None = POINT,
) -> Detection:
    """Return a detection; ``root_m`` None gives one without a place."""
    shown = tuple(
        Evidence(
            frame=Frame(
                segment_id=segment,
                frame=10 + number,
                pts_ms=100.0 * number,
                captured_at=AT + timedelta(seconds=number),
                pose=Pose(point=POINT, yaw_deg=60.0, pitch_deg=0.0),
                sharpness=400.0,
            ),
            box=BoxNorm(x0=0.4, y0=0.4, x1=0.5, y1=0.5),
            confidence=max(0.0, confidence - 0.01 * number),
            gsd_mm_px=1.5,
            incidence_deg=incidence_deg,
        )
        for number in range(frames)
    )
    place = None
    if root_m is not None:
        place = SurfacePlace(blade=blade, side=side, distance_to_root_m=root_m, offset_m=offset_m)
    return Detection(
        detection_id=name,
        kind=kind,
        confidence=confidence,
        place=place,
        point=point,
        ce90_m=ce90_m,
        length_mm=length_mm,
        width_mm=width_mm,
        size_sigma_mm=8.0,
        evidence=shown,
    )


def audit_frame(
    segment: str,
    frame: int = 7,
    *,
    pose: Pose | None = None,
    boxes: tuple[AuditBox, ...] = (),
    key: str = "frames/x.jpg",
    draw: float = 0.001,
) -> AuditFrame:
    """Return a frame of the blind audits' sample."""
    return AuditFrame(
        frame=Frame(
            segment_id=segment,
            frame=frame,
            pts_ms=40.0 * frame,
            captured_at=AT,
            pose=pose or Pose(point=POINT, yaw_deg=60.0, pitch_deg=0.0),
            sharpness=400.0,
        ),
        draw=draw,
        share=0.02,
        camera=CameraIntrinsics(width_px=3840, height_px=2160, focal_px=6000.0),
        pose_sigma_m=0.03,
        attitude_sigma_deg=0.1,
        picture_key=key,
        picture_sha256="cd" * 32,
        boxes=boxes,
    )


def batch(
    segment: str,
    *detections: Detection,
    asset_id: str = "t-01",
    coverage: tuple[CoverageCell, ...] = (),
    audit_frames: tuple[AuditFrame, ...] = (),
) -> DetectionBatch:
    """Return what vision stores for a segment."""
    return DetectionBatch(
        segment_id=segment,
        flight_id=parse_segment_id(segment)[0],
        asset_id=asset_id,
        video_key=f"flights/merlin-1/{segment}.mp4",
        video_sha256="0" * 64,
        model=MODEL,
        analysed_at=AT + timedelta(minutes=1),
        frames_total=240,
        key_frames=24,
        video_s=10.0,
        processing_s=4.0,
        detections=detections,
        coverage=coverage,
        audit_frames=audit_frames,
    )
