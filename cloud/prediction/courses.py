"""A defect as prediction sees it: sizes over time, and flights that would have seen it and did not. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from contracts.vocabulary import DefectKind

OUTER_FROM_SHARE = 2 / 3
"""Beyond this share of the blade a place counts as outer: it moves more, and defects there may grow faster."""
SMALLEST_SEEN_MM = 60.0
"""A defect smaller than this is about as often missed as found; a flight that saw the place bounds the size by it."""
SEEN_SPREAD = 0.5
"""How gradually, in the logarithm of the size, missing turns into finding: large ones are missed now and then."""


class Size(NamedTuple):
    """One measured length. ``years``: since the first sighting of the defect."""

    years: float
    length_mm: float
    sigma_mm: float


class Course(NamedTuple):
    """One defect: its sizes, oldest first, and the times (negative years) when its place was seen without it."""

    defect_id: str
    kind: DefectKind
    outer: bool
    sizes: tuple[Size, ...]
    not_seen: tuple[float, ...] = ()

    @property
    def logarithms(self) -> list[float]:
        """Return the logarithms of the lengths."""
        return [math.log(max(size.length_mm, 1.0)) for size in self.sizes]

    def without_last(self) -> Course:
        """Return the course as it was one inspection earlier."""
        return self._replace(sizes=self.sizes[:-1])


def grown(courses: Sequence[Course]) -> list[Course]:
    """Return the courses that tell growth: two sizes or more."""
    return [course for course in courses if len(course.sizes) >= 2]
