"""How each seen point of a line's bodies looks: its own normal, its finish, rust, sun, sky and haze."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from simulators.light import Light
from simulators.line_bodies import Finish, Shape
from simulators.noise import Image, smoothstep, tile

_STRANDS, _LAY_M = 15.0, 0.24
_SKY, _LAND = np.array((226.0, 208.0, 190.0), np.float32), np.array((70.0, 92.0, 88.0), np.float32)
# (coarse noise, fine noise, gloss, sharpness of the gloss, share of mirrored sky, light that comes through)
_FINISHES = {
    Finish.STEEL: (0.085, 0.055, 0.10, 12.0, 0.10, 0.0),
    Finish.CASTING: (0.07, 0.05, 0.22, 22.0, 0.18, 0.0),
    Finish.WIRE: (0.05, 0.03, 0.35, 14.0, 0.20, 0.0),
    Finish.GLASS: (0.02, 0.015, 1.5, 160.0, 0.75, 0.30),
    Finish.GLAZE: (0.03, 0.015, 1.4, 120.0, 0.60, 0.0),
    Finish.RUBBER: (0.05, 0.03, 0.10, 9.0, 0.10, 0.0),
    Finish.LEAF: (0.10, 0.08, 0.16, 10.0, 0.06, 0.45),
    Finish.WOOD: (0.12, 0.14, 0.03, 6.0, 0.04, 0.0),
    Finish.PAINT: (0.04, 0.02, 0.25, 24.0, 0.20, 0.0),
}
_TABLE = np.array([_FINISHES[finish] for finish in Finish], np.float32)


class Rust(NamedTuple):
    """A corroded place: steel and castings within a radius."""

    centre: Image
    radius_m: float


class Surfaces(NamedTuple):
    """What may be drawn in one view, one row for each face."""

    quads: Image
    """(n, 4, 2), window pixels."""
    near_m: Image
    """From the eye, for the order of painting."""
    cover: Image
    """Share of a pixel's width that it fills; 1 unless it is thinner than one."""
    normal: Image
    origin: Image
    axis: Image
    lean: Image
    radius: Image
    """Half a rod's drawn width, metres."""
    colour: Image
    finish: Image
    seed: Image
    shape: Image
    middle: Image


class Eye(NamedTuple):
    """Where a picture is taken from, and its scale."""

    at: Image
    focal_px: float
    air_m: float
    """Distance over which two thirds of the contrast is lost to haze."""


def shade(surfaces: Surfaces, rays: Image, eye: Eye, light: Light, rusts: list[Rust]) -> tuple[Image, Image]:
    """Return the colours (n, 3) of the faces (one row for each ray), and how much of what is behind comes through."""
    seen = Surfaces(*(np.asarray(column, np.float32) for column in surfaces))
    facing = np.einsum("ij,ij->i", seen.normal, rays)
    flat = np.where(np.abs(facing) < 1e-5, 1e-5, facing)
    reach = np.einsum("ij,ij->i", seen.normal, seen.middle - eye.at) / flat
    typical = np.einsum("ij,ij->i", seen.middle - eye.at, rays) / np.einsum("ij,ij->i", rays, rays)
    reach = np.clip(reach, typical * 0.85, typical * 1.15)[:, None]
    points = (eye.at + rays * reach).astype(np.float32)
    away = -rays / np.linalg.norm(rays, axis=1, keepdims=True)
    along, normal, around = _normals(seen, points, away)
    coarse, fine = _grain(seen, points, along, around)
    px_per_m = eye.focal_px / np.maximum(reach[:, 0], 0.5)
    look = _TABLE[seen.finish.astype(int)]
    sharp = np.clip(px_per_m / 220, 0, 1)
    colour = seen.colour * (1 + look[:, 0] * coarse + look[:, 1] * fine * sharp)[:, None]
    colour = _twisted(colour, seen, along, around, px_per_m)
    metal = seen.finish <= Finish.CASTING
    for rust in rusts:
        colour = _rusted(
            colour, np.where(metal, np.linalg.norm(points - rust.centre, axis=1), 1e3), rust, (coarse, fine)
        )
    lit = _lit(colour, normal, away, look, light)
    haze = 1 - np.exp(-reach / eye.air_m)
    return lit * (1 - haze) + _SKY * light.exposure * haze, look[:, 5] * (seen.finish == Finish.GLASS)


