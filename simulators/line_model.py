"""One line with its defects as bodies, and round each defect the points that its box holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.vocabulary import DefectKind
from simulators.line_bodies import Finish, Parts
from simulators.line_defects import LineDefect
from simulators.line_growth import nest, tree
from simulators.line_insulators import Harm, draw_string, string_at
from simulators.line_marks import Mark, draw_marks
from simulators.line_shading import Rust
from simulators.line_tower import Tower
from simulators.line_wires import draw_wire, phase_wires, strands, wires, yoke
from simulators.line_world import LineWorld
from simulators.noise import Image, rng_of

_UP = np.array([0.0, 0.0, 1.0])
_LEAVES_PER_M2 = 900
_RUST_SHOWS = 0.95
"""Share of a corroded place's radius within which it is seen."""


class LineModel:
    """The bodies of a line, where its defects' outlines are, and what is corroded."""

    def __init__(self, world: LineWorld, defects: Sequence[LineDefect], *, clutter: bool = True) -> None:
        self.world, self.defects, self.parts = world, list(defects), Parts()
        self.towers = [Tower(world, number) for number in range(len(world.line.towers))]
        self.outlines: dict[str, Image] = {}
        """Points (n, 3) on and round each defect, by its id."""
        self.rusts: list[Rust] = []
        self._stand_up()
        self._metal = _metal_points(self.parts)
        for defect in self.defects:
            self.outlines[defect.defect_id] = self._plant(defect)
        self.marks: list[Mark] = draw_marks(world, self.parts, self.towers) if clutter else []
        if clutter:
            self._grow_at_a_distance()

    def _stand_up(self) -> None:
        world = self.world
        harms = {
            (d.place.tower, d.place.phase): _harm(d) for d in self.defects if d.kind is DefectKind.BROKEN_INSULATOR
        }
        for number, tower in enumerate(self.towers):
            tower.draw(self.parts)
            for phase in range(len(world.line.phase_offsets_m)):
                draw_string(world, self.parts, string_at(world, number, phase), harms.get((number, phase)))
                if world.bundle == 2:
                    yoke(world, self.parts, number, phase)
        for wire in wires(world):
            draw_wire(world, self.parts, wire)

    def _plant(self, defect: LineDefect) -> Image:
        """Add a defect's bodies; return the points round it."""
        place, rng = defect.place, rng_of("planted", defect.seed)
        if defect.kind is DefectKind.BROKEN_INSULATOR:
            return string_at(self.world, place.tower or 0, place.phase or 0).envelope(place.part, defect.discs)
        if defect.kind is DefectKind.CORROSION:
            return self._corrode(defect)
        if defect.kind is DefectKind.NEST:
            return nest(self.parts, self._ledge(defect), defect.size_m, rng)
        wire = phase_wires(self.world, place.span or 0, place.phase or 0)[0]
        if defect.kind is DefectKind.BROKEN_STRANDS:
            return strands(self.world, self.parts, wire, (place.chainage_m, defect.size_m), rng)
        at, way = wire.along(self.world, place.chainage_m)
        aside = np.cross(way, _UP) * rng.uniform(-0.8, 0.8)
        high = defect.size_m * rng.uniform(1.1, 1.6)
        leaves = int(_LEAVES_PER_M2 * defect.size_m * high)
        return tree(self.parts, at + aside - _UP * defect.clearance_m, (defect.size_m, high), rng, leaves)

    def _ledge(self, defect: LineDefect) -> Image:
        """Return where a nest stands: between the chords of a crossarm near the body, or on the tower's top."""
        tower = self.towers[defect.place.tower or 0]
        if defect.how == "top":
            height = self.world.line.towers[defect.place.tower or 0].height_m
            return tower.stand.at(0.0, 0.0, height - 0.05)
        return tower.stand.at(0.0, defect.place.part * (tower.half_m(tower.arm_m) + 0.75), tower.arm_m + 0.06)

    def _corrode(self, defect: LineDefect) -> Image:
        place, radius = defect.place, defect.size_m / 2
        if defect.how == "fitting":
            plan = string_at(self.world, place.tower or 0, place.phase or 0)
            centre = plan.disc(place.part) if place.part else plan.top
        else:
            tower = self.towers[place.tower or 0]
            high = [m for m in tower.members if m.first[2] > tower.arm_m - 4.0 and m.name != "horizontal"]
            member = high[place.part % len(high)]
            centre = member.first + (member.second - member.first) * (0.0, 0.25, 0.5, 1.0)[place.part % 4]
        self.rusts.append(Rust(centre.astype(np.float32), radius))
        apart = np.linalg.norm(self._metal - centre, axis=1)
        seen: Image = self._metal[apart < radius * _RUST_SHOWS]
        return seen

    def _grow_at_a_distance(self) -> None:
        """Add trees that keep their distance from every conductor."""
        world, rng = self.world, rng_of("trees", self.world.seed)
        for span in (world.line.span(number) for number in range(len(self.towers) - 1)):
            for side in (-1.0, 1.0):
                share = rng.uniform(0.15, 0.85)
                low = float(world.wire(span, np.array([share]), 0.0)[0, 2])
                at = world.wire(span, np.array([share]), side * (world.line.half_width_m + rng.uniform(4.5, 9.0)))[0]
                at[2] = max(3.0, low - rng.uniform(5.0, 9.0))
                tree(self.parts, at, (rng.uniform(2, 3.2), rng.uniform(2.6, 4.0)), rng, 4000)


def _harm(defect: LineDefect) -> Harm:
    return Harm(defect.place.part, defect.discs, defect.how, defect.seed)


def _metal_points(parts: Parts) -> Image:
    """Return points all over steel and castings."""
    facets = parts.facets()
    corners = facets.corners[facets.finish <= Finish.CASTING]
    u = np.linspace(0, 1, 9)[None, :, None, None]
    first = corners[:, 0, None] * (1 - u[..., 0]) + corners[:, 1, None] * u[..., 0]
    second = corners[:, 3, None] * (1 - u[..., 0]) + corners[:, 2, None] * u[..., 0]
    points: Image = np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])
    return points
