"""Conductors and earth wires as they hang, with what is clamped to them: clamps, armour rods, dampers, spacers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.powerline import Span
from simulators.line_bodies import Finish, Parts
from simulators.line_world import EARTH_WIRE_M, LineWorld
from simulators.noise import Image, Rng, rng_of

BUNDLE_M = 0.2
"""Half the distance between the two conductors of a bundle."""
ALUMINIUM = (158.0, 158.0, 154.0)
_STEEL_WIRE = (120.0, 122.0, 122.0)
_IRON = (112.0, 112.0, 110.0)
_PIECES = 150
_ARMOUR_M = 0.75
_DAMPERS_M = (0.95, 1.6)
_UP = np.array([0.0, 0.0, 1.0])


class Wire(NamedTuple):
    """One wire of one span."""

    span: Span
    offset_m: float
    radius_m: float
    name: str

    def at(self, world: LineWorld, chainages_m: Image) -> Image:
        """Return its points at chainages from the span's first tower."""
        return world.wire(self.span, np.asarray(chainages_m) / self.span.length_m, self.offset_m)

    def along(self, world: LineWorld, chainage_m: float) -> tuple[Image, Image]:
        """Return a point of it and the direction it runs there."""
        here, there = self.at(world, np.array([chainage_m, chainage_m + 0.1]))
        return here, (there - here) / np.linalg.norm(there - here)


def phase_wires(world: LineWorld, span: int, phase: int) -> list[Wire]:
    """Return the conductors of a phase in a span: one, or the two of a bundle."""
    offset = world.line.phase_offsets_m[phase]
    sides = (0.0,) if world.bundle == 1 else (-BUNDLE_M, BUNDLE_M)
    return [Wire(world.line.span(span), offset + side, world.conductor_m, "conductor") for side in sides]


def wires(world: LineWorld) -> list[Wire]:
    """Return every wire of a line."""
    found = []
    for span in range(len(world.line.towers) - 1):
        for phase in range(len(world.line.phase_offsets_m)):
            found += phase_wires(world, span, phase)
        found.append(Wire(world.earth_span(span), 0.0, EARTH_WIRE_M, "earth wire"))
    return found


def draw_wire(world: LineWorld, parts: Parts, wire: Wire) -> None:
    """Add a wire from clamp to clamp, its armour rods and dampers."""
    length = wire.span.length_m
    tone = rng_of("wire", world.seed, wire.span.number, wire.offset_m).uniform(0.72, 1.08)
    colour = tuple(c * tone for c in (ALUMINIUM if wire.name == "conductor" else _STEEL_WIRE))
    parts.rod(wire.at(world, np.linspace(0, length, _PIECES)), wire.radius_m, colour, Finish.WIRE)
    bright = tuple(c * 1.08 for c in ALUMINIUM)
    for near, sign in ((0.0, 1.0), (length, -1.0)):
        if wire.name == "conductor":
            parts.rod(
                wire.at(world, np.linspace(near, near + sign * _ARMOUR_M, 4)), wire.radius_m * 1.5, bright, Finish.WIRE
            )
        for step in _DAMPERS_M:
            damper(world, parts, wire, near + sign * step)
    _clamp(world, parts, wire)


def _clamp(world: LineWorld, parts: Parts, wire: Wire) -> None:
    """Add the suspension clamps that hold a wire at the towers of its span."""
    for chainage in (0.0, wire.span.length_m):
        at, way = wire.along(world, chainage)
        boat = ((-0.12, 0.012), (-0.1, 0.028), (0.0, 0.036), (0.1, 0.028), (0.12, 0.012))
        parts.revolve((at - _UP * 0.008, way), boat, _IRON, Finish.CASTING, 12)
        side = np.cross(way, _UP)
        for lift in (-0.05, 0.05):
            arc = [
                at + way * lift + side * s * 0.026 + _UP * u
                for s, u in ((-1, -0.03), (-1, 0.045), (1, 0.045), (1, -0.03))
            ]
            parts.rod(np.array(arc), 0.006, _IRON, Finish.CASTING)
        parts.plate((at + _UP * 0.01, at + _UP * 0.12), way * 0.025, (_IRON, Finish.CASTING))


def damper(world: LineWorld, parts: Parts, wire: Wire, chainage_m: float) -> Image:
    """Add a Stockbridge damper below a wire; return its middle."""
    at, way = wire.along(world, chainage_m)
    below = at - _UP * 0.075
    parts.plate((at + _UP * 0.02, below - _UP * 0.012), way * 0.022, (ALUMINIUM, Finish.CASTING), 0.01)
    parts.revolve(
        (at - way * 0.025, way),
        ((0, 0.018), (0.005, 0.026), (0.045, 0.026), (0.05, 0.018)),
        ALUMINIUM,
        Finish.CASTING,
        10,
    )
    ends = [below + way * s - _UP * 0.02 * abs(s) for s in (-0.2, 0.2)]
    parts.rod(np.array([ends[0], below, ends[1]]), 0.006, _STEEL_WIRE, Finish.WIRE)
    weight = ((-0.05, 0.0), (-0.048, 0.022), (0.02, 0.027), (0.055, 0.031), (0.065, 0.02), (0.066, 0.0))
    for end, sign in zip(ends, (-1.0, 1.0), strict=True):
        parts.revolve((end, way * sign), weight, (96, 98, 98), Finish.CASTING, 12)
    return below


