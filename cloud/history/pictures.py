"""Pictures of one place brought onto each other: same scale, same spot, same light; and what differs. numpy and OpenCV.

Registering whole pictures fails on real revisits, so this starts from what is known: the scale (millimetres per pixel)
and the middle of the crop. What is left is a small shift, found by phase correlation of the edges, and a turn of some
degrees, found by ECC. Where neither holds, the picture is shown as it is and no change is measured.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import CorruptMedia

Image = NDArray[np.uint8]
Grey = NDArray[np.float32]

_ECC = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
_GOOD_CORRELATION = 0.35
_FARTHEST_SHARE = 0.2
_MOST_TURN = 0.22
"""Radians. What is known of scale and place leaves no more than this; a better fit farther off is a chance one."""
_CHANGED_SIGMAS = 3.0
_SMOOTH_SHARE = 1 / 20
"""Of the picture's height: light varies more slowly than this, damage faster."""


class Aligned(NamedTuple):
    """A picture on the reference's pixels. ``correlation`` of their edges; below 0.35 ``trusted`` is False."""

    image: Image
    correlation: float
    trusted: bool


class Difference(NamedTuple):
    """What differs after the light is taken out: a map (0..255), and the share of pixels beyond the noise."""

    map: Image
    changed_share: float


def decode(data: bytes) -> Image:
    """Return the picture in a JPEG or PNG (rows, columns, BGR).

    Raises:
        CorruptMedia: It cannot be decoded.

    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise CorruptMedia("A picture cannot be decoded.", hint="Its segment can be analysed again.")
    return np.asarray(image, dtype=np.uint8)


def encode(image: Image) -> bytes:
    """Return a picture as JPEG."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def scaled(image: Image, mm_px: float, to_mm_px: float, size: tuple[int, int]) -> Image:
    """Return a picture at another scale, its middle in the middle of ``size`` (rows, columns)."""
    factor = mm_px / to_mm_px
    rows, columns = image.shape[:2]
    matrix = np.array(
        [[factor, 0, (size[1] - factor * columns) / 2], [0, factor, (size[0] - factor * rows) / 2]], dtype=np.float32
    )
    flags = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    moved = cv2.warpAffine(image, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)


def aligned(image: Image, reference: Image) -> Aligned:
    """Return ``image`` (of the reference's size and scale) moved and turned onto ``reference``."""
    fixed, moving = _edges(reference), _edges(image)
    window = cv2.createHanningWindow(fixed.shape[::-1], cv2.CV_32F)
    # Copies: OpenCV 5 lays the window over its inputs in place.
    (x, y), _ = cv2.phaseCorrelate(moving.copy(), fixed.copy(), window)
    best, score = np.array([[1, 0, 0], [0, 1, 0]], np.float32), _correlation(moving, fixed)
    shifted = np.array([[1, 0, x], [0, 1, y]], np.float32)
    if _near(shifted, fixed.shape) and (after := _correlation(_moved(moving, shifted), fixed)) > score:
        best, score = shifted, after
    turned = _turned(moving, fixed, best)
    if (
        turned is not None
        and _near(turned, fixed.shape)
        and (after := _correlation(_moved(moving, turned), fixed)) > score
    ):
        best, score = turned, after
    return Aligned(np.asarray(_moved(image, best), dtype=np.uint8), score, score >= _GOOD_CORRELATION)


def difference(image: Image, reference: Image) -> Difference:
    """Return what differs between two aligned pictures, whatever the light."""
    off = np.abs(_flat(image) - _flat(reference))
    noise = 1.4826 * float(np.median(off)) + 0.05
    shown = np.clip(off / (2 * _CHANGED_SIGMAS * noise) * 255, 0, 255).astype(np.uint8)
    return Difference(shown, float(np.mean(off > _CHANGED_SIGMAS * noise)))


def overlay(image: Image, reference: Image) -> Image:
    """Return both in one picture: the reference in red, the other in cyan; grey where they agree."""
    one, other = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (reference, image))
    return np.dstack([other, other, one])


def _edges(image: Image) -> Grey:
    grey = _flat(image)
    edges = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.asarray(cv2.GaussianBlur(edges, (0, 0), 1.5), dtype=np.float32)


def _flat(image: Image) -> Grey:
    """Return a picture with its light taken out: local mean 0, local deviation 1."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    width = max(3.0, image.shape[0] * _SMOOTH_SHARE)
    off = grey - cv2.GaussianBlur(grey, (0, 0), width)
    spread = np.sqrt(cv2.GaussianBlur(off * off, (0, 0), width)) + 2.0
    return np.asarray(cv2.GaussianBlur(off / spread, (0, 0), 1.0), dtype=np.float32)


def _moved(image: NDArray[Any], matrix: NDArray[np.float32]) -> NDArray[Any]:
    size = image.shape[1], image.shape[0]
    moved: NDArray[Any] = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _turned(moving: Grey, fixed: Grey, start: NDArray[np.float32]) -> NDArray[np.float32] | None:
    inverse = cv2.invertAffineTransform(start).astype(np.float32)
    try:
        _, found = cv2.findTransformECC(fixed, moving, inverse, cv2.MOTION_EUCLIDEAN, _ECC)
    except cv2.error:  # it did not converge: the shift alone is kept
        return None
    return np.asarray(cv2.invertAffineTransform(found), dtype=np.float32)


def _near(matrix: NDArray[np.float32], shape: tuple[int, ...]) -> bool:
    """Return whether a motion moves the middle by little and turns by little."""
    middle = np.array([shape[1] / 2, shape[0] / 2, 1.0])
    moved = float(np.linalg.norm(matrix @ middle - middle[:2]))
    return moved <= _FARTHEST_SHARE * shape[0] and abs(float(np.arctan2(matrix[1, 0], matrix[0, 0]))) <= _MOST_TURN


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    a, b = (np.asarray(each, dtype=np.float64) for each in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / size if size > 0 else 0.0
