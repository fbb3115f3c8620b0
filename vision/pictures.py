"""Evidence pictures: crops and whole frames as JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from contracts.errors import InvalidInput
from vision.boxes import Image

FRAME_WIDTH_PX = 1920
_QUALITY = 85
_MARGIN_SHARE = 0.35
_LEAST_CROP_PX = 192
_MOST_CROP_PX = 1024

Box = tuple[float, float, float, float]


def jpeg(image: Image, most_px: int) -> bytes:
    """Return a picture as JPEG, scaled down so that its longer side is at most ``most_px``."""
    scale = most_px / max(image.shape[:2])
    if scale < 1.0:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise InvalidInput(f"A picture of shape {image.shape} cannot be written as JPEG.")
    return bytes(encoded)


def frame_jpeg(image: Image) -> bytes:
    """Return a whole frame for the evidence."""
    return jpeg(image, FRAME_WIDTH_PX)


def crop_jpeg(image: Image, xyxy: Box) -> bytes:
    """Return the surroundings of a box, with a margin, never smaller than a thumbnail needs."""
    height, width = image.shape[:2]
    x0, x1 = _grown(xyxy[0], xyxy[2], width)
    y0, y1 = _grown(xyxy[1], xyxy[3], height)
    return jpeg(image[y0:y1, x0:x1], _MOST_CROP_PX)


def _grown(low: float, high: float, limit: int) -> tuple[int, int]:
    half = max((high - low) * (0.5 + _MARGIN_SHARE), _LEAST_CROP_PX / 2)
    middle = (low + high) / 2
    start = int(max(0.0, min(middle - half, limit - 2 * half)))
    return start, int(min(limit, max(start + 1, round(start + 2 * half))))


def annotated(image: Image, marks: list[tuple[Box, str]]) -> Image:
    """Return a copy of a frame with boxes and captions drawn in."""
    drawn = image.copy()
    thick = max(2, round(image.shape[1] / 900))
    for (x0, y0, x1, y1), caption in marks:
        first, second = (round(x0), round(y0)), (round(x1), round(y1))
        cv2.rectangle(drawn, first, second, (32, 32, 224), thick)
        (width, height), base = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, thick / 3, thick)
        top = max(first[1], height + base + 4)
        left = max(0, min(first[0], image.shape[1] - width))
        cv2.rectangle(drawn, (left, top - height - base - 4), (left + width, top), (32, 32, 224), -1)
        at = (left, top - base)
        cv2.putText(drawn, caption, at, cv2.FONT_HERSHEY_SIMPLEX, thick / 3, (255, 255, 255), thick, cv2.LINE_AA)
    return np.asarray(drawn, np.uint8)
