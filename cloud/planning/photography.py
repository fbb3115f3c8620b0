"""What a camera sees from a distance, and how fast it may pass: ground resolution, footprint, overlap, motion blur."""

from __future__ import annotations

from typing import NamedTuple

from contracts.optics import CameraIntrinsics

FRAMES_PER_S = 1.0
"""Frames of the video that are looked at, at least; overlap along the way is counted between them."""


class Shot(NamedTuple):
    """A camera at a distance from a surface square to its view."""

    camera: CameraIntrinsics
    distance_m: float

    @property
    def gsd_mm_px(self) -> float:
        """Return the size of a pixel on the surface."""
        return self.camera.gsd_mm_px(self.distance_m)

    @property
    def width_m(self) -> float:
        """Return how wide the picture is on the surface."""
        return self.distance_m * self.camera.width_px / self.camera.focal_px

    @property
    def height_m(self) -> float:
        """Return how high the picture is on the surface."""
        return self.distance_m * self.camera.height_px / self.camera.focal_px

    def blur_px(self, speed_mps: float, shutter_s: float) -> float:
        """Return how far the picture moves during the exposure: ``v t / gsd``."""
        return 1000.0 * speed_mps * shutter_s / self.gsd_mm_px

    def speed_mps(self, *, along_m: float, overlap: float, shutter_s: float, max_blur_px: float) -> float:
        """Return the highest speed with so little blur and so much overlap between frames.

        Args:
            along_m: The picture's size on the surface in the direction of flight.
            overlap: Share (0..1) of each frame that the next one shows again.
            shutter_s: Exposure time.
            max_blur_px: Allowed motion during it.

        """
        sharp = max_blur_px * self.gsd_mm_px / 1000.0 / shutter_s
        return min(sharp, along_m * (1.0 - overlap) * FRAMES_PER_S)


def distance_for(camera: CameraIntrinsics, gsd_mm_px: float) -> float:
    """Return the distance at which a pixel covers ``gsd_mm_px``."""
    return gsd_mm_px * camera.focal_px / 1000.0
