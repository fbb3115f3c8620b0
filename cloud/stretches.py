"""Which stretch of its asset a flight of a plan in several parts is to fly: kept with the plan, said in words."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from contracts.geo import Frozen
from contracts.powerline import PowerLine
from contracts.shapes import AnyShape

CORRIDOR, LINE_TOWERS, RIGHT_OF_WAY = "corridor", "line_towers", "right_of_way"
FACADE, ORBIT, GRID = "facade", "orbit", "grid"
"""Names of patterns (`cloud.planning.wishes`): what reads of a flight needs no planner."""


class Stretch(Frozen):
    """Sections of a pattern, from 0: spans as they are numbered on the line, else strips, rings or lines as flown."""

    first: int = Field(ge=0)
    last: int = Field(ge=0)
    of: int = Field(ge=1, description="how many there are")
    start_m: float | None = Field(default=None, description="of a pipe: the chainage it begins at")
    end_m: float | None = None
    sides: tuple[str, ...] = Field(default=(), description="of a turbine's blades: such as A LE, in the order flown")

    @property
    def along_m(self) -> tuple[float, float] | None:
        """Return the chainages of its ends on a pipe."""
        return None if self.start_m is None or self.end_m is None else (self.start_m, self.end_m)

    def unless_all(self) -> Self | None:
        """Return it, or None where it is all there is."""
        return None if self.last - self.first + 1 >= self.of else self


def in_words(stretch: Stretch, pattern: str, shape: AnyShape | None) -> str:
    """Return a stretch as a report says it: ``spans T3–T4 to T6–T7``."""
    if stretch.sides:
        return f"blade sides {', '.join(stretch.sides)}"
    if stretch.along_m is not None:
        return "chainage {:,.0f} to {:,.0f} m".format(*stretch.along_m)
    one, last = spans(stretch, pattern, shape)
    if one:
        return f"span {one}" if one == last else f"spans {one} to {last}"
    one, last = towers(stretch, pattern, shape)
    if one:
        return f"tower {one}" if one == last else f"towers {one} to {last}"
    return f"{section(pattern)}s {stretch.first + 1} to {stretch.last + 1} of {stretch.of}"


def spans(stretch: Stretch, pattern: str, shape: AnyShape | None) -> tuple[str, str]:
    """Return the first and the last span by their towers; nothing of what is no line, or a shorter one now."""
    if pattern != CORRIDOR or not isinstance(shape, PowerLine) or stretch.last + 1 >= len(shape.towers):
        return "", ""
    first, last = (f"{shape.towers[n].name}–{shape.towers[n + 1].name}" for n in (stretch.first, stretch.last))
    return first, last


def towers(stretch: Stretch, pattern: str, shape: AnyShape | None) -> tuple[str, str]:
    """Return the names of the first and the last tower that a flight goes round; nothing of what is no line."""
    if pattern != LINE_TOWERS or not isinstance(shape, PowerLine) or stretch.last >= len(shape.towers):
        return "", ""
    return shape.towers[stretch.first].name, shape.towers[stretch.last].name


def section(pattern: str) -> str:
    """Return what a section of a pattern is called: ``strip``."""
    return {CORRIDOR: "span", LINE_TOWERS: "tower", ORBIT: "ring", GRID: "line"}.get(pattern, "strip")
