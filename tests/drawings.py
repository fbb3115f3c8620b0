"""Draws frames of a blade with a defect."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


def jpeg(picture: np.ndarray[Any, Any]) -> bytes:
    """Return a picture (height, width, BGR) as JPEG."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert done
    return data.tobytes()


def draw_frame(
    kind: str, seed: int, box: dict[str, float], width: int = 1280, height: int = 720
) -> np.ndarray[Any, Any]:
    """Return a drawn blade before a sky with a defect in ``box`` (fractions)."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = (np.array([214, 190, 158]) * (1 - ramp) + np.array([236, 226, 214]) * ramp) * np.ones((1, width, 1))
    picture = cv2.GaussianBlur((sky + rng.normal(0, 1.2, sky.shape)).clip(0, 255).astype(np.uint8), (0, 0), 1.2)
    blade = np.array([[0.30, -0.05], [0.70, -0.05], [0.66, 1.05], [0.38, 1.05]]) * (width, height)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [blade.astype(np.int32)], 255)
    shade = np.linspace(0.97, 0.72, width, dtype=np.float32)[None, :, None]
    paint = (np.array([232, 234, 233], np.float32) * shade * np.ones((height, 1, 1))) + rng.normal(
        0, 2.2, (height, width, 1)
    )
    picture = np.where(mask[..., None] > 0, paint.clip(0, 255).astype(np.uint8), picture)
    cv2.polylines(picture, [blade.astype(np.int32)], True, (150, 150, 148), 2, cv2.LINE_AA)
    _draw_defect(
        picture,
        kind,
        rng,
        [int(box["x0"] * width), int(box["y0"] * height), int(box["x1"] * width), int(box["y1"] * height)],
    )
    return picture


def _draw_defect(picture: np.ndarray[Any, Any], kind: str, rng: np.random.Generator, box: list[int]) -> None:
    x0, y0, x1, y1 = box
    if kind == "crack":
        points = np.stack(
            [np.linspace(x0, x1, 14) + rng.normal(0, 3, 14), np.linspace(y1, y0, 14) + rng.normal(0, 6, 14)], 1
        )
        cv2.polylines(picture, [points.astype(np.int32)], False, (48, 50, 54), 2, cv2.LINE_AA)
        return
    colours = {
        "lightning_burn": (34, 40, 48),
        "corrosion": (38, 84, 150),
        "missing_coating": (120, 140, 150),
        "leading_edge_erosion": (140, 148, 150),
        "delamination": (176, 184, 186),
        "damage": (96, 100, 104),
    }
    for _ in range(60):
        centre = (int(rng.normal((x0 + x1) / 2, (x1 - x0) / 6)), int(rng.normal((y0 + y1) / 2, (y1 - y0) / 6)))
        jitter = rng.integers(-12, 12)
        colour = tuple(int(np.clip(c + jitter, 0, 255)) for c in colours.get(kind, (90, 90, 90)))
        cv2.circle(picture, centre, int(rng.integers(3, 15)), colour, -1, cv2.LINE_AA)
