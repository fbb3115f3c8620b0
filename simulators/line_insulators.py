"""Suspension strings: cap-and-pin discs of glass or porcelain, or a composite rod with sheds; intact and broken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.line_bodies import Bgr, Finish, Parts
from simulators.line_world import LineWorld
from simulators.noise import Image, Rng, rng_of

DISC_RADIUS_M = 0.1275
_SHED_RADIUS_M = 0.078
_TOP_M, _BOTTOM_M = 0.18, 0.2
_DISC_M, _SHED_M = 0.146, 0.043
_DOWN = np.array([0.0, 0.0, -1.0])
_ZINC = (150.0, 152.0, 150.0)
_CAP = ((0.0, 0.0), (0.002, 0.026), (0.008, 0.04), (0.02, 0.047), (0.04, 0.05), (0.062, 0.052), (0.07, 0.056))
_SHELL = (
    (0.066, 0.05), (0.069, 0.066), (0.074, 0.084), (0.081, 0.101), (0.09, 0.1135), (0.099, 0.1225), (0.107, 0.1268),
    (0.112, 0.1275), (0.117, 0.126), (0.113, 0.117), (0.131, 0.109), (0.132, 0.103), (0.112, 0.094), (0.128, 0.082),
    (0.129, 0.077), (0.11, 0.066), (0.124, 0.052), (0.112, 0.03),
)  # fmt: skip
_PIN = ((0.1, 0.03), (0.12, 0.016), (0.15, 0.013))


class Look(NamedTuple):
    """What the shells are made of."""

    colour: Bgr
    finish: Finish
    shard: Bgr
    """The colour of a fresh break."""


LOOKS = {
    "glass": Look((138, 158, 104), Finish.GLASS, (200, 214, 190)),
    "porcelain": Look((34, 48, 84), Finish.GLAZE, (206, 218, 222)),
    "composite": Look((122, 116, 112), Finish.RUBBER, (150, 176, 190)),
}


class Harm(NamedTuple):
    """What is wrong with a string."""

    first: int
    """First of its discs (sheds, a composite's) from the top."""
    discs: int
    how: str
    """``missing``: the shells are gone; ``shattered``: a part of them is; ``flashed``: burnt by an arc."""
    seed: int


class StringPlan(NamedTuple):
    """Where a string's discs hang."""

    top: Image
    discs: int
    pitch_m: float
    radius_m: float

    def disc(self, index: int) -> Image:
        """Return the middle of a disc's upper end."""
        point: Image = self.top + _DOWN * (_TOP_M + index * self.pitch_m)
        return point

    def envelope(self, first: int, count: int) -> Image:
        """Return points round some discs as they are when they are whole."""
        turn = np.linspace(0, 2 * np.pi, 25)[:-1]
        ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1) * self.radius_m
        heights = [self.disc(first + k) + _DOWN * d for k in range(count) for d in _reach(self)]
        return np.concatenate([height + ring for height in heights])


def _reach(plan: StringPlan) -> tuple[float, float]:
    return (0.066, 0.132) if plan.radius_m == DISC_RADIUS_M else (0.0, 0.03)


def string_at(world: LineWorld, tower: int, phase: int) -> StringPlan:
    """Return the string that carries a phase's conductor at a tower."""
    line = world.line
    offset, up = line.phase_offsets_m[phase], line.towers[tower].attachment_height_m
    top = world.stand(tower).at(0.0, offset, up + line.insulator_length_m)
    room = line.insulator_length_m - _TOP_M - _BOTTOM_M
    pitch, radius = (_SHED_M, _SHED_RADIUS_M) if world.insulators == "composite" else (_DISC_M, DISC_RADIUS_M)
    count = max(2, round(room / pitch))
    return StringPlan(top, count, room / count, radius)


def draw_string(world: LineWorld, parts: Parts, plan: StringPlan, harm: Harm | None) -> None:
    """Add one string with its shackle and socket; the clamp is the conductor's."""
    parts.rod(np.array([plan.top + 0.16 * -_DOWN, plan.disc(0)]), 0.011, _ZINC, Finish.CASTING)
    for lift, width in ((0.08, 0.03), (-0.07, 0.026)):
        parts.revolve(
            (plan.top - _DOWN * lift, _DOWN),
            ((0, 0), (0.01, width), (0.06, width), (0.07, 0)),
            _ZINC,
            Finish.CASTING,
            10,
        )
    end = plan.disc(plan.discs)
    parts.rod(np.array([end, end + _DOWN * _BOTTOM_M]), 0.012, _ZINC, Finish.CASTING)
    parts.revolve((end, _DOWN), ((0, 0), (0.005, 0.03), (0.09, 0.028), (0.1, 0.0)), _ZINC, Finish.CASTING, 12)
    parts.hides(plan.top, end, plan.radius_m * 0.75)
    look = LOOKS[world.insulators]
    rng = rng_of("string", world.seed, *np.round(plan.top, 2))
    if world.insulators == "composite":
        parts.rod(np.linspace(plan.disc(0), end, 8), 0.014, look.colour, Finish.RUBBER)
        _ring(world, parts, end)
    for index in range(plan.discs):
        hurt = harm if harm is not None and harm.first <= index < harm.first + harm.discs else None
        one = _Disc(plan.disc(index), look, index, rng)
        (_shed if world.insulators == "composite" else _disc)(parts, one, hurt)


class _Disc(NamedTuple):
    at: Image
    look: Look
    number: int
    rng: Rng


