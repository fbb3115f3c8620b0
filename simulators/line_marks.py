"""What is on a line and is no defect: warning spheres, bird diverters, number plates, birds, spacers, dampers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.line_bodies import Finish, Parts
from simulators.line_tower import Tower
from simulators.line_wires import Wire, helix, phase_wires, spacer, wires
from simulators.line_world import LineWorld
from simulators.noise import Image, Rng, rng_of

_UP = np.array([0.0, 0.0, 1.0])
_SIGNAL = ((40.0, 60.0, 205.0), (36.0, 110.0, 225.0), (215.0, 216.0, 216.0))
_SEGMENTS = {
    0: "abcdef",
    1: "bc",
    2: "abged",
    3: "abgcd",
    4: "fgbc",
    5: "afgcd",
    6: "afgcde",
    7: "abc",
    8: "abcdefg",
    9: "abfgcd",
}
_STROKES = {
    "a": (0, 1, 1, 1), "b": (1, 0.5, 1, 1), "c": (1, 0, 1, 0.5), "d": (0, 0, 1, 0), "e": (0, 0, 0, 0.5),
    "f": (0, 0.5, 0, 1), "g": (0, 0.5, 1, 0.5),
}  # fmt: skip


class Mark(NamedTuple):
    """Where a camera may look for one."""

    name: str
    at: Image


def draw_marks(world: LineWorld, parts: Parts, towers: list[Tower]) -> list[Mark]:
    """Add the marks of a line; return where they are."""
    rng = rng_of("marks", world.seed)
    found = [*_on_wires(world, parts, rng), *_on_towers(parts, towers, rng)]
    for wire in wires(world):
        at, _ = wire.along(world, 0.95)
        found.append(Mark("damper", at))
    return found


def _on_wires(world: LineWorld, parts: Parts, rng: Rng) -> list[Mark]:
    found = [mark for wire in wires(world) for mark in _on_wire(world, parts, wire, rng)]
    if world.bundle == 1:
        return found
    for span in range(len(world.line.towers) - 1):
        for phase in range(len(world.line.phase_offsets_m)):
            pair = phase_wires(world, span, phase)
            along = np.arange(9.0, pair[0].span.length_m - 5, 28.0)
            found += [Mark("spacer", spacer(world, parts, pair, float(chainage))) for chainage in along]
    return found


def _on_wire(world: LineWorld, parts: Parts, wire: Wire, rng: Rng) -> list[Mark]:
    length = wire.span.length_m
    if wire.name == "earth wire" and rng.random() < 0.7:
        along = np.arange(12.0, length - 8, rng.uniform(18, 30))
        return [_sphere(world, parts, wire, float(chainage), number) for number, chainage in enumerate(along)]
    if rng.random() < 0.45:
        along = np.arange(rng.uniform(4, 9), length - 5, rng.uniform(7, 14))
        return [_diverter(world, parts, wire, float(chainage), rng) for chainage in along]
    if rng.random() < 0.5:
        return [_bird(parts, *wire.along(world, rng.uniform(2.5, 14)), rng) for _ in range(int(rng.integers(1, 4)))]
    return []


def _sphere(world: LineWorld, parts: Parts, wire: Wire, chainage_m: float, number: int) -> Mark:
    at, way = wire.along(world, chainage_m)
    lean = np.linspace(0, np.pi, 17)
    ball = tuple((float(-0.3 * np.cos(t)), float(max(0.3 * np.sin(t), 0.0))) for t in lean)
    parts.revolve((at, way), ball, _SIGNAL[number % 3], Finish.PAINT, 32)
    parts.revolve(
        (at - way * 0.012, way),
        ((0.0, 0.3), (0.002, 0.312), (0.022, 0.312), (0.024, 0.3)),
        (120, 122, 124),
        Finish.CASTING,
        32,
    )
    parts.hides(at, at + way * 0.01, 0.29)
    return Mark("sphere", at)


def _diverter(world: LineWorld, parts: Parts, wire: Wire, chainage_m: float, rng: Rng) -> Mark:
    at, way = wire.along(world, chainage_m)
    if rng.random() < 0.55:
        share = np.linspace(0, 1, 120)
        lift = (
            wire.radius_m
            + 0.006
            + rng.uniform(0.05, 0.11) * np.clip(np.minimum(share, 1 - share) * 3 - 0.3, 0, 0.6) / 0.6
        )
        colour = ((200, 204, 204), (40, 70, 200), (60, 62, 64), (50, 190, 210))[rng.integers(0, 4)]
        parts.rod(helix((at - way * 0.28, at + way * 0.28), lift, 6, 0.0, 120), 0.006, colour, Finish.PAINT)
        return Mark("diverter", at)
    sway = rng.normal(0, 0.25)
    side = np.cross(way, _UP)
    hang = -_UP * np.cos(sway) + side * np.sin(sway)
    turn = rng.uniform(0, np.pi)
    half = (way * np.cos(turn) + np.cross(hang, way) * np.sin(turn)) * 0.06
    parts.plate((at, at + hang * 0.09), way * 0.016, ((40, 42, 44), Finish.PAINT))
    for number in range(4):
        first, second = at + hang * (0.09 + number * 0.055), at + hang * (0.09 + (number + 1) * 0.055)
        parts.plate((first, second), half, (((214, 216, 216), (38, 40, 40))[number % 2], Finish.PAINT))
    return Mark("flapper", at + hang * 0.2)


def _bird(parts: Parts, at: Image, way: Image, rng: Rng) -> Mark:
    """Add a perched bird: body, head, tail, legs."""
    size = rng.uniform(0.7, 1.3)
    facing = np.cross(way, _UP) * (1 if rng.random() < 0.5 else -1)
    axis = _UP * 0.8 + facing * 0.6
    dark = np.array((36.0, 34.0, 34.0)) * rng.uniform(0.8, 2.2)
    middle = at + _UP * 0.12 * size
    body = ((-0.13, 0.0), (-0.1, 0.03), (-0.02, 0.062), (0.05, 0.058), (0.1, 0.03), (0.12, 0.0))
    head = ((-0.04, 0.0), (-0.03, 0.028), (0.0, 0.036), (0.025, 0.026), (0.035, 0.01), (0.06, 0.0))
    for place, way_out, shape in ((middle, axis, body), (middle + axis * 0.12 * size, facing, head)):
        scaled = tuple((z * size, r * size) for z, r in shape)
        parts.revolve((place, way_out), scaled, dark, Finish.WOOD, 14)
    parts.plate(
        (middle - axis * 0.09 * size, middle - axis * 0.22 * size), way * 0.02 * size, ((30, 30, 32), Finish.WOOD)
    )
    for side in (-0.02, 0.02):
        parts.rod(np.array([middle + way * side, at + way * side]), 0.004, (60, 80, 100), Finish.WOOD)
    return Mark("bird", middle)


def _on_towers(parts: Parts, towers: list[Tower], rng: Rng) -> list[Mark]:
    found = []
    for number, tower in enumerate(towers):
        for up in (3.2, tower.arm_m - rng.uniform(0.8, 2.0)):
            for fore in (1.0, -1.0):
                half = tower.half_m(up)
                at = tower.stand.at(fore * (half + 0.03), 0.0, up)
                _plate(parts, at, tower.stand.left * fore, tower.stand.along * fore, int(rng.integers(100, 999)))
                found.append(Mark("plate", at))
        arm = tower.stand.at(0.0, rng.choice((-1.0, 1.0)) * rng.uniform(1.5, 3.0), tower.arm_m + 0.9 - 0.1)
        if number % 2 == 0:
            found.append(_bird(parts, arm, tower.stand.left, rng))
    return found


def _plate(parts: Parts, at: Image, right: Image, out: Image, number: int) -> None:
    """Add a number plate; digits as on a clock."""
    parts.plate((at - right * 0.27, at + right * 0.27), _UP * 0.15, ((40, 200, 228), Finish.PAINT), 0.05)
    for place, digit in enumerate(f"{number:03d}"):
        corner = at + right * (-0.2 + 0.15 * place) - _UP * 0.09 + out * 0.004
        for stroke in _SEGMENTS[int(digit)]:
            x0, y0, x1, y1 = _STROKES[stroke]
            ends = [corner + right * x * 0.09 + _UP * y * 0.18 for x, y in ((x0, y0), (x1, y1))]
            half = (_UP if y0 == y1 else right) * 0.013
            parts.plate((ends[0], ends[1]), half, ((24, 24, 24), Finish.PAINT), 0.08)
