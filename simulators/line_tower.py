"""A lattice suspension tower with one level of crossarms: legs, bracing, chords, plates and bolts."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from simulators.line_bodies import Bgr, Finish, Parts
from simulators.line_world import LineWorld, Stand
from simulators.noise import Image, rng_of

_ARM_DEPTH_M = 1.5
_UP = np.array([0.0, 0.0, 1.0])
_CORNERS = ((1, 1), (1, -1), (-1, -1), (-1, 1))
_BOLTED_M = 9.0
"""How far below the crossarm bolts are drawn."""
RED, WHITE = (46.0, 44.0, 170.0), (214.0, 216.0, 216.0)


class Member(NamedTuple):
    """A bar of the lattice."""

    name: str
    first: Image
    second: Image
    width_m: float
    flanges: tuple[Image, Image]


class Tower:
    """One tower of a line, ready to be drawn."""

    def __init__(self, world: LineWorld, number: int) -> None:
        self._world, self._tower = world, world.line.towers[number]
        self.stand: Stand = world.stand(number)
        self.arm_m = world.arm_m(number)
        self.members: list[Member] = []
        self._rng = rng_of("tower", world.seed, number)
        self._body()
        for side in (1.0, -1.0):
            self._arm(side)

    def half_m(self, up_m: float) -> float:
        """Return half the body's width at a height."""
        base = self._tower.base_radius_m / np.sqrt(2)
        heights = (0.0, self.arm_m, self.arm_m + _ARM_DEPTH_M, self._tower.height_m)
        return float(np.interp(up_m, heights, (base, 0.58, 0.5, 0.1)))

    def draw(self, parts: Parts) -> None:
        """Add everything of the tower."""
        bolts = []
        for member in self.members:
            middle = float(self._up(member.first) + self._up(member.second)) / 2
            parts.angle((member.first, member.second), member.flanges, member.width_m, self._colour(middle))
            if self.arm_m - _BOLTED_M < middle:
                bolts += self._bolts(parts, member)
        tone = 255 * self._world.steel * 0.9
        parts.quads(_heads(np.array(bolts)), (tone, tone, tone), Finish.CASTING)
        for along, left in _CORNERS:
            foot = self._corner(along, left, 0.0)
            parts.revolve((foot + _UP * 0.4, -_UP), ((0, 0), (0, 0.4), (0.6, 0.45)), (150, 156, 158), Finish.WOOD, 12)
        for step in np.arange(2.5, self.arm_m, 0.38):
            at = self._corner(1, 1, step)
            out = (self.stand.along if int(step / 0.38) % 2 else self.stand.left) * 0.16
            parts.rod(np.array([at, at + out]), 0.008, self._colour(step), Finish.STEEL)

    def _up(self, point: Image) -> float:
        return float(point[2] - self.stand.foot[2])

    def _colour(self, up_m: float) -> Bgr:
        top = self._tower.height_m
        if self._world.painted and up_m > top * 0.55:
            return RED if int((top - up_m) / (top * 0.075)) % 2 == 0 else WHITE
        tone = 255 * self._world.steel * self._rng.uniform(0.86, 1.1)
        return (tone * 1.0, tone * 0.995, tone * self._rng.uniform(0.95, 0.99))

    def _corner(self, along: float, left: float, up_m: float) -> Image:
        half = self.half_m(up_m)
        return self.stand.at(along * half, left * half, up_m)

    def _body(self) -> None:
        below = self._levels(0.0, self.arm_m)
        above = self._levels(self.arm_m + _ARM_DEPTH_M, self._tower.height_m)
        levels = [*below, *above]
        for low, high in pairwise(levels):
            for index, (along, left) in enumerate(_CORNERS):
                flanges = (-along * self.stand.along, -left * self.stand.left)
                ends = self._corner(along, left, low), self._corner(along, left, high)
                self.members.append(Member("leg", *ends, 0.13 if high <= self.arm_m else 0.09, flanges))
                self._face(low, high, index)

    def _levels(self, low: float, high: float) -> list[float]:
        levels = [low]
        while levels[-1] < high:
            levels.append(levels[-1] + max(0.9, 1.75 * self.half_m(levels[-1])))
        scale = (high - low) / (levels[-1] - low)
        return [low + (level - low) * scale for level in levels]

    def _face(self, low: float, high: float, index: int) -> None:
        """Add the crossed bracing of one panel, and the horizontal over it."""
        one, other = _CORNERS[index], _CORNERS[(index + 1) % 4]
        middle = (np.array(one) + np.array(other)) / 2
        inward = -(middle[0] * self.stand.along + middle[1] * self.stand.left)
        width = 0.07 if high <= self.arm_m else 0.05
        for bottom, top, behind in ((one, other, 0.0), (other, one, 0.012)):
            first, second = self._corner(*bottom, low), self._corner(*top, high)
            self._bar("bracing", first + inward * behind, second + inward * behind, width, inward)
        self._bar("horizontal", self._corner(*one, high), self._corner(*other, high), width, inward)

    def _arm(self, side: float) -> None:
        tip = max(side * offset for offset in self._world.line.phase_offsets_m) + 0.45
        start, up = self.half_m(self.arm_m), self.arm_m
        count = max(3, round((tip - start) / 0.95))
        shares = np.linspace(0, 1, count + 1)

        def chord(fore: float, share: float, upper: bool) -> Image:
            depth = (_ARM_DEPTH_M * (1 - share) + 0.16 * share) if upper else 0.0
            return self.stand.at(
                fore * (start * (1 - share) + 0.16 * share), side * (start + (tip - start) * share), up + depth
            )

        for one, two in pairwise(shares):
            for fore in (1.0, -1.0):
                inward = -fore * self.stand.along
                for upper, drop in ((False, _UP), (True, -_UP)):
                    ends = chord(fore, one, upper), chord(fore, two, upper)
                    self.members.append(Member("chord", *ends, 0.085, (inward, drop)))
                self._bar("bracing", chord(fore, one, False), chord(fore, two, True), 0.05, inward)
                self._bar("bracing", chord(fore, two, False), chord(fore, two, True), 0.05, inward)
            self._bar("bracing", chord(1, one, False), chord(-1, two, False), 0.05, _UP)
            self._bar("bracing", chord(1, two, False), chord(-1, two, False), 0.06, _UP)
            self._bar("bracing", chord(-1, one, True), chord(1, two, True), 0.045, -_UP)

    def _bar(self, name: str, first: Image, second: Image, width_m: float, inward: Image) -> None:
        """Add a bracing member: one flange in the face it braces, one inward."""
        along = (second - first) / np.linalg.norm(second - first)
        square = inward - along * float(inward @ along)
        square /= np.linalg.norm(square)
        self.members.append(Member(name, first, second, width_m, (np.cross(along, square), square)))

    def _bolts(self, parts: Parts, member: Member) -> list[Image]:
        """Add gusset plates where a bracing member meets the legs or chords; return where bolts are (at, out)."""
        along = member.second - member.first
        length = float(np.linalg.norm(along))
        if member.name in ("leg", "chord") or length < 0.5:
            return []
        along, (face, inward), found = along / length, member.flanges, []
        for end, way in ((member.first, along), (member.second, -along)):
            plate = end + way * 0.05 + face * member.width_m * 0.5 - inward * 0.004
            look = (self._colour(self._up(end)), Finish.STEEL)
            parts.plate((plate - way * 0.08, plate + way * 0.12), face * 0.07, look, 0.03)
            row = end + face * member.width_m * 0.5 - inward * 0.006
            found += [np.array([row + way * step, -inward]) for step in (0.06, 0.125)]
        return found


def _heads(bolts: Image, radius_m: float = 0.013) -> Image:
    """Return the faces (n, 4, 3) of hexagonal bolt heads at points, each with the way out of its plate (n, 2, 3)."""
    at, out = bolts[:, 0], bolts[:, 1]
    u = np.cross(out, np.array([0.31, 0.52, 0.79]))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(out, u)
    turn = np.arange(7) * np.pi / 3
    ring = [at + (np.cos(t) * u + np.sin(t) * v) * radius_m for t in turn]
    rise = out * 0.012
    sides = [np.stack([ring[k], ring[k + 1], ring[k + 1] + rise, ring[k] + rise], axis=1) for k in range(6)]
    tops = [
        np.stack([ring[k] + rise, ring[k + 1] + rise, ring[k + 2] + rise, ring[k + 3] + rise], axis=1) for k in (0, 3)
    ]
    return np.concatenate([*sides, *tops])
