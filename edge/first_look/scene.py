"""What is known of a frame when it is looked at: where the camera was, how far off the asset, how fine the picture."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from contracts.geo import GeoPoint, LocalFrame, Pose
from contracts.media import PoseSample
from contracts.optics import CameraIntrinsics
from contracts.routes import Route
from edge.bodies import bodies_of, place_of
from edge.geometry import Leg
from edge.tracks.subtitles import pose_at

_NEAREST_M = 1.0
"""Nearer than this a distance is an error of the pose."""


class PoseTrack(Protocol):
    """Where the camera was."""

    def latest_us(self) -> int:
        """Return the newest pose's time."""

    def covering(self, start_us: int, end_us: int) -> tuple[PoseSample, ...]:
        """Return the poses that enclose a span."""


class Encoded(NamedTuple):
    """A key frame as the camera encoded it."""

    codec: str
    extradata: bytes
    """The decoder's parameters, where they do not stand before the frame itself."""
    data: bytes


def pose_of(poses: PoseTrack, t_us: int) -> Pose | None:
    """Return the camera's pose at a time; None where the track does not reach."""
    around = poses.covering(t_us, t_us)
    return pose_at(around, [sample.t_us for sample in around], t_us)


def gsd_mm_px(route: Route, poses: PoseTrack, t_us: int, camera: CameraIntrinsics) -> float:
    """Return what a pixel covers on the nearest part of the asset, mm: distance over focal length.

    Without a pose, or on a route that names no solids, the distance is the one the route was planned with.
    """
    around = poses.covering(t_us, t_us)
    off_m = _off_m(route, around[0].pose.point) if around else route.standoff_m
    return 1000.0 * max(_NEAREST_M, off_m) / camera.focal_px


def _off_m(route: Route, point: GeoPoint) -> float:
    place = place_of(point, LocalFrame(route.home))
    standing = Leg(place, place)
    return min((body.apart_m(standing) for body in bodies_of(route, route.home)), default=route.standoff_m)
