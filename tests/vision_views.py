"""Views of a turbine for vision's tests: poses, hand-painted pictures and videos, and a finder of red patches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.geo import Enu, GeoPoint, Pose
from contracts.media import FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics, project
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, DefectKind
from vision.boxes import KINDS, Boxes, Image
from vision.detector import Card

FOOT = GeoPoint(lat_deg=56.7, lon_deg=8.2, alt_m=45.0)
TURBINE = TurbineGeometry(foot=FOOT)
SMALL = CameraIntrinsics(width_px=960, height_px=544, focal_px=2600.0)
START_US = 1_790_000_000_000_000
CARD = Card(name="red-patches", sha256="0" * 64, kinds=KINDS, threshold=0.1, accept=0.3)


def square_on(geometry: TurbineGeometry, place: SurfacePlace, standoff_m: float = 10.0) -> Pose:
    """Return the pose that looks at a place along its side's normal."""
    target = geometry.surface_point(place)
    eye = target.plus(geometry.facet(place.blade, place.side).normal, standoff_m)
    return looking(geometry, eye, target)


def looking(geometry: TurbineGeometry, eye: Enu, target: Enu) -> Pose:
    """Return the pose at ``eye`` whose axis passes through ``target``."""
    axis = target.minus(eye).unit()
    yaw = math.degrees(math.atan2(axis.east, axis.north)) % 360.0
    pitch = max(-90.0, min(90.0, math.degrees(math.asin(max(-1.0, min(1.0, axis.up))))))
    return Pose(point=geometry.frame().to_geo(eye), yaw_deg=yaw, pitch_deg=pitch)


def pixel_of(
    geometry: TurbineGeometry, pose: Pose, camera: CameraIntrinsics, place: SurfacePlace
) -> tuple[float, float]:
    """Return where a place shows up; it must lie before the camera."""
    pixel = project(pose, camera, geometry.surface_point(place).minus(geometry.frame().to_enu(pose.point)))
    assert pixel is not None
    return pixel


def place_at(
    side: BladeSide = BladeSide.PS, metres: float = 12.0, share: float = 0.5, blade: Blade = Blade.A
) -> SurfacePlace:
    """Return a place by its share of the side's width."""
    offset = share * TURBINE.side_width_m(side, metres)
    return SurfacePlace(blade=blade, side=side, distance_to_root_m=metres, offset_m=offset)


def corners_of(place: SurfacePlace, length_m: float, width_m: float) -> list[SurfacePlace]:
    """Return the corners of a patch on a side, in order round it."""
    return [
        place.model_copy(update={"distance_to_root_m": place.distance_to_root_m + a, "offset_m": place.offset_m + b})
        for a, b in (
            (-length_m / 2, -width_m / 2),
            (length_m / 2, -width_m / 2),
            (length_m / 2, width_m / 2),
            (-length_m / 2, width_m / 2),
        )
    ]


def painted(pose: Pose, camera: CameraIntrinsics, patches: Sequence[Sequence[SurfacePlace]]) -> Image:
    """Paint a blue sky, grey blades with a fine grain, and red patches where the camera sees them."""
    image = np.full((camera.height_px, camera.width_px, 3), (200, 150, 90), np.uint8)
    eye = TURBINE.frame().to_enu(pose.point)
    for blade in Blade:
        for side in BladeSide:
            facet = TURBINE.facet(blade, side)
            if eye.minus(facet.first_root).dot(facet.normal) <= 0:
                continue
            _fill(image, pose, camera, [facet.at(s, o) for s, o in ((0, 0), (1, 0), (1, 1), (0, 1))], (170, 170, 170))
    grain = np.random.default_rng(0).integers(-9, 9, image.shape, np.int16)
    image = np.asarray(np.clip(image + grain, 0, 255), np.uint8)
    for patch in patches:
        normal = TURBINE.facet(patch[0].blade, patch[0].side).normal
        if eye.minus(TURBINE.surface_point(patch[0])).dot(normal) > 0:
            _fill(image, pose, camera, [TURBINE.surface_point(p) for p in patch], (0, 0, 255))
    return image


def _fill(
    image: Image, pose: Pose, camera: CameraIntrinsics, points: Sequence[Enu], colour: tuple[int, int, int]
) -> None:
    eye = TURBINE.frame().to_enu(pose.point)
    pixels = [project(pose, camera, p.minus(eye)) for p in points]
    if all(p is not None for p in pixels):
        cv2.fillPoly(image, [np.rint(np.array(pixels)).astype(np.int32)], colour)


class RedFinder:
    """Finds red patches, as cracks, with full confidence."""

    def __init__(self, kind: DefectKind = DefectKind.CRACK, confidence: float = 0.9, card: Card = CARD) -> None:
        self.kind, self.confidence, self._card = kind, confidence, card
        self.images = 0

    @property
    def card(self) -> Card:
        return self._card

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        self.images += len(images)
        return [self._boxes(image) for image in images]

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        return boxes

    def suspect(self, image: Image, boxes: Boxes) -> Boxes:
        return boxes if self._card.fusion else Boxes.none()

    def _boxes(self, image: Image) -> Boxes:
        blue, green, red = (image[..., i].astype(np.int16) for i in range(3))
        mask = ((red > 150) & (green < 90) & (blue < 90)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        rows = [s for s in stats[1:] if s[cv2.CC_STAT_AREA] >= 6]
        boxes = [(s[0], s[1], s[0] + s[2], s[1] + s[3]) for s in rows]
        return Boxes.of(boxes, [self.confidence] * len(rows), [KINDS.index(self.kind)] * len(rows))


def encode(path: Path, frames: Sequence[NDArray[np.uint8]], fps: int = 12, group: int = 12) -> bytes:
    """Write frames as fragmented MP4 (H.264), one fragment per group of pictures; return its bytes."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = group
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "x264-params": "scenecut=0"}
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.pts = number
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path.read_bytes()


def manifest_of(
    video: bytes, poses: Sequence[Pose], camera: CameraIntrinsics = SMALL, fps: int = 12
) -> SegmentManifest:
    """Return the manifest of a video with one pose per frame."""
    times = [START_US + round(i * 1e6 / fps) for i in range(len(poses))]
    return SegmentManifest(
        segment_id="flt-one.00000",
        flight_id="flt-one",
        drone_id="drone-1",
        asset_id="wt-01",
        index=0,
        sha256=hashlib.sha256(video).hexdigest(),
        size_bytes=len(video),
        codec="h264",
        started_at=datetime.fromtimestamp(START_US / 1e6, UTC),
        frames=tuple(FrameTime(pts_ms=i * 1000 / fps, t_us=t) for i, t in enumerate(times)),
        poses=tuple(PoseSample(t_us=t, pose=p) for t, p in zip(times, poses, strict=True)),
        camera=camera,
    )


def pass_along(side: BladeSide, first_m: float, last_m: float, count: int, blade: Blade = Blade.A) -> list[Pose]:
    """Return poses of a flight along a side at standoff, camera square on."""
    return [square_on(TURBINE, place_at(side, float(m), 0.5, blade)) for m in np.linspace(first_m, last_m, count)]
