"""What a flight saw of the towers of a line: each of their four sides, by height, and their insulator strings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from cloud.parts_seen import Cell, PartGap, Parts, alike, of, seen_of
from cloud.tables import PartCoverage
from contracts.geo import Frozen
from contracts.parts import Part, is_face, line_tower_of, towers_of
from contracts.powerline import PowerLine


class TowersSeen(Frozen):
    """How many towers of a line a flight saw whole, in part, and not at all."""

    whole: int
    part: int
    unseen: int

    @property
    def of(self) -> int:
        """Return how many towers there are."""
        return self.whole + self.part + self.unseen

    def __str__(self) -> str:
        return f"{self.whole} of {self.of} seen whole, {self.part} in part, {self.unseen} not at all"


def of_towers(line: PowerLine, told: Sequence[PartCoverage | Cell], *, is_told: bool) -> Parts:
    """Return the towers of a line, and what a flight that told this saw of them.

    It looked at a tower of which it saw anything, and at no other one: most flights are along the conductors.
    ``is_told``: vision counted towers when it looked at the flight. Else nobody knows what was seen of them.
    """
    found = towers_of(line, range(len(line.towers)))
    seen = seen_of(of(found, told)) if is_told else frozenset()
    near = {line_tower_of(part) for part, _ in seen}
    wanted = {part.part: part.cells if line_tower_of(part.part) in near else range(0) for part in found}
    return Parts(found, wanted, seen, is_told)


def tally(towers: Parts) -> TowersSeen | None:
    """Return how many of a line's towers a flight saw; None where it does not tell of them."""
    if not towers.is_known:
        return None
    each = by_tower(towers)
    whole = sum(all(map(towers.has_seen, parts)) for parts in each)
    near = sum(_is_near(towers, parts) for parts in each)
    return TowersSeen(whole=whole, part=near - whole, unseen=len(each) - near)


def by_tower(towers: Parts) -> list[list[Part]]:
    """Return the parts of each tower in order."""
    return [list(parts) for _, parts in groupby(towers.parts, lambda part: line_tower_of(part.part))]


def gaps(towers: Parts) -> Iterator[PartGap]:
    """Yield the gaps tower by tower; what is missing of all faces or all insulator strings of one is said once."""
    for parts in by_tower(towers):
        faces = [part for part in parts if is_face(part)]
        strings = [part for part in parts if not is_face(part)]
        yield from alike(towers, faces, f"{_name(parts)}, all faces", is_along=True)
        yield from alike(towers, strings, f"{_name(parts)}, all insulator strings", is_along=True)


def beyond(towers: Parts) -> list[str]:
    """Return the towers of which nothing was seen, those that follow one another as one."""
    if not towers.is_known:
        return ["towers and insulator strings: what was seen of them was not counted when the flight was analysed"]
    said = []
    for is_near, run in groupby(by_tower(towers), lambda parts: _is_near(towers, parts)):
        one, *more = map(_name, run)
        if not is_near:
            ends = f"{one.replace('tower', 'towers', 1)} to {more[-1].removeprefix('tower ')}" if more else one
            said.append(f"{ends}, with insulator strings")
    return said


def near(towers: Parts) -> list[int]:
    """Return the numbers of the towers of which anything was seen."""
    return [number for number, parts in enumerate(by_tower(towers)) if _is_near(towers, parts)]


def unseen_at(towers: Parts, parts: Sequence[Part], cell: int) -> list[Part]:
    """Return the parts of a tower that reach to a height and were not seen there."""
    return [part for part in parts if cell in part.cells and (part.part, cell) not in towers.seen]


def _is_near(towers: Parts, parts: Sequence[Part]) -> bool:
    return any(towers.wanted[part.part] for part in parts)


def _name(parts: Sequence[Part]) -> str:
    return parts[0].name.rpartition(", ")[0]
