"""What lens and sensor do to a drawn picture: exposure, motion, softness, noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from contracts.geo import Enu
from simulators.noise import Image, rng_of
from simulators.views import Box
from simulators.world import Weather

_NOISE_PX = 512


class Shot(NamedTuple):
    """How one frame is exposed."""

    exposure: float = 1.0
    shutter_s: float = 1 / 1000
    velocity: Enu = Enu(0.0, 0.0, 0.0)
    """Of the camera, metres per second."""
    noise: float = 2.0
    """Standard deviation of the sensor noise, grey levels."""
    noise_seed: int = 0
    weather: Weather | None = None
    """In place of the scene's."""


class Grain:
    """A sensor's noise, drawn once and laid over each frame at a shift of its own."""

    def __init__(self) -> None:
        noise = rng_of("noise").standard_normal((_NOISE_PX, _NOISE_PX, 3))
        self._noise = (noise * 0.75 + noise.mean(axis=2, keepdims=True) * 0.9).astype(np.float32)
        self._scaled: dict[float, tuple[Image, Image]] = {}

    def laid(self, image: Image, shot: Shot) -> Image:
        """Add a shot's noise to a frame in place, and return it."""
        brighter, darker = self._noise_for(round(shot.noise * 4) / 4, image.shape[:2])
        roll = rng_of("grain", shot.noise_seed).integers(0, _NOISE_PX, 2)
        rows, columns = image.shape[:2]
        part = (slice(roll[0], roll[0] + rows), slice(roll[1], roll[1] + columns))
        cv2.add(image, brighter[part], dst=image)
        cv2.subtract(image, darker[part], dst=image)
        return image

    def _noise_for(self, sigma: float, shape: tuple[int, int]) -> tuple[Image, Image]:
        """Return the positive and negative noise, wide enough for any shift within one tile."""
        kept = self._scaled.get(sigma)
        if kept is None or kept[0].shape[0] < shape[0] + _NOISE_PX or kept[0].shape[1] < shape[1] + _NOISE_PX:
            if len(self._scaled) > 6:
                self._scaled.clear()
            repeats = [-(-n // _NOISE_PX) + 1 for n in shape]
            scaled = np.tile(np.round(self._noise * sigma), (*repeats, 1))
            kept = (np.clip(scaled, 0, 60).astype(np.uint8), np.clip(-scaled, 0, 60).astype(np.uint8))
            self._scaled[sigma] = kept
        return kept


def blur(image: Image, box: Box, smear_px: tuple[float, float]) -> None:
    """Apply the lens (which also softens the polygons' stairs) and the motion in place, as one separable kernel."""
    x, y = (_kernel(abs(s)) for s in smear_px)
    part = image[box[1] : box[3], box[0] : box[2]]
    part[...] = cv2.sepFilter2D(part, -1, x, y, borderType=cv2.BORDER_REPLICATE)


def _kernel(smear_px: float) -> Image:
    """Return a lens kernel convolved with a box of ``smear_px``, odd length, sum 1."""
    lens = np.array([0.2, 0.6, 0.2])
    if smear_px < 0.25:
        return lens
    half = math.ceil(smear_px / 2 + 0.5)
    taps = np.arange(-half, half + 1)
    box = np.clip(smear_px / 2 + 0.5 - np.abs(taps), 0, 1)
    kernel: Image = np.convolve(lens, box / box.sum())
    return kernel
