"""Defects planted on a line, in its own coordinates: tower and string or member, or span and chainage."""

from __future__ import annotations

import random
from typing import Literal

from contracts.geo import Frozen
from contracts.vocabulary import DefectKind
from simulators.line_insulators import string_at
from simulators.line_world import LineWorld

LINE_KINDS = (
    DefectKind.CORROSION,
    DefectKind.BROKEN_INSULATOR,
    DefectKind.BROKEN_STRANDS,
    DefectKind.NEST,
    DefectKind.VEGETATION,
)
How = Literal["", "missing", "shattered", "flashed", "lattice", "fitting", "crossarm", "top"]


class LinePlace(Frozen):
    """Where on a line: at a tower (and a phase's string), or at a chainage of a span's phase."""

    tower: int | None = None
    span: int | None = None
    phase: int | None = None
    chainage_m: float = 0.0
    """From the span's first tower."""
    part: int = 0
    """First disc from the top, or which member of the lattice."""


class LineDefect(Frozen):
    """One defect of a line. ``size_m`` is its longest extent, of vegetation the crown's width."""

    defect_id: str
    kind: DefectKind
    place: LinePlace
    size_m: float
    how: How = ""
    discs: int = 0
    clearance_m: float = 0.0
    """Of a crown below the conductor; negative where it has grown past it."""
    seed: int


def plant_line(world: LineWorld) -> list[LineDefect]:
    """Return a line's defects: two or three of each kind, no two at one place."""
    rng = random.Random(f"line defects/{world.seed}")
    towers, phases = range(len(world.line.towers)), range(len(world.line.phase_offsets_m))
    strings = [(tower, phase) for tower in towers for phase in phases]
    hurt = rng.sample(strings, min(len(strings) // 2, 4))
    made = [_insulator(world, rng, *place) for place in hurt]
    made += [_corrosion(rng, tower) for tower in towers]
    spare = [place for place in strings if place not in hurt]
    made.append(_fitting(world, rng, *rng.choice(spare)))
    made += [_nest(rng, tower) for tower in rng.sample(towers, min(2, len(towers)))]
    spans = [(span, phase) for span in towers[:-1] for phase in phases]
    made += [_strands(world, rng, *place) for place in rng.sample(spans, min(3, len(spans)))]
    made += [_vegetation(world, rng, *place) for place in rng.sample(spans, min(2, len(spans)))]
    return [defect.model_copy(update={"defect_id": f"l{number:02d}"}) for number, defect in enumerate(made, 1)]


def _insulator(world: LineWorld, rng: random.Random, tower: int, phase: int) -> LineDefect:
    plan = string_at(world, tower, phase)
    how = rng.choice(("missing", "shattered", "shattered", "flashed"))
    most = 10 if world.insulators == "composite" else 3
    discs = min(plan.discs - 1, rng.randint(max(1, most // 3), most))
    place = LinePlace(tower=tower, phase=phase, part=rng.randint(0, plan.discs - discs))
    return _made(DefectKind.BROKEN_INSULATOR, place, rng, discs * plan.pitch_m, how=how, discs=discs)


def _corrosion(rng: random.Random, tower: int) -> LineDefect:
    size = 2 * rng.uniform(0.16, 0.5)
    place = LinePlace(tower=tower, part=rng.getrandbits(20))
    return _made(DefectKind.CORROSION, place, rng, size, how="lattice")


def _fitting(world: LineWorld, rng: random.Random, tower: int, phase: int) -> LineDefect:
    place = LinePlace(tower=tower, phase=phase, part=rng.choice((0, string_at(world, tower, phase).discs)))
    return _made(DefectKind.CORROSION, place, rng, 2 * rng.uniform(0.14, 0.3), how="fitting")


def _nest(rng: random.Random, tower: int) -> LineDefect:
    place = LinePlace(tower=tower, part=rng.choice((-1, 1)))
    return _made(DefectKind.NEST, place, rng, rng.uniform(0.55, 1.15), how=rng.choice(("crossarm", "crossarm", "top")))


def _strands(world: LineWorld, rng: random.Random, span: int, phase: int) -> LineDefect:
    length = world.line.span(span).length_m
    near = rng.uniform(2.5, 40.0)
    place = LinePlace(span=span, phase=phase, chainage_m=near if rng.random() < 0.5 else length - near)
    return _made(DefectKind.BROKEN_STRANDS, place, rng, rng.uniform(0.25, 0.8))


def _vegetation(world: LineWorld, rng: random.Random, span: int, phase: int) -> LineDefect:
    length = world.line.span(span).length_m
    place = LinePlace(span=span, phase=phase, chainage_m=length * rng.uniform(0.25, 0.75))
    clearance = rng.uniform(-0.5, 1.6)
    return _made(DefectKind.VEGETATION, place, rng, rng.uniform(1.7, 3.0), clearance_m=clearance)


def _made(kind: DefectKind, place: LinePlace, rng: random.Random, size_m: float, **rest: object) -> LineDefect:
    said = {"defect_id": "", "kind": kind, "place": place, "size_m": size_m, "seed": rng.getrandbits(30), **rest}
    return LineDefect.model_validate(said)
