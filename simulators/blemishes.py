"""How each kind of defect looks: a colour patch and its opacity, drawn over what was there.

A painter receives the bare surface (float BGR, rows across the side, columns along the blade) and returns the
painted surface and the opacity of the change. The patch is exactly the defect's length by width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from contracts.vocabulary import DefectKind
from simulators.noise import Image, Rng, blend, field, smoothstep

Painted = tuple[Image, Image]
Painter = Callable[[Image, Rng, float], Painted]
_LIGHT = np.array([-0.5, -0.62, 0.6], np.float32)


def paint(kind: DefectKind, surface: Image, rng: Rng, px_per_m: float) -> Painted:
    """Return ``surface`` with a defect over its whole extent, and the opacity (0..1) of the change."""
    return _PAINTERS[kind](surface, rng, px_per_m)


def _ellipse(shape: tuple[int, int]) -> tuple[Image, Image, Image]:
    """Return (x, y, distance) with -1..1 over the patch and distance 1 on its inscribed ellipse."""
    rows, columns = shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x, y = (x + 0.5) / columns * 2 - 1, (y + 0.5) / rows * 2 - 1
    return x, y, np.sqrt(x * x + y * y)


def _falloff(x: Image, y: Image, ragged: Image | float = 0.0) -> Image:
    """Return 0 inside, rising to 1 at the patch's border, so that nothing is cut off there."""
    rounded = np.sqrt(np.sqrt(x**4 + y**4)) + 0.16 * ragged
    outer = smoothstep(0.90, 1.0, np.maximum(np.abs(x), np.abs(y)))
    return np.maximum(smoothstep(0.55, 1.05, rounded), outer)


def _border(shape: tuple[int, int], depth_px: float) -> Image:
    """Return 1 inside and 0 on the patch's border, over ``depth_px``."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]).astype(np.float32) for n in shape)
    faded: Image = np.clip(np.minimum(rows[:, None], columns[None, :]) / depth_px, 0, 1)
    return faded


def _relief(height: Image, strength: float) -> Image:
    """Return the brightness factor of a height field (pixels) in the patch's own light."""
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) * strength / 8
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) * strength / 8
    shade = (-dx * _LIGHT[0] - dy * _LIGHT[1] + _LIGHT[2]) / np.sqrt(dx * dx + dy * dy + 1)
    factor: Image = np.clip(shade / _LIGHT[2], 0.25, 1.6)
    return factor


def _shifted(mask: Image, dx: float, dy: float) -> Image:
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(mask, move, (mask.shape[1], mask.shape[0]))


def _jagged(rng: Rng, start: tuple[float, float], end: tuple[float, float], rough: float) -> Image:
    """Return a broken line between two points by halving, shape (n, 2)."""
    points = np.array([start, end], np.float32)
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    sway = length * rough
    while sway > 1.0 and len(points) < 200:
        middle = (points[:-1] + points[1:]) / 2 + rng.uniform(-sway, sway, (len(points) - 1, 2)).astype(np.float32)
        merged = np.empty((len(points) * 2 - 1, 2), np.float32)
        merged[0::2], merged[1::2] = points, middle
        points, sway = merged, sway * 0.52
    return points


def _stroke(mask: Image, path: Image, thickness_px: tuple[float, float]) -> None:
    """Draw a path thick in the middle and thin at both ends into ``mask`` (uint8)."""
    count = len(path) - 1
    for index in range(count):
        share = math.sin(math.pi * (index + 0.5) / count)
        width = max(1, round(thickness_px[1] + (thickness_px[0] - thickness_px[1]) * share))
        start, end = (tuple(int(v * 16) for v in path[i]) for i in (index, index + 1))
        cv2.line(mask, start, end, 255, width, cv2.LINE_AA, shift=4)