def _disc(parts: Parts, disc: _Disc, hurt: Harm | None) -> None:
    tone = disc.rng.uniform(0.92, 1.08)
    rust = disc.rng.uniform(0.86, 1.0)
    parts.revolve((disc.at, _DOWN), _CAP, tuple(c * rust for c in _ZINC), Finish.CASTING, 18)
    parts.revolve((disc.at, _DOWN), _PIN, tuple(c * 0.8 for c in _ZINC), Finish.CASTING, 10)
    colour = tuple(c * tone for c in disc.look.colour)
    if hurt is None:
        parts.revolve((disc.at, _DOWN), _SHELL, colour, disc.look.finish, 32)
        return
    _hurt_shell(parts, disc, hurt, np.array(colour))


def _hurt_shell(parts: Parts, disc: _Disc, hurt: Harm, colour: Image) -> None:
    rng, strips = rng_of("harm", hurt.seed, disc.number), 40
    turn = np.linspace(0, 2 * np.pi, strips, endpoint=False)
    waves, splinters = (
        np.sum([rng.uniform(0.3, 1.0) / k * np.sin(k * turn + rng.uniform(0, 6.3)) for k in orders], axis=0)
        for orders in (range(1, 9), range(3, 14))
    )
    if hurt.how == "flashed":
        shape = (disc.at, _DOWN), _SHELL, _burnt(colour, waves, rng)
        parts.revolve(*shape, Finish.WOOD if rng.random() < 0.5 else disc.look.finish, strips)
        return
    radii = np.array([radius for _, radius in _SHELL])
    if hurt.how == "missing":
        left = np.full(strips, 0.056) + 0.006 * waves
    else:
        gone = np.cos(turn - rng.uniform(0, 6.3)) + 0.2 * waves
        left = np.where(gone > rng.uniform(-0.55, -0.1), 0.068 + 0.025 * splinters, 1.0)
    keep = np.maximum(radii[:-1], radii[1:])[:, None] <= left[None, :]
    keep[-1] = True
    edge = keep & ~np.vstack([keep[1:], np.ones((1, strips), bool)])
    colours = np.where(edge[..., None], np.array(disc.look.shard), colour)
    parts.revolve((disc.at, _DOWN), _SHELL, colours, disc.look.finish, strips, keep)
    if disc.look.finish is Finish.GLASS:
        stub = ((0.066, 0.05), (0.07, 0.07), (0.082, 0.074), (0.1, 0.05), (0.112, 0.03))
        white = np.array(disc.look.shard) * rng.uniform(0.75, 1.05, (4, 24))[..., None]
        parts.revolve((disc.at, _DOWN), stub, white, Finish.WOOD, 24)


def _burnt(colour: Image, waves: Image, rng: Rng) -> Image:
    """Return a shell's colours (rings, strips, 3) after an arc: soot, and glaze burnt pale round it."""
    rings = len(_SHELL) - 1
    heat = (
        0.8 + 0.55 * waves[None, :] - 0.05 * np.arange(rings)[:, None] + rng.uniform(-0.15, 0.15, (rings, len(waves)))
    )
    pale = np.clip(heat * 1.8, 0, 0.9)[..., None]
    soot = np.clip((heat - 0.75) * 2.2, 0, 0.95)[..., None]
    made = colour * (1 - pale) + np.array([176, 194, 204]) * pale
    return made * (1 - soot) + np.array([24, 26, 30]) * soot


def _shed(parts: Parts, disc: _Disc, hurt: Harm | None) -> None:
    radius = _SHED_RADIUS_M if disc.number % 2 == 0 else 0.056
    shape = ((0.0, 0.014), (0.012, radius), (0.016, radius), (0.018, 0.014))
    if hurt is None:
        parts.revolve((disc.at, _DOWN), shape, disc.look.colour, Finish.RUBBER, 20)
        return
    rng = rng_of("harm", hurt.seed, disc.number)
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    start = rng_of("harm", hurt.seed).uniform(0, 6.3)
    dark = np.clip(0.7 + 0.5 * np.cos(turn - start) + rng.uniform(-0.2, 0.2, 28), 0, 0.92)[None, :, None]
    burnt = np.array(disc.look.colour) * (1 - dark) + np.array([22, 24, 28]) * dark
    if hurt.how == "flashed":
        parts.revolve((disc.at, _DOWN), shape, np.repeat(burnt, 3, axis=0), Finish.RUBBER, 28)
        return
    torn = np.cos(turn - start) + rng.uniform(-0.35, 0.35, 28) < (
        rng.uniform(-0.2, 0.5) if hurt.how == "shattered" else -0.8
    )
    keep = np.repeat(torn[None, :], 3, axis=0)
    parts.revolve((disc.at, _DOWN), shape, np.repeat(burnt, 3, axis=0), Finish.RUBBER, 28, keep)
    parts.revolve((disc.at, _DOWN), ((-0.005, 0.0155), (0.04, 0.0155)), disc.look.shard, Finish.WOOD, 12)


def _ring(world: LineWorld, parts: Parts, end: Image) -> None:
    """Add the corona ring at a composite's live end."""
    along, left = world.stand(0).along, world.stand(0).left
    turn = np.linspace(0, 2 * np.pi, 25)[:, None]
    ring = end - _DOWN * 0.06 + (np.cos(turn) * along + np.sin(turn) * left) * 0.13
    parts.rod(ring, 0.014, (176, 176, 174), Finish.CASTING)
