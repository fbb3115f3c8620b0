"""What happens to a picture between the lens and the detector: shadows, birds, white balance, compression."""

from __future__ import annotations

import io
import math
import random
from fractions import Fraction

import av
import cv2
import numpy as np

from simulators.noise import Image


def aged(image: Image, rng: random.Random, *, birds: bool) -> Image:
    """Return a tile as it would reach a detector."""
    if rng.random() < 0.12:
        image = _cast_shadow(image, rng)
    if birds and rng.random() < 0.25:
        image = _bird(image, rng)
    if rng.random() < 0.6:
        gains = np.array([rng.gauss(1, 0.025) for _ in range(3)], np.float32) * rng.uniform(0.9, 1.1)
        image = np.clip(image * gains + rng.uniform(-10, 10), 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.3))
    return _compressed(image, rng)


def _cast_shadow(image: Image, rng: random.Random) -> Image:
    rows, columns = image.shape[:2]
    turn = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    along = (x - columns * rng.random()) * math.cos(turn) + (y - rows * rng.random()) * math.sin(turn)
    dark = 1 - rng.uniform(0.25, 0.55) / (1 + np.exp(np.clip(-along / rng.uniform(1.5, 10), -30, 30)))
    shaded: Image = np.clip(image * dark[..., None], 0, 255).astype(np.uint8)
    return shaded


def _bird(image: Image, rng: random.Random) -> Image:
    made = image.copy()
    size = rng.uniform(6, 40)
    x, y = rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[0])
    turn = rng.uniform(0, 2 * math.pi)
    grey = rng.uniform(20, 110)
    for lift in (-rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.9)):
        tip = (x + size * math.cos(turn + lift), y + size * math.sin(turn + lift))
        back = (x - size * 0.25 * math.cos(turn), y - size * 0.25 * math.sin(turn))
        fore = (x + size * 0.3 * math.cos(turn), y + size * 0.3 * math.sin(turn))
        cv2.fillConvexPoly(made, np.array([tip, back, fore]).round().astype(np.int32), (grey,) * 3, cv2.LINE_AA)
    return made


def _compressed(image: Image, rng: random.Random) -> Image:
    draw = rng.random()
    if draw < 0.6:
        return h264_still(image, rng.uniform(18, 31))
    if draw < 0.9:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(45, 95)])
        decoded: Image | None = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return image if decoded is None else decoded
    return image


def h264_still(image: Image, crf: float) -> Image:
    """Return an image as an H.264 key frame of a given quality shows it (even width and height)."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height = image.shape[1], image.shape[0]
    codec.pix_fmt = "yuv420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": f"{crf:.1f}", "x264-params": "log-level=0"}
    frame = av.VideoFrame.from_ndarray(image, format="bgr24")
    frame.pts = 0
    data = b"".join(bytes(p) for p in (*codec.encode(frame), *codec.encode(None)))
    with av.open(io.BytesIO(data), "r", format="h264") as decoded:
        return next(decoded.decode(video=0)).to_ndarray(format="bgr24")
