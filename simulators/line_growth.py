"""What grows or is built where it should not: tree crowns and nests."""

from __future__ import annotations

import numpy as np

from simulators.line_bodies import Finish, Parts
from simulators.noise import Image, Rng

_UP = np.array([0.0, 0.0, 1.0])
_GREENS = ((44.0, 92.0, 78.0), (40.0, 84.0, 62.0), (58.0, 112.0, 104.0), (36.0, 66.0, 52.0))
_TWIGS = ((62.0, 84.0, 104.0), (84.0, 102.0, 118.0), (48.0, 62.0, 78.0), (104.0, 118.0, 128.0))


def tree(parts: Parts, top: Image, size_m: tuple[float, float], rng: Rng, leaves: int) -> Image:
    """Add a tree whose crown ends at ``top`` and is ``size_m`` wide and high; return points round the crown."""
    width, high = size_m
    conifer = rng.random() < 0.3
    trunk = np.array([top[0], top[1], 0.0])
    lean = rng.normal(0, 0.04 * high, 2)
    stem = np.array([trunk, top - _UP * high, top - _UP * high * 0.5 + [*lean, 0], top - _UP * 0.05])
    parts.rod(stem, np.array([0.11, 0.08, 0.03]), (54, 72, 86), Finish.WOOD)
    clumps = _clumps(rng, conifer=conifer)
    at = top - _UP * high / 2 + clumps * (width / 2, width / 2, high / 2)
    for clump in at[:: max(1, len(at) // 40)]:
        parts.rod(
            np.array([stem[2] - _UP * high * 0.2, (stem[2] + clump) / 2 - _UP * 0.05, clump]),
            0.012,
            (50, 66, 78),
            Finish.WOOD,
        )
    base = np.array(_GREENS[3] if conifer else _GREENS[rng.integers(0, 3)])
    middle = top - _UP * high * 0.55
    inner = middle + (np.repeat(at, 4, axis=0) - middle) * 0.72 + rng.normal(0, 0.05 * width, (4 * len(at), 3))
    dark = base * rng.uniform(0.26, 0.5, (len(inner), 1))
    parts.quads(_leaves(rng, inner, (0.15, 0.1), width), dark, Finish.LEAF)
    which = rng.integers(0, len(at), leaves)
    spread = width * (0.06 if conifer else 0.085)
    middles = at[which] + np.clip(rng.normal(0, 1, (leaves, 3)), -1.9, 1.9) * spread
    shade = 0.5 + 0.5 * np.clip((clumps[which] ** 2).sum(axis=1) ** 0.5, 0, 1) * (0.75 + 0.25 * clumps[which, 2])
    colours = base * shade[:, None] * rng.uniform(0.75, 1.3, (leaves, 1)) * rng.uniform(0.93, 1.07, (leaves, 3))
    leaf = (0.034, 0.011) if conifer else (0.046, 0.029)
    parts.quads(_leaves(rng, middles, leaf, width), colours, Finish.LEAF)
    parts.hides(top - _UP * high * 0.7, top - _UP * high * 0.3, width * 0.33)
    return middles


def _clumps(rng: Rng, *, conifer: bool) -> Image:
    """Return where leaves gather, in a crown of -1..1."""
    count = 150
    out = rng.normal(size=(count, 3))
    out /= np.linalg.norm(out, axis=1)[:, None]
    made: Image = out * rng.uniform(0.35, 0.92, (count, 1)) ** 0.6
    if conifer:
        up = 1 - 2 * rng.random(count) ** 0.7
        turn = rng.uniform(0, 2 * np.pi, count)
        reach = (1 - up) / 2 * rng.uniform(0.3, 1.0, count) ** 0.5
        made = np.stack([reach * np.cos(turn), reach * np.sin(turn), up - 0.2 * reach], axis=1)
    return made


def _leaves(rng: Rng, middles: Image, leaf_m: tuple[float, float], width: float) -> Image:
    """Return leaves as small faces, each turned its own way."""
    count = len(middles)
    scale = rng.uniform(0.7, 1.35, (count, 1)) * (0.8 + 0.12 * width)
    one = rng.normal(size=(count, 3))
    one /= np.linalg.norm(one, axis=1)[:, None]
    other = np.cross(one, rng.normal(size=(count, 3)))
    other /= np.linalg.norm(other, axis=1)[:, None]
    u, v = one * leaf_m[0] * scale, other * leaf_m[1] * scale
    return np.stack([middles - u, middles + v - 0.2 * u, middles + u, middles - v - 0.2 * u], axis=1)


def nest(parts: Parts, base: Image, size_m: float, rng: Rng) -> Image:
    """Add a nest of twigs that stands on ``base``; return points round it."""
    half, high = size_m / 2, size_m * rng.uniform(0.42, 0.6)
    core = [
        (0.0, half * 0.5),
        (high * 0.3, half * 0.72),
        (high * 0.7, half * 0.8),
        (high * 0.8, half * 0.55),
        (high * 0.6, 0.0),
    ]
    parts.revolve((base, _UP), tuple(core), (34, 42, 50), Finish.WOOD, 20)
    parts.hides(base + _UP * high * 0.35, base + _UP * high * 0.45, half * 0.6)
    ends = []
    for _ in range(int(420 * min(1.3, size_m + 0.2))):
        turn, lift = rng.uniform(0, 2 * np.pi), rng.random()
        reach = half * (0.5 + 0.42 * lift) * rng.uniform(0.75, 1.06)
        out = np.array([np.cos(turn), np.sin(turn), 0.0])
        at = base + out * reach + _UP * high * lift * rng.uniform(0.85, 1.1)
        way = np.cross(_UP, out) + rng.normal(0, 0.42, 3) * (1, 1, 0.6)
        way /= np.linalg.norm(way)
        long = rng.uniform(0.12, 0.34) * size_m
        bend = rng.normal(0, 0.05, 3) * long - out * long * 0.12
        points = np.array([at - way * long, at - bend * 0.4, at + way * long * 0.9 + bend])
        colour = np.array(_TWIGS[rng.integers(0, 4)]) * rng.uniform(0.7, 1.3)
        parts.rod(points, rng.uniform(0.002, 0.0065), colour, Finish.WOOD)
        ends.append(points)
    return np.concatenate(ends)
