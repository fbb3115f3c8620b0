"""The pinhole camera: pixels to rays and back (no lens distortion; frames are rectified first)."""

from __future__ import annotations

import math

from pydantic import Field

from contracts.geo import Enu, Frozen, Pose


class CameraIntrinsics(Frozen):
    """A rectified camera. The optical centre is the image centre."""

    width_px: int = Field(gt=0, le=16384)
    height_px: int = Field(gt=0, le=16384)
    focal_px: float = Field(ge=1, le=1e6, description="focal length divided by pixel pitch")

    def gsd_mm_px(self, distance_m: float) -> float:
        """Return the size of a pixel on a surface square to the view at ``distance_m``."""
        return 1000.0 * distance_m / self.focal_px


def camera_axes(pose: Pose) -> tuple[Enu, Enu, Enu]:
    """Return unit vectors (right, down, forward) of a camera in east-north-up."""
    yaw, pitch, roll = (math.radians(a) for a in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    forward = Enu(math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch))
    right0 = Enu(math.cos(yaw), -math.sin(yaw), 0.0)
    up0 = right0.cross(forward)
    right = right0.times(math.cos(roll)).plus(up0, -math.sin(roll))
    down = up0.times(-math.cos(roll)).plus(right0, -math.sin(roll))
    return right, down, forward


def pixel_ray(pose: Pose, camera: CameraIntrinsics, x_px: float, y_px: float) -> Enu:
    """Return the unit direction (east-north-up) in which pixel (x, y) looks."""
    right, down, forward = camera_axes(pose)
    u = (x_px - camera.width_px / 2) / camera.focal_px
    v = (y_px - camera.height_px / 2) / camera.focal_px
    return forward.plus(right, u).plus(down, v).unit()


def project(pose: Pose, camera: CameraIntrinsics, offset: Enu) -> tuple[float, float] | None:
    """Return the pixel of a point ``offset`` metres (east-north-up) from the camera; None when behind it."""
    right, down, forward = camera_axes(pose)
    depth = offset.dot(forward)
    if depth <= 1e-6:
        return None
    return (
        camera.width_px / 2 + camera.focal_px * offset.dot(right) / depth,
        camera.height_px / 2 + camera.focal_px * offset.dot(down) / depth,
    )
