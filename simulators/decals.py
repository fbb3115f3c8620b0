"""Things on a blade that are not defects: drain holes, bolts, serial numbers, vortex generators, insects, stains.

They are what a detector must learn to leave alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from contracts.turbine import TurbineGeometry
from contracts.vocabulary import BladeSide
from simulators.noise import Image, Rng, field, smoothstep

Patch = tuple[Image, Image]
"""Colour (float32 BGR) and opacity (float32 0..1)."""


class Decal(NamedTuple):
    """One drawn thing: its first corner and its size on the side, metres."""

    name: str
    distance_m: float
    offset_m: float
    length_m: float
    width_m: float
    seed: int


def decals_of(rng: Rng, geometry: TurbineGeometry, side: BladeSide) -> list[Decal]:
    """Return the decals of one side of a blade."""
    made: list[Decal] = []
    for name, length_m, width_m, low_m, high_m, count in _HABITS[side]:
        for _ in range(int(rng.poisson(count))):
            size = rng.uniform(0.7, 1.3)
            last = min(high_m, geometry.blade_length_m - 0.1) - length_m * size
            distance = rng.uniform(min(low_m, last), last)
            room = geometry.side_width_m(side, distance + length_m * size) - width_m * size
            if room > 0:
                offset, seed = rng.uniform(0, room), int(rng.integers(1 << 31))
                made.append(Decal(name, distance, offset, length_m * size, width_m * size, seed))
    return made


_WIDE = (
    ("serial", 0.55, 0.13, 1.0, 24.0, 5),
    ("drain", 0.018, 0.018, 20.0, 25.0, 2),
    ("bolts", 0.9, 0.05, 0.1, 24.0, 4),
    ("vanes", 1.3, 0.06, 2.0, 16.0, 4),
    ("receptor", 0.06, 0.06, 15.0, 25.0, 3),
    ("insects", 0.5, 0.3, 0.5, 25.0, 10),
    ("droppings", 0.12, 0.16, 0.5, 25.0, 6),
    ("streak", 0.07, 0.7, 0.5, 25.0, 16),
    ("repair", 0.5, 0.28, 1.0, 25.0, 6),
    ("scuff", 0.3, 0.12, 1.0, 25.0, 8),
    ("sticker", 0.16, 0.12, 1.0, 24.0, 3),
    ("panel", 0.03, 0.9, 1.0, 24.0, 6),
)
_NARROW = (
    ("insects", 0.6, 0.16, 0.5, 25.0, 26),
    ("droppings", 0.1, 0.1, 0.5, 25.0, 4),
    ("repair", 0.4, 0.14, 1.0, 25.0, 6),
    ("scuff", 0.25, 0.08, 1.0, 25.0, 8),
    ("receptor", 0.05, 0.05, 15.0, 25.0, 2),
    ("panel", 0.03, 0.16, 1.0, 24.0, 8),
)
_HABITS = {BladeSide.PS: _WIDE, BladeSide.SS: _WIDE, BladeSide.LE: _NARROW, BladeSide.TE: _NARROW[1:4]}


def draw(decal: Decal, rng: Rng, px_per_m: float) -> Patch:
    """Return a decal's patch at a resolution."""
    shape = (max(2, round(decal.width_m * px_per_m)), max(2, round(decal.length_m * px_per_m)))
    return _DRAWN[decal.name](shape, rng, px_per_m)


def _blank(shape: tuple[int, int], colour: tuple[float, float, float]) -> Patch:
    return np.full((*shape, 3), colour, np.float32), np.zeros(shape, np.float32)