def _crack(surface: Image, rng: Rng, px_per_m: float) -> Painted:
    rows, columns = surface.shape[:2]
    opening = rng.uniform(4, 15) * px_per_m / 1000
    inset = opening / 2 + 1
    low, high = (inset, rows - inset) if rng.random() < 0.5 else (rows - inset, inset)
    path = _jagged(rng, (inset, low), (columns - inset, high), 0.10)
    path = np.clip(path, (inset, inset), (columns - inset, rows - inset))
    line = np.zeros((rows, columns), np.uint8)
    _stroke(line, path, (opening, max(1.2, opening * 0.35)))
    for _ in range(int(rng.integers(1, 5))):
        fork = path[rng.integers(len(path) // 5, max(len(path) // 5 + 1, len(path) * 4 // 5))]
        reach = max(rows, columns) * rng.uniform(0.08, 0.25)
        turn = rng.uniform(0, 2 * math.pi)
        end = np.clip(fork + reach * np.array([math.cos(turn), math.sin(turn)]), 1, (columns - 2, rows - 2))
        _stroke(line, _jagged(rng, tuple(fork), tuple(end), 0.12), (max(1.0, opening * 0.45), 1))
    alpha = cv2.GaussianBlur(line, (3, 3), 0.6).astype(np.float32) / 255
    halo = cv2.GaussianBlur(line, (0, 0), max(2.0, opening * 1.2)).astype(np.float32) / 255
    halo = np.clip(halo * 1.6 * (0.7 + 0.4 * field(rng, (rows, columns), 24)), 0, 0.55)
    halo = halo * _border((rows, columns), max(4.0, opening * 1.5))
    painted = blend(surface, (70, 84, 98), halo)
    lip = np.clip(_shifted(alpha, opening * 0.45 + 1, opening * 0.45 + 1) - alpha, 0, 1)
    painted = blend(painted, (238, 240, 240), lip * 0.7)
    deep = rng.uniform(14, 45)
    painted = blend(painted, (deep, deep, deep + 4), alpha * rng.uniform(0.82, 0.97))
    return painted, np.clip(alpha + 0.8 * halo + lip, 0, 1)


def _erosion(surface: Image, rng: Rng, px_per_m: float) -> Painted:
    shape = surface.shape[:2]
    x, y, _ = _ellipse(shape)
    ends = smoothstep(0.0, 0.14, 1 - np.abs(x) + 0.05 * field(rng, shape, 30))
    ragged = field(rng, shape, 0.07 * px_per_m, 5, 1.6)
    body = (
        0.88
        - np.abs(y) ** 1.6 * 0.95
        + 0.45 * ragged
        - (1 - ends) * 1.8
        - 1.3 * _falloff(0 * x, y, field(rng, shape, 0.05 * px_per_m))
    )
    coat = smoothstep(0.05, 0.13, body)
    deep = smoothstep(0.62, 0.74, body + 0.35 * field(rng, shape, 0.04 * px_per_m, 4, 2.0))
    pits = _pits(rng, shape, px_per_m) * smoothstep(-0.75, 0.1, body)
    height = -3.0 * coat - 3.0 * deep - 2.5 * pits + 0.8 * field(rng, shape, 7, 3)
    fibre = field(rng, shape, 4, 2, 6.0)
    filler = np.array([112, 128, 134], np.float32) + rng.uniform(-16, 16) + 16 * ragged[..., None]
    laminate = np.array([62, 92, 104], np.float32) + 22 * fibre[..., None]
    painted = blend(surface, (150, 160, 163), 0.5 * smoothstep(-0.5, 0.1, body))
    painted = blend(painted, filler, coat)
    painted = blend(painted, laminate, deep)
    painted = blend(painted, (38, 44, 50), pits * 0.85)
    painted *= _relief(cv2.GaussianBlur(height, (3, 3), 0.8), 0.55)[..., None]
    change = np.clip(coat + 0.4 * smoothstep(-0.5, 0.1, body) + pits, 0, 1) * _border(shape, 4)
    return painted, change


def _pits(rng: Rng, shape: tuple[int, int], px_per_m: float) -> Image:
    mask = np.zeros(shape, np.uint8)
    area_m2 = shape[0] * shape[1] / px_per_m**2
    for _ in range(int(area_m2 * rng.uniform(900, 2200))):
        centre = (int(rng.uniform(0, shape[1])), int(np.clip(rng.normal(0.5, 0.24), 0.02, 0.98) * shape[0]))
        cv2.circle(mask, centre, max(1, int(rng.exponential(2.2) * px_per_m / 1000)), 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def _burn(surface: Image, rng: Rng, px_per_m: float) -> Painted:
    shape = surface.shape[:2]
    x, y, radius = _ellipse(shape)
    radius = radius * 0.86
    angle = np.arctan2(y, x)
    spikes = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(9, 17))):
        turn, sharp, reach = rng.uniform(-math.pi, math.pi), rng.uniform(14, 90), rng.uniform(0.5, 1.0)
        ray = np.exp(sharp * (np.cos(angle - turn + 0.08 * field(rng, shape, 40)) - 1))
        spikes = np.maximum(spikes, ray * np.clip(1 - radius / reach, 0, 1) ** 0.7)
    rough = field(rng, shape, 0.05 * px_per_m, 5)
    soot = np.clip(1.1 * spikes + 1.25 * (1 - radius / 0.72) + 0.30 * rough, 0, 1) * smoothstep(1.02, 0.8, radius)
    char = smoothstep(0.0, 0.16, 0.36 - radius + 0.16 * rough)
    ring = np.exp(-(((radius - 0.5 + 0.1 * rough) / 0.13) ** 2)) * 0.55
    painted = blend(surface, (48, 86, 126), ring * smoothstep(1.0, 0.7, radius))
    painted = blend(painted, (30, 30, 32), np.clip(soot * 0.93, 0, 1))
    grain = field(rng, shape, 6, 3)
    painted = blend(painted, np.array([16, 16, 18], np.float32) + 16 * np.clip(grain, -0.6, 1)[..., None], char)
    splinter = char * smoothstep(0.45, 0.6, field(rng, shape, 9, 2, 9.0))
    painted = blend(painted, (120, 140, 150), splinter * 0.8)
    painted *= 1 + (_relief(-5 * char + 2 * grain, 2.0)[..., None] - 1) * char[..., None]
    return painted, np.clip(soot + char + ring, 0, 1)


def _corrosion(surface: Image, rng: Rng, px_per_m: float) -> Painted:
    shape = surface.shape[:2]
    x, y, radius = _ellipse(shape)
    rough = field(rng, shape, 0.06 * px_per_m, 5)
    spots = [(rng.uniform(-0.45, 0.45), rng.uniform(-0.45, 0.45), rng.uniform(0.3, 0.6)) for _ in range(5)]
    body: Image = np.full(shape, -1.0, np.float32)
    for cx, cy, size in spots:
        body = np.maximum(body, 1 - np.sqrt((x - cx) ** 2 + (y - cy) ** 2) / size)
    body = np.maximum(body, 0.75 - radius) + 0.38 * rough - 1.7 * _falloff(x, y, rough)
    stain = smoothstep(-0.45, 0.35, body)
    drip = (
        smoothstep(0.1, 0.7, field(rng, shape, 0.03 * px_per_m, 3, 9.0))
        * smoothstep(-0.7, 0.1, body)
        * _border(shape, 8)
    )
    core = smoothstep(0.25, 0.5, body)
    tone = field(rng, shape, 9, 4)[..., None]
    rust = np.array([36, 72, 138], np.float32) + np.array([12, 22, 34], np.float32) * tone
    dark = np.array([22, 40, 82], np.float32) + np.array([12, 18, 30], np.float32) * tone
    painted = blend(surface, (70, 128, 188), np.clip(0.75 * stain + 0.35 * drip, 0, 0.85))
    painted = blend(painted, rust, smoothstep(0.05, 0.25, body) * 0.95)
    painted = blend(painted, dark, core * smoothstep(-0.2, 0.3, field(rng, shape, 16, 4)))
    bubbles = field(rng, shape, 12, 3) * 3.0 * smoothstep(0.0, 0.4, body)
    painted *= _relief(bubbles, 0.7)[..., None]
    return painted, np.clip(stain + 0.4 * drip + core, 0, 1)


def _missing_coating(surface: Image, rng: Rng, px_per_m: float) -> Painted:
    shape = surface.shape[:2]
    x, y, radius = _ellipse(shape)
    box = np.maximum(np.abs(x), np.abs(y))
    body = (
        0.9
        - (0.55 * radius + 0.45 * box)
        - 0.8 * _falloff(x, y, field(rng, shape, 0.08 * px_per_m, 2))
        + 0.20 * field(rng, shape, 0.09 * px_per_m, 2)
    )
    body = body + 0.09 * field(rng, shape, 0.02 * px_per_m, 4)
    bare = smoothstep(0.0, 0.03, body)
    inner = smoothstep(0.28, 0.31, body + 0.1 * field(rng, shape, 0.04 * px_per_m, 3))
    island = smoothstep(0.78, 0.81, field(rng, shape, 0.035 * px_per_m, 4)) * bare
    bare = bare * (1 - island)
    tints = ([118, 150, 150], [126, 140, 128], [92, 132, 158], [150, 150, 140], [88, 112, 112])
    primer = np.array(tints[rng.integers(len(tints))], np.float32) + rng.uniform(-12, 12)
    under = primer * rng.uniform(0.62, 0.82)
    weave = field(rng, shape, 4, 2, 5.0)[..., None]
    painted = blend(surface, primer + 6 * weave + 5 * field(rng, shape, 30)[..., None], bare)
    painted = blend(painted, under + 10 * weave, inner * bare)
    step = 2.0 + 2.0 * px_per_m / 1000
    shadow = np.clip(bare - _shifted(bare, step, step), 0, 1)
    glint = np.clip(bare - _shifted(bare, -step * 0.7, -step * 0.7), 0, 1)
    painted = blend(painted, (34, 38, 42), cv2.GaussianBlur(shadow, (3, 3), 0.7) * 0.78)
    painted = blend(painted, (244, 246, 246), cv2.GaussianBlur(glint, (3, 3), 0.7) * 0.65)
    return painted, np.clip(smoothstep(-0.03, 0.02, body), 0, 1)


def _delamination(surface: Image, rng: Rng, px_per_m: float) -> Painted:
    shape = surface.shape[:2]
    x, y, radius = _ellipse(shape)
    wobble = (
        radius * 1.03
        + 0.25 * smoothstep(0.9, 1.0, np.maximum(np.abs(x), np.abs(y)))
        + 0.09 * field(rng, shape, 0.16 * px_per_m, 2)
    )
    inside = smoothstep(0.99, 0.90, wobble)
    dome = np.sqrt(np.clip(1 - wobble**2, 0, 1)) * min(shape) * 0.16
    turn = rng.uniform(0, math.pi)
    across = (x * math.cos(turn) + y * math.sin(turn)) * rng.uniform(9, 16) + 2.2 * field(
        rng, shape, 0.12 * px_per_m, 2
    )
    wrinkle = np.sin(across) * inside * smoothstep(0.15, 0.6, 1 - wobble) * px_per_m / 170
    factor = _relief(dome + wrinkle + 0.3 * field(rng, shape, 14, 3) * inside, 0.85)
    painted = surface * (1 + (factor[..., None] - 1) * inside[..., None])
    pale = np.array([190, 214, 220], np.float32) * factor[..., None]
    painted = blend(painted, pale, inside * 0.38 * np.clip(0.75 + 0.5 * field(rng, shape, 40), 0, 1))
    side = rng.uniform(-math.pi, math.pi)
    facing = np.cos(np.arctan2(y, x) - side)
    rim = np.exp(-(((wobble - 0.93) / 0.028) ** 2)) * smoothstep(-0.1, 0.35, facing)
    cast = np.exp(-(((wobble - 0.98) / 0.07) ** 2)) * smoothstep(-0.3, 0.6, x * 0.6 + y * 0.75)
    painted = blend(painted, (52, 56, 60), np.clip(cast * 0.6, 0, 1))
    painted = blend(painted, (24, 26, 30), np.clip(rim * 1.05, 0, 0.95))
    return painted, np.clip(inside + rim + cast, 0, 1) * _border(shape, 4)


_PAINTERS: dict[DefectKind, Painter] = {
    DefectKind.CRACK: _crack,
    DefectKind.LEADING_EDGE_EROSION: _erosion,
    DefectKind.LIGHTNING_BURN: _burn,
    DefectKind.CORROSION: _corrosion,
    DefectKind.MISSING_COATING: _missing_coating,
    DefectKind.DELAMINATION: _delamination,
}