def _normals(seen: Surfaces, points: Image, away: Image) -> tuple[Image, Image, Image]:
    """Return distance along the axis, the normal, and the turn about the axis (radians; metres on flat faces)."""
    out = points - seen.origin
    along = np.einsum("ij,ij->i", out, seen.axis)
    radial = out - along[:, None] * seen.axis
    length = np.linalg.norm(radial, axis=1, keepdims=True)
    radial = radial / np.maximum(length, 1e-6)
    side = np.cross(seen.axis, seen.normal)
    aside = np.einsum("ij,ij->i", out, side)
    share = np.clip(aside / np.maximum(seen.radius, 1e-6), -0.98, 0.98)
    rod = seen.normal * np.sqrt(1 - share**2)[:, None] + side * share[:, None]
    round_ = radial * seen.lean[:, :1] + seen.axis * seen.lean[:, 1:]
    shape = seen.shape[:, None]
    normal = np.where(shape == Shape.ROUND, round_, np.where(shape == Shape.ROD, rod, seen.normal))
    back = np.einsum("ij,ij->i", normal, away) < 0
    normal = np.where((back & (seen.shape != Shape.ROD))[:, None], -normal, normal)
    return along, normal, np.where(seen.shape == Shape.ROD, np.arcsin(share), aside)


def _grain(seen: Surfaces, points: Image, along: Image, around: Image) -> tuple[Image, Image]:
    """Return coarse (10 cm) and fine (8 mm) noise on each point."""
    flat = seen.shape == Shape.FLAT
    u = np.where(flat, along, points @ np.array((0.77, -0.2, 0.6), np.float32)) + seen.seed
    v = np.where(flat, around, points @ np.array((0.3, 0.8, -0.52), np.float32)) + seen.seed * 1.7
    return _lookup(u * 160, v * 420), _lookup(u * 1500, v * 1500)


def _lookup(u: Image, v: Image) -> Image:
    """Return periodic noise at points; OpenCV asks for pictures, so the rows are folded into one."""
    count = len(u)
    rows = -(-count // 1024)
    folded = [np.resize(a % 512, rows * 1024).reshape(rows, 1024).astype(np.float32) for a in (u, v)]
    got = cv2.remap(tile(3), folded[0], folded[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return got.reshape(-1)[:count]


def _twisted(colour: Image, seen: Surfaces, along: Image, around: Image, px_per_m: Image) -> Image:
    """Show the strands of a wire where they are wider than a pixel."""
    strand_px = px_per_m * seen.radius * 2 * np.pi / _STRANDS
    clear = np.clip(strand_px - 0.8, 0, 1) * (seen.finish == Finish.WIRE)
    turn = _STRANDS * (around / (2 * np.pi) + (along + seen.seed) / _LAY_M)
    groove = np.abs(np.cos(np.pi * turn))
    twisted: Image = colour * (1 - 0.42 * clear * (1 - groove) ** 1.5)[:, None]
    return twisted


def _rusted(colour: Image, apart: Image, rust: Rust, grain: tuple[Image, Image]) -> Image:
    share = apart / rust.radius_m
    if share.min() > 1:
        return colour
    coarse, fine = grain
    rough = 0.55 * coarse + 0.3 * fine
    amount = smoothstep(0.1, 0.55, (1 - share) * 1.7 + 0.35 * rough) * smoothstep(1.0, 0.88, share)
    tone = np.clip(0.5 + 0.4 * fine - 0.25 * coarse, 0, 1)[:, None]
    brown = np.array((24, 44, 84), np.float32) * (1 - tone) + np.array((44, 92, 160), np.float32) * tone
    deep = smoothstep(0.5, 1.0, (1 - share) + 0.4 * coarse)[:, None]
    brown = brown * (1 - 0.45 * deep)
    stain = smoothstep(0.0, 0.3, amount)[:, None] * 0.5
    stained = colour * (1 - stain) + np.array((84, 138, 186), np.float32) * stain
    solid = smoothstep(0.25, 0.6, amount)[:, None]
    rusted: Image = stained * (1 - solid) + brown * solid
    return rusted


def _lit(colour: Image, normal: Image, away: Image, look: Image, light: Light) -> Image:
    """Return what the camera sees of a colour: sun and sky, light that comes through, gloss, the mirrored sky."""
    sun = np.array(light.sun, np.float32)
    facing = normal @ sun
    direct = np.maximum(facing, 0) + look[:, 5] * np.maximum(-facing, 0)
    sky = (0.95 - 0.62 * light.sun_share) * (0.86 + 0.24 * normal[:, 2])
    level = sky + 0.95 * light.sun_share * direct
    half = sun + away
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = (
        look[:, 2] * light.sun_share * np.maximum(np.einsum("ij,ij->i", normal, half), 0) ** look[:, 3] * (facing > 0)
    )
    cosine = np.clip(np.einsum("ij,ij->i", normal, away), 0, 1)
    mirror = (look[:, 4] * (0.06 + 0.94 * (1 - cosine) ** 4))[:, None]
    up = 2 * cosine * normal[:, 2] - away[:, 2]
    sees = _LAND + (_SKY - _LAND) * smoothstep(-0.25, 0.25, up)[:, None]
    made: Image = colour * level[:, None] * (1 - mirror) + sees * mirror + 235 * gloss[:, None]
    return made * light.exposure