def _serial(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    colour = ((40, 40, 44), (50, 46, 130), (120, 70, 40))[rng.integers(3)]
    bgr, _ = _blank(shape, colour)
    text = "".join(rng.choice(list("ABCDEHKLMNRSTX0123456789-"), int(rng.integers(4, 9))))
    mask = np.zeros(shape, np.uint8)
    font = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)[rng.integers(3)]
    thick = max(1, shape[0] // 14)
    (width, height), _ = cv2.getTextSize(text, font, 1.0, thick)
    scale = min((shape[1] - 4) / max(width, 1), (shape[0] - 4) / max(height * 1.4, 1))
    cv2.putText(mask, text, (2, int(shape[0] * 0.8)), font, scale, 255, thick, cv2.LINE_AA)
    return bgr, mask.astype(np.float32) / 255 * rng.uniform(0.5, 0.95)


def _disc(shape: tuple[int, int], _rng: Rng, _px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (30, 30, 32))
    centre = (shape[1] // 2, shape[0] // 2)
    cv2.circle(alpha, centre, max(1, min(shape) // 2 - 1), 0.9, -1, cv2.LINE_AA)
    return bgr, alpha


def _receptor(shape: tuple[int, int], _rng: Rng, _px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (158, 160, 160))
    centre, radius = (shape[1] // 2, shape[0] // 2), max(2, min(shape) // 2 - 1)
    cv2.circle(alpha, centre, radius, 0.95, -1, cv2.LINE_AA)
    cv2.circle(bgr, centre, radius, (84, 86, 88), 2, cv2.LINE_AA)
    cv2.circle(bgr, (centre[0] - radius // 4, centre[1] - radius // 4), radius // 3, (196, 198, 198), -1, cv2.LINE_AA)
    return bgr, alpha


def _bolts(shape: tuple[int, int], _rng: Rng, px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (124, 128, 130))
    radius = max(2, round(0.014 * px_per_m))
    for x in range(2 * radius, shape[1] - radius, max(5 * radius, shape[1] // 8)):
        centre = (x, shape[0] // 2)
        cv2.circle(bgr, (x + 2, shape[0] // 2 + 2), radius, (70, 74, 76), -1, cv2.LINE_AA)
        cv2.circle(alpha, (x + 1, shape[0] // 2 + 1), radius + 1, 0.85, -1, cv2.LINE_AA)
        cv2.circle(bgr, centre, radius - 1, (158, 162, 164), -1, cv2.LINE_AA)
    return bgr, alpha


def _vanes(shape: tuple[int, int], _rng: Rng, px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (186, 188, 188))
    step = max(8, round(0.09 * px_per_m))
    height = shape[0]
    for index, x in enumerate(range(step // 2, shape[1] - step, step)):
        lean = step // 3 if index % 2 else -step // 3
        fin = np.array([(x, height - 2), (x + lean, 2), (x + lean + 4, 2), (x + 4, height - 2)], np.int32)
        shade = fin + np.array((4, 0), np.int32)
        cv2.fillConvexPoly(bgr, shade, (112, 116, 118), cv2.LINE_AA)
        cv2.fillConvexPoly(alpha, shade, 0.75, cv2.LINE_AA)
        cv2.fillConvexPoly(bgr, fin, (216, 218, 218), cv2.LINE_AA)
        cv2.fillConvexPoly(alpha, fin, 0.95, cv2.LINE_AA)
    return bgr, alpha


def _insects(shape: tuple[int, int], rng: Rng, px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (48, 56, 66))
    for _ in range(int(rng.integers(12, 60))):
        centre = (int(rng.uniform(2, shape[1] - 2)), int(rng.uniform(2, shape[0] - 2)))
        axes = (
            max(1, int(rng.exponential(2.0) * px_per_m / 1000)),
            max(1, int(rng.exponential(1.3) * px_per_m / 1000)),
        )
        cv2.ellipse(alpha, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.3, 0.9), -1, cv2.LINE_AA)
    return bgr, alpha


def _droppings(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (232, 238, 236))
    x, y = int(rng.uniform(0.25, 0.75) * shape[1]), int(0.2 * shape[0])
    cv2.ellipse(alpha, (x, y), (max(1, shape[1] // 6), max(1, shape[0] // 10)), 0, 0, 360, 0.85, -1, cv2.LINE_AA)
    for _ in range(4):
        end = (int(x + rng.normal(0, shape[1] / 10)), int(rng.uniform(0.4, 0.95) * shape[0]))
        cv2.line(alpha, (x, y), end, 0.7, max(1, shape[1] // 20), cv2.LINE_AA)
    cv2.circle(bgr, (x, y), max(1, shape[1] // 16), (90, 110, 106), -1, cv2.LINE_AA)
    return bgr, alpha


def _streak(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    bgr, _ = _blank(shape, tuple(rng.uniform((92, 104, 112), (128, 134, 140))))
    across = np.exp(-(((np.arange(shape[1]) - shape[1] / 2) / (shape[1] * rng.uniform(0.08, 0.22))) ** 2))
    down = np.linspace(1, 0, shape[0], dtype=np.float32) ** 0.7
    alpha = across[None, :] * down[:, None] * (0.8 + 0.3 * field(rng, shape, 20)) * rng.uniform(0.15, 0.5)
    return bgr, np.clip(alpha, 0, 0.6).astype(np.float32)


def _repair(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    level = rng.uniform(186, 226)
    bgr, alpha = _blank(shape, (level, level + rng.uniform(-2, 3), level + rng.uniform(-4, 4)))
    cv2.rectangle(alpha, (2, 2), (shape[1] - 3, shape[0] - 3), 1.0, -1)
    soft = max(1.0, min(shape) * rng.uniform(0.01, 0.06))
    return bgr, cv2.GaussianBlur(alpha, (0, 0), soft) * rng.uniform(0.35, 0.9)


def _scuff(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    bgr, _ = _blank(shape, tuple(rng.uniform((120, 126, 128), (170, 174, 176))))
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    body = 1 - np.sqrt(x * x + y * y) + 0.5 * field(rng, shape, 26, 4, 3.0)
    return bgr, smoothstep(0.1, 0.9, body) * np.float32(rng.uniform(0.15, 0.45))


def _sticker(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    colour = ((40, 190, 226), (60, 60, 200), (200, 120, 40), (240, 240, 240))[rng.integers(4)]
    bgr, alpha = _blank(shape, colour)
    cv2.rectangle(alpha, (1, 1), (shape[1] - 2, shape[0] - 2), 0.95, -1)
    cv2.rectangle(bgr, (3, 3), (shape[1] - 4, shape[0] - 4), (36, 36, 36), 2)
    for y in range(shape[0] // 4, shape[0] - 6, max(6, shape[0] // 6)):
        cv2.line(bgr, (8, y), (int(shape[1] * rng.uniform(0.5, 0.9)), y), (40, 40, 40), 2)
    return bgr, alpha


def _panel(shape: tuple[int, int], rng: Rng, _px_per_m: float) -> Patch:
    bgr, alpha = _blank(shape, (150, 153, 154))
    x = shape[1] // 2
    cv2.line(alpha, (x, 0), (x, shape[0]), rng.uniform(0.35, 0.8), max(1, round(shape[1] / 9)), cv2.LINE_AA)
    alpha *= np.float32(0.8) + np.float32(0.2 * math.sin(rng.uniform(0, 6)))
    return bgr, alpha


_DRAWN: dict[str, Callable[[tuple[int, int], Rng, float], Patch]] = {
    "serial": _serial,
    "drain": _disc,
    "bolts": _bolts,
    "vanes": _vanes,
    "receptor": _receptor,
    "insects": _insects,
    "droppings": _droppings,
    "streak": _streak,
    "repair": _repair,
    "scuff": _scuff,
    "sticker": _sticker,
    "panel": _panel,
}

DECAL_NAMES = frozenset(_DRAWN)
"""Every kind of decal there is."""