def spacer(world: LineWorld, parts: Parts, pair: list[Wire], chainage_m: float) -> Image:
    """Add a spacer between the two conductors of a bundle; return its middle."""
    (one, way), (other, _) = (wire.along(world, chainage_m) for wire in pair)
    middle: Image = (one + other) / 2
    parts.plate((one, other), _UP * 0.022, (_IRON, Finish.CASTING))
    parts.plate((one, other), way * 0.02, (_IRON, Finish.CASTING))
    for at in (one, other):
        parts.revolve(
            (at - way * 0.04, way),
            ((0, 0.016), (0.004, 0.034), (0.076, 0.034), (0.08, 0.016)),
            _IRON,
            Finish.CASTING,
            12,
        )
    return middle


def yoke(world: LineWorld, parts: Parts, tower: int, phase: int) -> None:
    """Add the plate that carries a bundle's two clamps below a string."""
    stand = world.stand(tower)
    up, offset = world.line.towers[tower].attachment_height_m, world.line.phase_offsets_m[phase]
    ends = [stand.at(0.0, offset + side, up + 0.1) for side in (-BUNDLE_M - 0.03, BUNDLE_M + 0.03)]
    parts.plate((ends[0], ends[1]), _UP * 0.04, (_IRON, Finish.CASTING))


def helix(ends: tuple[Image, Image], radius_m: Image, turns: float, phase: float, count: int) -> Image:
    """Return points of a helix about the line between two points."""
    first, second = ends
    way = (second - first) / np.linalg.norm(second - first)
    side = np.cross(way, _UP)
    side /= np.linalg.norm(side)
    share = np.linspace(0, 1, count)[:, None]
    turn = 2 * np.pi * turns * share + phase
    points: Image = first + (second - first) * share
    wound: Image = points + (np.cos(turn) * side + np.sin(turn) * np.cross(side, way)) * np.asarray(radius_m).reshape(
        -1, 1
    )
    return wound


def strands(world: LineWorld, parts: Parts, wire: Wire, place: tuple[float, float], rng: Rng) -> Image:
    """Add frayed and bird-caged strands about ``place`` (chainage, length); return points round them."""
    middle, length = place
    ends = wire.at(world, np.array([middle - length / 2, middle + length / 2]))
    radius, bulge = wire.radius_m, rng.uniform(0.6, 2.4) * wire.radius_m
    share = np.linspace(0, 1, 40)
    made = [wire.at(world, np.linspace(middle - length / 2, middle + length / 2, 5))]
    for number in range(int(rng.integers(5, 10))):
        lift = radius + 0.0015 + bulge * rng.uniform(0.5, 1.2) * np.sin(np.pi * share) ** 1.5
        turns, phase = length / 0.34 * rng.uniform(0.9, 1.05), number * 0.75 + rng.uniform(-0.2, 0.2)
        made.append(helix((ends[0], ends[1]), lift, turns, phase, 40))
    for number in range(int(rng.integers(2, 6))):
        from_end = rng.random() < 0.5
        tail = helix(
            (ends[0], ends[1]), radius + 0.0015 + 0 * share, length / 0.3, number * 1.1 + rng.uniform(0, 1), 40
        )
        tail = tail if from_end else tail[::-1]
        cut = int(rng.integers(8, 30))
        made.append(np.concatenate([tail[:cut], _loose(tail[cut - 2 : cut], rng, length * rng.uniform(0.25, 0.7))]))
    for strand in made[1:]:
        tone = rng.uniform(0.75, 1.3)
        parts.rod(strand, rng.uniform(0.0016, 0.0021), tuple(min(235.0, c * tone) for c in ALUMINIUM), Finish.CASTING)
    return np.concatenate(made)


def _loose(last: Image, rng: Rng, length_m: float) -> Image:
    """Return where a cut strand goes: on from its end, away from the wire and down, in a curl."""
    way = (last[1] - last[0]) / np.linalg.norm(last[1] - last[0])
    out = rng.normal(size=3) * (0.5, 0.5, 0.5)
    points, steps = [last[1]], 14
    curl = rng.normal(size=3) * 0.16
    for _ in range(steps):
        way = way + out * 0.16 + np.cross(curl, way) - _UP * 0.03
        way /= np.linalg.norm(way)
        points.append(points[-1] + way * length_m / steps)
    return np.array(points[1:])
